"""`verify` on tables and other layouts: what it says of the same images in folders."""

import json

import pytest

from jaxdet.datasets.commands import main
from tests.data.table_files import structs, write_csv, write_parquet, write_tree


def verify(root, out, *options):
    """Returns the exit status and the report."""
    try:
        main(["verify", str(root), f"--json={out}", *options])
    except SystemExit as stopped:
        return stopped.code, json.loads(out.read_text())
    return 0, json.loads(out.read_text())


def test_an_index_is_counted_as_its_folder(dataset, tmp_path, capsys):
    main(["index", str(dataset), f"--out={tmp_path / 'i.parquet'}"])
    folder = verify(dataset, tmp_path / "a.json", "--expect=nothing")[1]
    status, table = verify(tmp_path / "i.parquet", tmp_path / "b.json")
    assert status == 0
    assert (table["counts"], table["checked"]) == (folder["counts"], folder["checked"])
    assert capsys.readouterr().out.endswith("i.parquet: all is well\n")


def test_rows_without_a_readable_image_are_named_with_file_and_row(tmp_path, capsys):
    for number in range(2):
        columns = {
            "img": structs(8, start=8 * number, lacking={3}, damaged={9}),
            "kind": ["nature", "AI"] * 4,
            "split": ["train"] * 8,
            "model": [None, "x"] * 4,
        }
        path = write_parquet(tmp_path / "s" / f"{number}.parquet", columns, group=4)
    content = bytearray(path.read_bytes())
    content[10:60] = bytes(50)
    path.write_bytes(content)
    options = ('--columns={"label": "kind"}', '--labels={"nature": "real", "AI": "fake"}')
    status, report = verify(tmp_path / "s", tmp_path / "r.json", *options)
    assert status == 1
    found = [(one["kind"], one["path"]) for one in report["findings"]]
    assert found[0] == ("damaged", "0.parquet#3")
    assert found[1:] == [("damaged", f"1.parquet#{row}") for row in range(4)]
    assert "no image in this row of the table" in report["findings"][0]["detail"]
    assert "its row group 0 cannot be read" in report["findings"][1]["detail"]
    assert [(one["path"], one["real"], one["fake"]) for one in report["counts"]] == [
        ("train", 8, 8)
    ]
    assert capsys.readouterr().err.endswith(f"error: {tmp_path / 's'}: 5 damaged\n")


def test_files_that_are_gone_rows_without_any_and_sets_of_one_label_are_missing(tmp_path):
    write_tree(tmp_path, ["a.png", "b.png"])
    rows = [["a.png", 0, "test"], ["gone.png", 1, "test"], ["", 1, "test"], ["b.png", 1, "train"]]
    table = write_csv(tmp_path / "t.csv", ["image", "label", "split"], rows)
    status, report = verify(table, tmp_path / "r.json")
    assert status == 1
    assert [(one["kind"], one["path"], one["detail"]) for one in report["findings"]] == [
        ("missing", "train/0_real", "holds no images"),
        ("missing", "gone.png", "no such file"),
        ("damaged", "#2", "cannot be read: no image in this row of the table"),
    ]
    assert [one["path"] for one in report["counts"]] == ["train", "test/t"]


@pytest.mark.parametrize("layout", [(), ("--layout=synthbuster",)])
def test_a_folder_in_another_layout_says_how_it_was_read(tmp_path, capsys, layout):
    write_tree(tmp_path / "sb", [f"real_RAISE_1k/{n}r.png" for n in range(3)])
    write_tree(tmp_path / "sb", [f"{g}/{n}{g}.png" for g in ("dalle2", "glide") for n in range(3)])
    (tmp_path / "sb" / "notes.txt").touch()
    status, report = verify(tmp_path / "sb", tmp_path / "r.json", *layout)
    assert status == 0
    assert report["reading"].startswith("read as data.layout=synthbuster: 3 real and 6 fake")
    assert report["left_aside"]["files"] == 1
    counts = {one["path"]: (one["real"], one["fake"]) for one in report["counts"]}
    assert counts == {"test/dalle2": (0, 3), "test/glide": (0, 3), "test/real": (3, 0)}
    assert "read as data.layout=synthbuster" in capsys.readouterr().out
