"""Images at every wrong place: what is used and what is left aside is all that there is."""

import json
import os
import re

import pytest

from jaxdet.config import Config, Data
from jaxdet.data.__main__ import main as data_main
from jaxdet.data.splits import left_aside, load_test_sets, load_train_and_val
from jaxdet.data.store.reader import Store
from jaxdet.predict.__main__ import main as predict_main
from tests.conftest import write_images
from tests.predict.samples import write_weights

# Path below the root, and whether it is an image that no set holds.
STRAYS = (
    ("beside.png", True),
    ("notes.txt", False),
    ("all.zip", False),
    ("Test/gen/0_real/misspelt.png", True),
    ("train/beside.png", True),
    ("train/README", False),
    ("train/__MACOSX/cat/0_real/._000.png", False),
    ("train/__MACOSX/cat/0_real/000.png", True),
    ("train/cat/.cache/kept.png", True),
    ("test/beside.JPG", True),
    ("test/alpha/beside_labels.png", True),
    ("test/alpha/2_other/third_label.tiff", True),
    ("test/alpha/0_real/sub/below_label.png", True),
    ("test/alpha/0_real/sub/deep/below_label.webp", True),
    ("test/alpha/0_real/.hidden.png", False),
    ("test/alpha/0_real/._000.png", False),
    ("test/alpha/0_real/.DS_Store", False),
    ("test/alpha/1_fake/Thumbs.db", False),
    ("test/alpha/1_fake/IMG_0001.HEVC", False),
    ("test/alpha/1_fake/clip.mp4", False),
    ("test/alpha/1_fake/raw.CR2", False),
    ("test/alpha/1_fake/no_ending", False),
    ("test/alpha/1_fake/photo.jpg?w=1200", False),
    ("test/alpha/1_fake/b.jpg_large", False),
    ("test/beta/loose.png", True),
    ("test/beta/x/loose.png", True),
)
LINKED = 2  # images in a folder that is linked below a label


SETS = {"train/cat": 3, "val/cat": 2, "test/alpha": 3, "test/beta/x": 2}  # images a label


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data root"
    for seed, (path, count) in enumerate(SETS.items()):
        write_images(root / path, count=count, seed=seed)
    content = (root / "train/cat/0_real/000.png").read_bytes()
    for path, _ in STRAYS:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    used = (root / "test/alpha/0_real/000.png").read_bytes()
    (root / "test/alpha/0_real/LOUD.PNG").write_bytes(used)
    (root / "test/alpha/0_real/nowhere").symlink_to("nothing")
    (root / "test/alpha/1_fake/itself").symlink_to("itself")
    (root / "train/linked").symlink_to(write_images(tmp_path / "pool", count=LINKED))  # used
    (root / "test/alpha/0_real/more").symlink_to(tmp_path / "pool" / "1_fake")
    return root


def files_below(folder):
    return sum(len(names) for _, _, names in os.walk(folder, followlinks=True))


def told(line):
    """The numbers of files in a line: those passed over, and images where nobody looks."""
    others = re.search(r"([\d,]+) other files? left aside", line)
    unseen = re.search(r"([\d,]+) image files? in folders that are not looked into", line)
    return int(others[1]) if others else 0, int(unseen[1]) if unseen else 0


def test_every_command_accounts_for_every_file(root, tmp_path, capsys):
    used = 2 * (sum(SETS.values()) + LINKED) + 1
    unseen = sum(is_image for _, is_image in STRAYS) + LINKED
    others = len(STRAYS) + 2 - (unseen - LINKED)
    assert used + unseen + others == files_below(root)

    with pytest.raises(SystemExit) as ended:
        data_main(["verify", str(root), "--expect=nothing", f"--json={tmp_path}/verify.json"])
    captured = capsys.readouterr()
    report = json.loads((tmp_path / "verify.json").read_text())
    assert ended.value.code == 1
    assert report["checked"] == used
    assert report["left_aside"]["files"] == unseen + others
    assert told(captured.out) == (others, unseen)
    assert "all is well" not in captured.out
    surplus = {one["path"] for one in report["findings"] if one["kind"] == "surplus"}
    wrong = {path.rpartition("/")[0] for path, is_image in STRAYS if is_image}
    assert surplus == wrong - {""} | {"test/alpha/0_real/more"}

    with pytest.raises(SystemExit) as ended:
        data_main(["audit", str(root), f"--json={tmp_path}/audit.json"])
    captured = capsys.readouterr()
    report = json.loads((tmp_path / "audit.json").read_text())
    sets = [one for one in report["groups"] if one["category"] is None]
    assert ended.value.code == 1
    assert sum(one["real"]["files"] + one["fake"]["files"] for one in sets) == used
    assert report["left_aside"]["files"] == unseen + others
    assert told(captured.out) == (others, unseen)
    assert f"{len(surplus)} folders of images that were not looked into" in report["faults"]

    store = tmp_path / "store"
    data_main(["pack", str(root), str(store)])
    captured = capsys.readouterr()
    assert len(Store(store).index) == used
    assert told(captured.out) == (others, unseen)

    config = Config(data=Data(root=str(root)))
    train, val = load_train_and_val(config)
    assert len(train) + len(val) + sum(map(len, load_test_sets(config))) == used
    for data in (root, store):
        (line,) = left_aside(Config(data=Data(root=str(data))))
        assert told(line) == (others, unseen)

    weights, out = write_weights(tmp_path / "w.safetensors"), tmp_path / "rows.json"
    predict_main([f"--weights={weights}", "--crop=32", f"--json={out}", str(root)])
    captured = capsys.readouterr()
    rows = json.loads(out.read_text())
    assert len(rows) + sum(told(captured.err)) == files_below(root)
    assert len(rows) == used + unseen - 2  # those in hidden folders
    assert told(captured.err) == (others, 2)
    assert captured.err.count("aside") == 1


def test_folders_without_an_image_say_what_is_there_instead(tmp_path, capsys):
    folder = write_images(tmp_path / "test" / "a", count=1)
    (folder / "0_real" / "000.png").rename(folder / "0_real" / "000.xyz")
    for command in (
        lambda: data_main(["pack", str(tmp_path), str(tmp_path / "store")]),
        lambda: predict_main(["--weights=none", str(folder / "0_real")]),
    ):
        with pytest.raises(SystemExit):
            command()
        assert capsys.readouterr().err == (
            f"error: {folder}/0_real: holds no image files; 1 other file left aside: 1 .xyz\n"
        )


def test_a_clean_set_is_not_talked_about(dataset, tmp_path, capsys):
    (dataset / "synth.json").write_text("{}")
    data_main(["verify", str(dataset), "--expect=nothing"])
    data_main(["pack", str(dataset), str(tmp_path / "store")])
    captured = capsys.readouterr()
    assert "aside" not in captured.out + captured.err
    assert captured.out.splitlines()[-2].endswith("all is well")
