"""`data pack` of tables: the store that their images would give as a folder, and that of a run."""

import errno
import functools

import numpy as np
import pytest

from jaxdet.data import order
from jaxdet.data.pairs import draw_places
from jaxdet.data.sources import open_root
from jaxdet.data.subset import draw_subset
from jaxdet.data.table.columns import Reading
from jaxdet.datasets.commands import main
from jaxdet.datasets.pack import store_writer
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import RunFailedError, UserError
from tests.conftest import exit_status
from tests.data.table_files import structs, write_csv, write_jsonl, write_parquet, write_tree

run = functools.partial(exit_status, main)


def contents(folder):
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def sets_of(root):
    names = [one for one in ("train", "val") if root.has(one)]
    names += [f"test/{one}" for one in root.categories("test")] if root.has("test") else []
    return {name: root.load(name, name=name) for name in names}


def outcome(images, index):
    try:
        return images.read(index, max_pixels=10**6).tobytes()
    except ValueError:
        return None


def assert_same(table, store):
    """The same images, labels, groups and generators; those without a picture have none."""
    one, other = sets_of(table), sets_of(store)
    assert list(one) == list(other)
    for name, images in one.items():
        packed = other[name]
        assert packed.labels.tolist() == images.labels.tolist()
        assert [outcome(packed, n) for n in range(len(packed))] == [
            outcome(images, n) for n in range(len(images))
        ]
        groups = [[own.index(one) if one else -1 for one in own]
                  for own in (images.group_names(), packed.group_names())]  # fmt: skip
        assert groups[0] == groups[1]
        if not images.name.startswith("test/"):  # whom nothing balances
            assert packed.generator_names() == images.generator_names()


def test_the_store_of_an_index_is_the_store_of_the_folder(dataset, tmp_path, capsys):
    assert run("index", dataset, f"--out={tmp_path / 'i.parquet'}") == 0
    assert run("pack", dataset, tmp_path / "a") == run(
        "pack", tmp_path / "i.parquet", tmp_path / "b"
    )
    one, other = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert list(one) == list(other)
    assert all(one[name] == other[name] for name in one if name != "store.json")
    assert run("verify", tmp_path / "b") == 0
    assert run("pack", tmp_path / "i.parquet", tmp_path / "b") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("b: is packed already")
    (dataset / "train" / "cat" / "0_real" / "000.png").touch()
    assert run("pack", tmp_path / "i.parquet", tmp_path / "b") == 2
    assert "a store of other files than" in capsys.readouterr().err


@pytest.mark.parametrize("label", [0, 1])
def test_a_test_set_of_one_label_is_verified_audited_packed_and_read(tmp_path, capsys, label):
    write_tree(tmp_path, [f"{n}.png" for n in range(4)])
    rows = [[f"{n}.png", label, "sd"] for n in range(4)]
    table = write_csv(tmp_path / "t.csv", ["image", "label", "generator"], rows)
    assert run("verify", table) == 0
    assert run("audit", table, f"--page={tmp_path / 'a.html'}") == 0
    assert run("audit", table, f"--equalise={tmp_path / 'e'}") == 2
    assert "test/sd: has no readable images of one label" in capsys.readouterr().err
    assert run("pack", table, tmp_path / "store") == 0
    assert run("verify", tmp_path / "store") == 0
    assert_same(open_root(str(table)), open_root(str(tmp_path / "store")))
    assert run("pack", table, tmp_path / "tfds", "--format=tfds") == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "test/sd has images of one label, which tfds cannot keep" in error
    assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("command", ["audit", "pack"])
def test_training_images_of_one_label_are_refused(tmp_path, capsys, command):
    rows = [["a.png", 0, "test"], ["b.png", 1, "train"]]
    table = write_csv(tmp_path / "t.csv", ["image", "label", "split"], rows)
    assert run(command, table, *([tmp_path / "store"] if command == "pack" else [])) == 2
    assert "train has no 0_real; both are needed" in capsys.readouterr().err


@pytest.fixture
def shards(tmp_path):
    """Rows of every kind in one another's way: labels and splits mixed, some without a picture."""
    for number in range(2):
        write_parquet(
            tmp_path / "shards" / f"{number}.parquet",
            {
                "image": structs(20, start=20 * number, lacking={5 + 20 * number}, damaged={7}),
                "label": [0, 1] * 10,
                "split": ["train", "train", "val", "val", "test"] * 4,
                "group": [f"g{(n // 4) % 3}" if n % 5 else "" for n in range(20)],
                "generator": [f"m{n % 3}" if n % 2 and n % 5 < 4 else None for n in range(20)],
            },
            group=6,
        )
    return tmp_path / "shards"


def test_shards_are_packed_in_the_order_of_a_run_with_their_groups(shards, tmp_path):
    lines = []
    pack(shards, tmp_path / "store", say=lines.append)
    assert_same(open_root(str(shards)), open_root(str(tmp_path / "store")))
    assert f"{shards}/1.parquet#5: no image in this row of the table; packed empty" in lines
    assert any(f"{shards}/0.parquet#7: " in line and "packed as it is" in line for line in lines)
    assert run("verify", tmp_path / "store") == 1
    assert run("pack", shards, tmp_path / "tfds", "--format=tfds") == 0
    one, other = (
        sets_of(open_root(root))
        for root in (str(shards), f"tfds:{tmp_path}/tfds/forensynths/1.0.0")
    )
    assert [images.labels.tolist() for images in one.values()] == [
        images.labels.tolist() for images in other.values()
    ]


def test_a_stopped_packing_of_shards_goes_on_to_the_same_bytes(shards, tmp_path, monkeypatch):
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 5_000)
    pack(shards, tmp_path / "at once", say=lambda line: None)
    write, seen = store_writer.replacing, []

    def full_after_three(path):
        seen.append(path)
        if len(seen) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path)

    with monkeypatch.context() as patched:
        patched.setattr(store_writer, "replacing", full_after_three)
        with pytest.raises(RunFailedError, match="the disk is full"):
            pack(shards, tmp_path / "store", say=lambda line: None)
    first = tmp_path / "store.partial" / "shards" / "00000.bin"
    written = first.stat().st_mtime_ns
    pack(shards, tmp_path / "store", say=lambda line: None)
    assert (tmp_path / "store" / "shards" / "00000.bin").stat().st_mtime_ns == written
    assert contents(tmp_path / "store") == contents(tmp_path / "at once")


def test_real_images_that_generators_share_are_packed_once(tmp_path, capsys):
    write_tree(tmp_path / "sb", [f"real_RAISE_1k/{n}r.png" for n in range(6)])
    write_tree(tmp_path / "sb", [f"{g}/{n}{g}.png" for g in ("dalle2", "glide") for n in range(6)])
    pack(tmp_path / "sb", tmp_path / "store", say=lambda line: None)
    root = open_root(str(tmp_path / "store"))
    assert root.categories("test") == ["dalle2", "glide"]
    assert_same(open_root(str(tmp_path / "sb")), root)
    assert [[part.name for part in images.parts] for images in sets_of(root).values()] == [
        ["test/real", "test/dalle2 (fake)"], ["test/real", "test/glide (fake)"]
    ]  # fmt: skip
    assert len(np.load(tmp_path / "store" / "index.npy")) == 18
    assert run("pack", tmp_path / "sb", tmp_path / "tfds", "--format=tfds") == 2
    assert "share real images, which tfds cannot keep" in capsys.readouterr().err


def test_what_is_no_row_s_fault_is_refused_and_names_the_file(tmp_path):
    write_tree(tmp_path, ["a.png"])
    rows = [{"image": "a.png", "y": "no"}, {"image": "gone.png", "y": "yes"}]
    table = write_jsonl(tmp_path / "t.jsonl", rows)
    reading = Reading.of(
        columns='{"label": "y"}', labels='{"no": "real", "yes": "fake"}', layout="auto"
    )
    with pytest.raises(UserError, match=r"gone\.png: cannot be packed: No such file.*t\.jsonl"):
        pack(table, tmp_path / "store", say=print, reading=reading)
    assert not (tmp_path / "store").exists()


def test_files_of_one_name_keep_the_numbers_of_their_rows(tmp_path):
    write_tree(tmp_path, ["x/a.png", "y/a.png", "y/b.png"])
    rows = [["x/a.png", 0], ["y/a.png", 0], ["y/b.png", 0], ["y/b.png", 1]]
    table = write_csv(tmp_path / "t.csv", ["image", "label"], rows)
    pack(table, tmp_path / "store", say=print)
    ids = list(open_root(str(tmp_path / "store")).load("test/t", name="t").ids)
    assert ids == ["0_real/00000000-a.png", "0_real/00000001-a.png", "0_real/b.png",
                   "1_fake/b.png"]  # fmt: skip


@pytest.mark.parametrize("category", [True, False])
def test_the_pairs_of_a_table_are_those_of_its_store(tmp_path, category):
    files = [f"{folder}/{name}.png" for folder in ("coco", "sd1", "sd2") for name in "ijklmn"]
    write_tree(tmp_path, [*files, "coco/alone.png", "sd1/12-x.png"])
    rows = [[one, int(not one.startswith("coco")), "train", "cat"]
            for one in [*files, "coco/alone.png", "sd1/12-x.png"]]  # fmt: skip
    columns = ["image", "label", "split", *(["category"] if category else [])]
    table = write_csv(tmp_path / "t.csv", columns, [row[: len(columns)] for row in rows])
    pack(table, tmp_path / "store", say=print)
    one, other = (open_root(str(root)).load("train", name="train")
                  for root in (table, tmp_path / "store"))  # fmt: skip
    assert one.stems() == other.stems()
    assert other.take([8, 1]).stems() == one.take([8, 1]).stems()
    partners = draw_places(one, "name")
    assert (partners != np.arange(len(one))).sum() == 12
    assert draw_places(other, "name").tolist() == partners.tolist()
    held_out = [draw_subset(images, share=0.3, seed=1, stream=order.HOLD_OUT, pairs="name")
                for images in (one, other)]  # fmt: skip
    assert held_out[0].tolist() == held_out[1].tolist()


@pytest.mark.parametrize("damage", ["short", "gone", "other"])
def test_damaged_groups_are_told(shards, tmp_path, damage):
    pack(shards, tmp_path / "store", say=lambda line: None)
    groups = tmp_path / "store" / "groups.npy"
    if damage == "gone":
        groups.unlink()
    else:
        groups.write_bytes(groups.read_bytes()[: -8 if damage == "short" else None] + b"x" * 8)
    with pytest.raises(UserError, match=r"groups\.npy: missing or damaged"):
        open_root(str(tmp_path / "store"))
