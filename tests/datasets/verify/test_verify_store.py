"""`verify` on a packed store: every byte is held against what was packed."""

import json

import pytest

from jaxdet.datasets.commands import main
from jaxdet.datasets.pack.store_writer import pack


@pytest.fixture
def store(dataset, tmp_path):
    pack(dataset, tmp_path / "store", say=lambda line: None)
    return tmp_path / "store"


def verify(store, tmp_path):
    """Exit status and the report."""
    out = tmp_path / "report.json"
    try:
        main(["verify", str(store), f"--json={out}"])
    except SystemExit as stopped:
        return stopped.code, json.loads(out.read_text())
    return 0, json.loads(out.read_text())


def test_a_sound_store_is_counted_and_well(store, tmp_path, capsys):
    status, report = verify(store, tmp_path)
    assert status == 0
    assert report["ok"]
    # 2 classes of 24, 10 to validate, and test sets of 14, 14 and 4.
    assert report["checked"] == report["hashed"] == 90
    counts = {count["path"]: (count["real"], count["fake"]) for count in report["counts"]}
    assert counts == {
        "train/cat": (12, 12), "train/horse": (12, 12), "val/cat": (5, 5), "test/alpha": (7, 7),
        "test/beta": (7, 7), "test/gamma": (2, 2),
    }  # fmt: skip
    assert "all is well" in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_flipped_bit_is_found_and_named(store, tmp_path, share):
    shard = store / "shards" / "00000.bin"
    content = bytearray(shard.read_bytes())
    content[int(share * len(content))] ^= 8
    shard.write_bytes(content)
    status, report = verify(store, tmp_path)
    assert status == 1
    (finding,) = report["findings"]
    assert finding["kind"] == "damaged"
    assert finding["path"].startswith(("train/", "val/", "test/"))
    assert "CRC-32 differs" in finding["detail"]


@pytest.mark.parametrize("file", ["index.npy", "names.bin", "shards/00000.bin"])
def test_a_file_cut_short_is_a_finding(store, tmp_path, file):
    path = store / file
    path.write_bytes(path.read_bytes()[:-5])
    status, report = verify(store, tmp_path)
    assert status == 1
    assert file in report["findings"][0]["detail"]


def test_a_changed_label_is_a_finding(store, tmp_path):
    about = store / "store.json"
    about.write_text(about.read_text().replace("train/cat/0_real", "train/cat/1_fake"))
    status, report = verify(store, tmp_path)
    assert status == 1
    assert "store.json: is not as it was written" in report["findings"][0]["detail"]


def test_images_that_were_not_packed_are_a_finding(dataset, tmp_path):
    stray = dataset / "train" / "cat" / "0_real" / "more" / "1.png"
    stray.parent.mkdir()
    stray.touch()
    pack(dataset, tmp_path / "store", say=lambda line: None)
    status, report = verify(tmp_path / "store", tmp_path)
    assert status == 1
    assert report["findings"] == [{
        "kind": "surplus", "path": "train/cat/0_real/more",
        "detail": "not packed: 1 image file where no command looks",
    }]  # fmt: skip


def test_a_broken_file_that_was_packed_is_told(dataset, tmp_path):
    (dataset / "test" / "gamma" / "0_real" / "000.png").write_text("no image")
    pack(dataset, tmp_path / "store", say=lambda line: None)
    status, report = verify(tmp_path / "store", tmp_path)
    assert status == 1
    assert report["findings"][0]["path"] == "test/gamma/0_real/000.png"
    assert "cannot be read" in report["findings"][0]["detail"]
