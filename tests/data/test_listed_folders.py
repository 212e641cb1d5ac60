"""Folders of images whose labels stand in tables among them: released sets, as they lie."""

import dataclasses

import pytest

from jaxdet.config import Config, Evaluation
from jaxdet.data.sources import open_root
from jaxdet.data.splits import left_out, load_test_sets
from jaxdet.data.table.columns import Reading
from jaxdet.datasets.commands import main
from jaxdet.errors import UserError
from tests.conftest import exit_status
from tests.data.table_files import write_csv, write_jsonl, write_tree


def images_of(root, how=None):
    return {one.name: one for one in open_root(str(root), reading=how).sets()}


def bfree(root):
    write_tree(root, [f"viral/{n}.jpg.png" for n in range(4)])
    rows = [[f"viral/{n}.jpg.png", ("REAL", "FAKE")[n % 2], f"s{n // 2}", "x"] for n in range(4)]
    write_csv(root / "online.csv", ["filename", "label", "source_id", "url"], rows)
    return root


def test_one_table_beside_its_images(tmp_path, capsys):
    """As B-Free's: label words, a group, and the images in a folder."""
    root = bfree(tmp_path / "B-Free-online")
    (images,) = images_of(root).values()
    assert images.name == "test/B-Free-online"
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert sorted(images.group_names()) == ["s0", "s0", "s1", "s1"]
    note = open_root(str(root)).left_aside([])
    assert note.startswith("read as the rows of online.csv: 2 real and 2 fake images, test")
    assert exit_status(main, "verify", root) == 0
    assert exit_status(main, "index", root, f"--out={tmp_path / 'i.parquet'}") == 0
    (again,) = images_of(tmp_path / "i.parquet").values()
    assert [again.content(n, max_pixels=10**6) for n in range(4)] == [
        images.content(n, max_pixels=10**6) for n in range(4)
    ]
    # An image that no row names is not passed over in silence.
    write_tree(root, ["viral/more.png"])
    assert exit_status(main, "audit", root) == 1
    assert "1 image file in folders that are not looked into: viral (1)" in capsys.readouterr().out


def test_several_shards_and_the_folders_of_their_images(tmp_path):
    """As NTIRE's: shard_i/images with labels.csv, and val_labels.csv beside val_images."""
    names = ["image_name", "label"]
    for shard in range(2):
        write_tree(tmp_path / "train" / f"shard_{shard}" / "images", ["a.png", "b.png"])
        rows = [["a.png", 0], ["b.png", 1]]
        write_csv(tmp_path / "train" / f"shard_{shard}" / "labels.csv", names, rows)
    write_tree(tmp_path / "val_images", ["v.png", "w.png"])
    write_csv(tmp_path / "val_labels.csv", names, [["gone.png", 0], ["v.png", 0], ["w.png", 1]])
    found = images_of(tmp_path)
    assert {name: one.labels.tolist() for name, one in found.items()} == {
        "train": [0, 0, 1, 1], "val": [0, 0, 1],
    }  # fmt: skip
    assert found["train"].content(1, max_pixels=10**6)
    assert found["val"].content(1, max_pixels=10**6)
    write_csv(tmp_path / "more.csv", names, [["val_images/v.png", 1]])
    with pytest.raises(UserError, match=r"says its split and more.csv does not; rename it"):
        open_root(str(tmp_path))


def test_the_metadata_of_an_image_folder(tmp_path):
    for split in ("train", "test"):
        write_tree(tmp_path / split, ["0.png", "1.png"])
        rows = [{"file_name": f"{n}.png", "label": n} for n in (0, 1)]
        write_jsonl(tmp_path / split / "metadata.jsonl", rows)
    assert set(images_of(tmp_path)) == {"train", f"test/{tmp_path.name}"}


def test_columns_that_the_user_names_are_looked_for_in_the_folder(tmp_path):
    write_tree(tmp_path, ["real/a.png", "fake/b.png"])
    write_csv(tmp_path / "t.csv", ["img", "is_x"], [["real/a.png", 1], ["fake/b.png", 0]])
    how = Reading.of(columns='{"label": "is_x"}', labels="", layout="auto")
    (images,) = images_of(tmp_path, how).values()
    assert [one.rpartition("-")[2] for one in images.ids] == ["b.png", "a.png"]
    assert images_of(tmp_path)["test/" + tmp_path.name].ids[0].endswith("a.png")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"a.csv": "name,kind\n1.png,real\n"}, "no table in it lists images: a.csv: no column is "
         "known to be the image; name it with --config.data.columns="),
        ({"a.csv": "path,label\n1.png,real\n", "b.csv": "path,label\n1.png,fake\n"},
         "1.png stands in a.csv and in b.csv; give the table that is meant"),
        ({"train/val.csv": "path,label\n../1.png,real\n"}, "name and folders say train and val"),
    ],
)  # fmt: skip
def test_what_no_table_says_or_two_say_is_one_line(tmp_path, tables, message):
    write_tree(tmp_path, ["1.png"])
    for name, text in tables.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as raised:
        open_root(str(tmp_path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unreadable_benchmark_does_not_stop_the_others(tmp_path):
    bfree(tmp_path / "viral")
    write_tree(tmp_path / "broken", ["real/a.png", "sdxl/b.png"])
    given = (f"viral={tmp_path / 'viral'}", f"broken={tmp_path / 'broken'}")
    stop = Evaluation(benchmarks=given)
    with pytest.raises(UserError, match="they may be fakes"):
        load_test_sets(Config(task="eval", evaluation=stop))
    config = Config(task="eval", evaluation=dataclasses.replace(stop, missing_benchmarks="skip"))
    assert [one.name for one in load_test_sets(config)] == ["viral.viral"]
    (line,) = left_out(config)
    assert line.startswith("benchmark broken is left out: ")
    alone = dataclasses.replace(config.evaluation, benchmarks=given[1:])
    with pytest.raises(UserError, match="they may be fakes"):
        load_test_sets(dataclasses.replace(config, evaluation=alone))
