"""`predict` over tables: a row for each, under a name that says file and row."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from jaxdet.errors import UserError
from jaxdet.predict import load_detector
from jaxdet.predict.__main__ import main
from jaxdet.predict.inputs import TableRows, find_inputs
from jaxdet.predict.parts import Stamp
from jaxdet.predict.rows import Scoring, score_files, score_inputs
from jaxdet.predict.shards import Shard, score_shard
from jaxdet.progress import ProgressLine
from tests.data.table_files import write_csv, write_jsonl, write_parquet
from tests.predict.samples import write_images, write_weights

COUNT = 9


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Weights, images of which one is broken, and tables of them in every form."""
    place = tmp_path_factory.mktemp("tables")
    write_weights(place / "w.safetensors")
    files = sorted(write_images(place / "images", COUNT, broken_every=7).iterdir())
    names = [f"images/{file.name}" for file in files]
    write_csv(place / "paths.csv", ["file", "label"], [[name, "?"] for name in names])
    write_jsonl(place / "other.jsonl", [{"picture": name} for name in names])
    cells = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    for number, part in enumerate((cells[:4], cells[4:])):
        write_parquet(place / "shards" / f"train-0000{number}-of-00002.parquet",
                      {"image": part, "label": [7] * len(part)}, group=2)  # fmt: skip
    return place


@pytest.fixture(scope="module")
def detector(place):
    return load_detector(place / "w.safetensors")


@pytest.fixture(scope="module")
def expected(detector, place):
    """The rows of the files themselves."""
    paths = sorted((place / "images").iterdir())
    return score_files(detector, paths, Scoring.of(detector, crop=32))


def scored(detector, *paths, columns=""):
    rows = TableRows(paths, columns=columns)
    with ProgressLine("score", total=len(rows), unit="images") as progress:
        return score_inputs(detector, rows.read(), Scoring.of(detector, crop=32), progress=progress)


def values(rows):
    return [(row.get("logit"), row.get("error")) for row in rows]


def assert_close(rows, others):
    for (logit, error), (other, other_error) in zip(values(rows), values(others), strict=True):
        assert error == other_error
        assert logit == pytest.approx(other, abs=1e-5)


def test_tables_of_every_form_are_scored_as_their_files(detector, expected, place):
    rows = scored(detector, place / "paths.csv")
    assert [row["path"] for row in rows] == [row["path"] for row in expected]
    assert_close(rows, expected)
    rows = scored(detector, place / "other.jsonl", columns='{"image": "picture"}')
    assert_close(rows, expected)
    shards = place / "shards"
    rows = scored(detector, shards)
    assert_close(rows, expected)
    assert [row["path"] for row in rows] == [
        *(f"{shards}/train-00000-of-00002.parquet#{row}" for row in range(4)),
        *(f"{shards}/train-00001-of-00002.parquet#{row}" for row in range(5)),
    ]


def test_rows_without_an_image_and_damaged_groups_have_their_row(place, tmp_path):
    write_csv(tmp_path / "t.csv", ["image"], [["gone.png"], [""], [place / "images/00000.png"]])
    shutil.copytree(place / "shards", tmp_path / "shards")
    broken = tmp_path / "shards" / "train-00001-of-00002.parquet"
    content = bytearray(broken.read_bytes())
    content[10:60] = bytes(50)
    broken.write_bytes(content)
    out = tmp_path / "rows.json"
    with pytest.raises(SystemExit) as ended:
        main([f"--weights={place}/w.safetensors", "--crop=32", f"--json={out}",
              str(tmp_path / "t.csv"), str(tmp_path / "shards")])  # fmt: skip
    assert ended.value.code == 1
    rows = json.loads(out.read_text())
    assert [row["path"] for row in rows[:3]] == [
        f"{tmp_path}/gone.png", f"{tmp_path}/t.csv#1", f"{place}/images/00000.png",
    ]  # fmt: skip
    errors = [row.get("error", "") for row in rows]
    assert errors[:2] == ["No such file or directory", "no image in this row of the table"]
    assert ["its row group 0 cannot be read" in one for one in errors[7:]] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_masses_go_on_and_know_replaced_images_again(detector, expected, place, tmp_path):
    shutil.copytree(place / "images", tmp_path / "images")
    shutil.copy(place / "paths.csv", tmp_path / "paths.csv")

    def score():
        inputs = find_inputs([tmp_path / "paths.csv"], column=None)
        scoring = Scoring.of(detector, crop=32)
        stamp = Stamp.of(detector, inputs, engine="plain", scoring=scoring, shards=1, part_rows=4)
        return score_shard(detector, inputs, stamp, tmp_path / "out", Shard())

    outcome = score()
    assert (outcome.rows, outcome.scored, outcome.errors) == (COUNT, COUNT, 1)
    rows = [row for part in outcome.parts for row in pq.read_table(part).to_pylist()]
    assert [row["path"] for row in rows] == [
        row["path"].replace(str(place), str(tmp_path)) for row in expected
    ]
    assert_close(rows, expected)
    outcome.parts[1].unlink()
    assert score().scored == 4
    (tmp_path / "images" / "00001.jpg").write_bytes(b"another")
    with pytest.raises(UserError, match="scored with other inputs"):
        score()


def test_chunks_are_the_rows_between_two_numbers(place):
    rows = TableRows([place / "paths.csv", place / "shards"])
    names = [one.name for one in rows.read()]
    assert len(rows) == len(names) == 2 * COUNT
    for start, stop in ((0, 3), (7, 12), (9, 18), (5, 5)):
        chunks = list(rows.chunks(start, stop))
        assert [one.name for chunk in chunks for one in chunk.read()] == names[start:stop]
        assert [chunk.first for chunk in chunks[:1]] == [start] * (stop > start)
