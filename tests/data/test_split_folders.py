"""Which folders and files are taken for splits: those that say so, and never a class."""

import pytest

from jaxdet.data.sources import open_root
from jaxdet.data.table.columns import Reading
from jaxdet.errors import UserError
from tests.data.table_files import write_parquet, write_tree

BOTH = ("0_real", "1_fake")


def labelled(root, folders):
    return write_tree(root, [f"{folder}/{label}/a.png" for folder in folders for label in BOTH])


def ids(root, folder):
    return [one.rsplit("/", 1)[0] for one in root.load(folder, name=folder).ids]


def test_a_class_called_train_is_a_class(tmp_path):
    """As in the released test images of ForenSynths."""
    root = open_root(str(labelled(tmp_path, ["progan/cat", "progan/train", "biggan"])))
    assert not root.has("train")
    assert root.categories("test") == ["biggan", "progan"]
    assert ids(root, "test/progan") == [f"{c}/{label}" for c in ("cat", "train") for label in BOTH]
    note = root.left_aside([])
    assert note.endswith("no split, but one more of the folders beside it: progan/train")


@pytest.mark.parametrize("name", ["train", "val"])
def test_a_class_called_like_a_split_is_one_at_the_root_too(tmp_path, name):
    root = open_root(str(labelled(tmp_path, ["cat", name])))
    assert not root.has(name)
    assert root.categories("test") == ["cat", name]
    assert root.left_aside([]).endswith(f"no split, but one more of the folders beside it: {name}")


@pytest.mark.parametrize(
    "folders", [["train", "test/cat"], ["train", "val", "cat"], ["train/cat", "more"], ["train"]]
)
def test_a_split_at_the_root_is_one_beside_others_or_with_classes(tmp_path, folders):
    root = open_root(str(labelled(tmp_path, folders)))
    assert root.has("train")
    assert len(root.load("train", name="train")) == 2


def test_a_class_called_train_stays_one_below_a_split(tmp_path):
    names = [f"x/{split}/{name}" for split in ("training", "test") for name in ("cat", "train")]
    root = open_root(str(labelled(tmp_path, names)))
    assert sorted(set(ids(root, "train"))) == ["cat/0_real", "cat/1_fake", "train/0_real",
                                               "train/1_fake"]  # fmt: skip
    assert len(root.load("test/x", name="x")) == 4


@pytest.mark.parametrize(
    "folders",
    [
        ["ADM/train", "ADM/val", "glide/x/train", "glide/x/val"],
        ["x/train/cat", "x/train/dog"],
        ["x/train/cat", "x/val/dog", "x/more"],
    ],
)
def test_splits_beside_splits_or_by_themselves_are_splits(tmp_path, folders):
    root = open_root(str(labelled(tmp_path, folders)))
    assert len(root.load("train", name="train")) >= 4 - 2 * ("x/more" in folders)
    assert "one more of" not in root.left_aside([])


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            ["x/train/cat", "x/train/dog", "x/biggan"],
            "x/train may be the split train, or a class or generator as x/biggan is; say which",
        ),
        (
            ["progan/train", "stylegan/cat"],
            "progan/train may be the split train, or a class or generator as stylegan/cat/0_real",
        ),
        (
            ["x/train/ADM/val"],
            "x/train/ADM/val/0_real: x/train says train and x/train/ADM/val says val; rename",
        ),
        (
            ["x/test/progan/train", "x/test/stylegan/car"],
            "x/test says test and x/test/progan/train says train; rename the one that is no split",
        ),
    ],
)
def test_folders_that_may_be_read_in_two_ways_are_refused(tmp_path, folders, message):
    labelled(tmp_path, folders)
    with pytest.raises(UserError) as raised:
        open_root(str(tmp_path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_generator_called_train_among_fakes(tmp_path):
    write_tree(tmp_path, ["coco/a.png", "sdxl/b.png", "train/c.png"])
    reading = Reading(layout="fake_only", labels={"coco": 0})
    root = open_root(str(tmp_path), reading=reading)
    assert root.categories("test") == ["sdxl", "train"]


def write_shard(path):
    return write_parquet(path, {"image": [b"a", b"b"], "label": [0, 1]})


@pytest.mark.parametrize(
    "names",
    [
        "{}/part-00000-of-00002.parquet {}/part-00001-of-00002.parquet",
        "{}/sdxl/0000.parquet {}/flux/0000.parquet",
        "split={}/part-0.parquet split={}/part-1.parquet",
        "data/{0}/sdxl/{0}-00000-of-00001.parquet {0}/b.parquet",
    ],
)
def test_shards_have_the_split_of_their_folders(tmp_path, names):
    for split in ("train", "test"):
        for name in names.format(split, split).split():
            write_shard(tmp_path / "set" / name)
    root = open_root(str(tmp_path / "set"))
    assert [(one.name, len(one)) for one in root.sets()] == [("train", 4), ("test/set", 4)]


def test_the_beginning_of_a_shard_s_name_is_a_test_set_where_no_folder_says_a_split(tmp_path):
    write_shard(tmp_path / "set" / "x" / "flux-00000-of-00001.parquet")
    write_shard(tmp_path / "set" / "split=wild" / "a.parquet")
    assert open_root(str(tmp_path / "set")).categories("test") == ["flux", "wild"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("train/test-00000-of-00001.parquet", "train says train and test-00000-of-00001.parquet"),
        ("test/x/validation/0.parquet", "test says test and validation says val; rename one"),
        ("split=train/test.parquet", "split=train says train and test.parquet says test"),
    ],
)
def test_a_shard_of_two_splits_is_refused(tmp_path, name, message):
    write_shard(tmp_path / "set" / name)
    with pytest.raises(UserError) as raised:
        open_root(str(tmp_path / "set"))
    assert f"{name}: {message}" in str(raised.value)
