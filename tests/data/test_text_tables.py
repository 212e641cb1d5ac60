"""CSV, TSV and JSONL as data roots: columns and labels by name, mistakes with their line."""

import json

import numpy as np
import pytest

from jaxdet.data.sources import open_root
from jaxdet.data.table.columns import Reading
from jaxdet.errors import UserError
from tests.data.table_files import content, write_csv, write_jsonl, write_tree

FILES = [f"{number:03}.png" for number in range(6)]


def reading(columns=None, labels=None):
    return Reading.of(
        columns=json.dumps(columns) if columns else "",
        labels=json.dumps(labels) if labels else "",
        layout="auto",
    )


@pytest.fixture
def folder(tmp_path):
    return write_tree(tmp_path / "set", FILES)


def only_set(path, how=None):
    root = open_root(str(path), reading=how)
    (name,) = root.categories("test")
    return root.load(f"test/{name}", name=name)


@pytest.mark.parametrize(
    "words",
    [("0", "1"), ("real", "fake"), ("nature", "ai"), ("REAL", "FAKE"), ("False", "True"),
     ("0.0", "1.0"), (" Real ", "Generated")],
)  # fmt: skip
def test_labels_go_by_words_and_values(folder, words):
    rows = [[name, words[number % 2]] for number, name in enumerate(FILES)]
    images = only_set(write_csv(folder / "labels.csv", ["image", "label"], rows))
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [i.rsplit("-", 1)[1] for i in images.ids] == FILES[::2] + FILES[1::2]
    assert images.content(0, max_pixels=10**6) == (folder / FILES[0]).read_bytes()
    assert images.size(0) == (24, 24)


def test_a_map_counts_before_every_recognition(folder):
    """Also where it says the opposite of what the words would mean."""
    rows = [[name, number % 2] for number, name in enumerate(FILES)]
    path = write_csv(folder / "labels.csv", ["image", "label"], rows)
    images = only_set(path, reading(labels={"0": "fake", "1": "real"}))
    assert [i.rsplit("-", 1)[1] for i in images.ids] == FILES[1::2] + FILES[::2]
    with pytest.raises(UserError, match=r"line 3: its label '1' is none of data.labels: 0"):
        only_set(path, reading(labels={"0": "fake"}))


def test_columns_that_the_user_names_count_before_usual_names(folder):
    names = ["image", "label", "truth", "where"]
    rows = [["none.png", "fake", "human", name] for name in FILES[:3]]
    rows += [["none.png", "real", "ai", name] for name in FILES[3:]]
    how = reading(columns={"image": "where", "label": "truth"})
    images = only_set(write_csv(folder / "labels.csv", names, rows), how)
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.where(0) == str(folder / FILES[0])


def test_jsonl_takes_columns_from_all_lines(folder):
    """The generator is first named in the third line."""
    rows = [{"image": FILES[0], "label": 0}, {"image": FILES[1], "label": 0}]
    rows += [
        {"image": name, "label": 1, "generator": made_by}
        for name, made_by in zip(FILES[2:], ("sd", "sd", "mj", "mj"), strict=True)
    ]
    root = open_root(str(write_jsonl(folder / "a.jsonl", rows)))
    assert root.categories("test") == ["mj", "sd"]
    images = root.load("test/sd", name="sd")
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert [len(part) for part in images.parts] == [2, 2]


def test_splits_categories_and_generators(folder):
    write_tree(folder, [f"t{number}.png" for number in range(8)])
    rows = [[f"t{n}.png", n % 2, "training", ("cat", "dog")[n // 4], ""] for n in range(8)]
    rows += [[name, n % 2, "validation", "", ""] for n, name in enumerate(FILES[:2])]
    rows += [[name, n % 2, "test", "", "a/b"] for n, name in enumerate(FILES[2:4])]
    rows += [[name, n % 2, "wild", "", "x"] for n, name in enumerate(FILES[4:])]
    path = write_csv(folder / "t.csv", ["file", "label", "split", "category", "generator"], rows)
    root = open_root(str(path))
    assert root.categories("train") == ["cat", "dog"]
    assert root.categories("test") == ["a_b", "wild-x"]
    assert len(root.load("train", name="train", categories=["dog"])) == 4
    assert len(root.load("val", name="val")) == 2


def test_paths_may_lie_in_a_folder_images(tmp_path):
    """As NTIRE's shards have them."""
    write_tree(tmp_path / "images", FILES)
    rows = [[name, number % 2] for number, name in enumerate(FILES)]
    images = only_set(write_csv(tmp_path / "labels.csv", ["image_name", "label"], rows))
    assert images.where(0) == str(tmp_path / "images" / FILES[0])
    assert images.read(0, max_pixels=10**6).shape == (24, 24, 3)


@pytest.mark.parametrize(("ending", "mark"), [("tsv", "\t"), ("csv", ";"), ("csv", ",")])
def test_delimiters_and_byte_order_marks(folder, ending, mark):
    rows = [[name, number % 2] for number, name in enumerate(FILES)]
    path = write_csv(folder / f"labels.{ending}", ["image", "label"], rows, delimiter=mark)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(only_set(path)) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("image,label\n", "holds no rows"),
        ("image,label\na.png\n", "line 2: 1 cells, but 2 columns"),
        ("image,label,label\na.png,0,1\n", "two columns are called 'label'"),
        ("image,label\na.png,\n", "line 2: has no label"),
        ("image,label\na.png,0\nb.png,-1\n", "line 3: its label '-1' says neither"),
        ("image,label\na.png,0\nb.png,2026-01-01\n", "line 3: its label '2026-01-01'"),
        ("image,label\na.png," + "9" * 400 + "\n", "line 2: its label '9999"),
        ("image,label\na.png,fälschung\n", "line 2: its label 'fälschung'"),
        ("image,label,split\na.png,0,\n", "line 2: names no split"),
        ("path,file,label\na,b,0\n", "'path' or 'file' may be the image"),
        ("name,label\na,0\n", "no column is known to be the image; name it with"),
        ("image,label\nhttps://x.org/a.png,0\n", "a URL, and nothing is fetched"),
        ('image,label\n"a.png,0\n', "unexpected end of data"),
    ],
)
def test_mistakes_in_csv_are_one_line(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as raised:
        only_set(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1, 2]", "no object of columns"),
        ("{", "line 1: not JSON"),
        ('{"image": "a", "image": "b", "label": 0}', "'image' occurs twice"),
        ('{"image": "a.png", "label": null}', "line 1: has no label"),
        ('{"image": "a.png", "label": [0]}', "its label '\\[0\\]' says neither"),
        ('{"image": "a.png", "label": NaN}', "its label 'nan' says neither"),
        ('{"image": "a.png", "label": 1e400}', "its label 'inf' says neither"),
        ('{"image": "a.png", "label": 0, "generator": {"a": 1}}', "its generator is"),
        ('{"image": 7, "label": 0}', "its image is 7, not the path of a file"),
        ('{"image": "a.png", "label": 0, "generator": ".."}', "cannot name a set"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_mistakes_in_jsonl_are_one_line(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        only_set(path)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"image,label\n\xff\xfe,0\n")
    with pytest.raises(UserError, match="is not UTF-8"):
        only_set(path)


@pytest.mark.parametrize("columns", ['{"picture": "a"}', '{"image": 1}', "[]", "{"])
def test_columns_of_another_form_are_refused(columns):
    with pytest.raises(UserError, match=r"data\.columns"):
        Reading.of(columns=columns, labels="", layout="auto")


def test_rows_without_an_image_are_unreadable_images(folder):
    """They are dealt with as data.on_bad_image says, when they are read."""
    rows = [["", 0], ["gone.png", 0], [FILES[0], 1]]
    images = only_set(write_csv(folder / "a.csv", ["image", "label"], rows))
    with pytest.raises(ValueError, match="no image in this row"):
        images.read(0, max_pixels=10**6)
    with pytest.raises(OSError, match="No such file"):
        images.read(1, max_pixels=10**6)
    assert images.marks()[1].tolist() == [0, 0]
    assert images.size(1) is None


def test_the_same_rows_in_any_form_are_the_same_images(folder):
    rows = [{"image": name, "label": number % 2} for number, name in enumerate(FILES)]
    by_csv = only_set(
        write_csv(folder / "set.csv", ["image", "label"], [list(r.values()) for r in rows])
    )
    by_json = only_set(write_jsonl(folder / "set.jsonl", rows))
    assert list(by_csv.ids) == list(by_json.ids)
    assert np.array_equal(by_csv.labels, by_json.labels)
    assert by_csv.content_fingerprint == by_json.content_fingerprint
    (folder / FILES[0]).write_bytes(content(1000) + b"longer")
    assert only_set(folder / "set.csv").content_fingerprint != by_csv.content_fingerprint


def test_rows_without_an_image_are_no_common_file(folder):
    """Else training and test would share one, and change with what else lies in the folder."""
    rows = [["", 0], ["", 1], [FILES[0], 1]]
    images = only_set(write_csv(folder / "t.csv", ["image", "label"], rows))
    assert (images.marks()[:, 0] > 0).tolist() == [False, False, True]
    known = images.identity("times"), images.content_fingerprint
    for number in range(200):
        (folder / f"{number} more.txt").write_text("")
    again = only_set(folder / "t.csv")
    assert (again.identity("times"), again.content_fingerprint) == known


def test_each_split_for_tests_has_its_own_real_images(folder):
    names = ["image", "label", "split", "model"]
    rows = [[FILES[0], 0, "test", "real"], [FILES[1], 1, "test", "sd"],
            [FILES[2], 0, "reddit", "real"], [FILES[3], 1, "reddit", "sd"],
            [FILES[4], 1, "alone", "sd"]]  # fmt: skip
    root = open_root(str(write_csv(folder / "t.csv", names, rows)))
    found = {
        one.name: [one.where(i).rsplit("/", 1)[1] for i in range(len(one))] for one in root.sets()
    }
    assert found == {
        "test/sd": [FILES[0], FILES[1]],
        "test/reddit-sd": [FILES[2], FILES[3]],
        # Without any of its own it is held against those of all.
        "test/alone-sd": [FILES[0], FILES[2], FILES[4]],
    }
