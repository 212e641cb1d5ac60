"""`predict --out`: shares, parts, what goes on after a kill, and what is refused."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jaxdet.errors import RunFailedError, UserError
from jaxdet.predict import load_detector
from jaxdet.predict.__main__ import main
from jaxdet.predict.inputs import ImageFiles, ParquetColumn
from jaxdet.predict.parts import Stamp, read_errors
from jaxdet.predict.rows import Scoring, score_files
from jaxdet.predict.shards import Shard, parse_shard, score_shard
from tests.conftest import killed_while_writing
from tests.environment import importing
from tests.predict.samples import write_images, write_weights

REPOSITORY = Path(__file__).parents[2]
COUNT, BROKEN_EVERY = 23, 7


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Weights, images of which three are broken, and a finished work over them."""
    place = tmp_path_factory.mktemp("mass")
    write_weights(place / "w.safetensors")
    write_images(place / "images", COUNT, broken_every=BROKEN_EVERY)
    assert run(place, f"--out={place}/finished", place / "images") == 1
    return place


@pytest.fixture(scope="module")
def detector(place):
    return load_detector(place / "w.safetensors")


@pytest.fixture(scope="module")
def expected(detector, place):
    """The rows of `predict` without --out."""
    paths = sorted((place / "images").iterdir())
    return score_files(detector, paths, Scoring.of(detector, crop=32))


def run(place, *arguments):
    """The exit status of `predict` within this process."""
    try:
        main([f"--weights={place}/w.safetensors", "--crop=32", *map(str, arguments)])
    except SystemExit as end:
        return end.code
    return 0


def score(detector, inputs, out, *, shard="0/1", part_rows=8):
    """One shard, scored without loading and compiling once more."""
    one = parse_shard(shard)
    stamp = Stamp.of(
        detector, inputs, engine="plain", scoring=Scoring.of(detector, crop=32, max_pixels=10**6),
        shards=one.count, part_rows=part_rows,
    )  # fmt: skip
    return score_shard(detector, inputs, stamp, out, one)


def rows_below(out):
    rows = [
        row for part in sorted(out.glob("*.parquet")) for row in pq.read_table(part).to_pylist()
    ]
    return sorted(rows, key=lambda row: row["number"])


def assert_as_expected(rows, expected, name=lambda path: path):
    """One row for each image, in the words and numbers of `predict` without --out."""
    assert [row["number"] for row in rows] == list(range(COUNT))
    for row, said in zip(rows, expected, strict=True):
        assert row["path"] == name(said["path"])
        assert row["error"] == said.get("error")
        assert row["prediction"] == said.get("prediction")
        for value in ("logit", "probability"):
            assert row[value] == pytest.approx(said.get(value), abs=1e-5)


def test_the_command_gives_every_row_and_does_nothing_the_second_time(place, expected, capsys):
    assert_as_expected(rows_below(place / "finished"), expected)
    before = {part: part.stat().st_mtime_ns for part in (place / "finished").iterdir()}
    assert run(place, f"--out={place}/finished", place / "images") == 1
    said = capsys.readouterr().out
    assert said.startswith(f"finished before: {COUNT} images, 3 of them without a score, in ")
    assert {part: part.stat().st_mtime_ns for part in before} == before


def test_images_without_a_score_are_counted_and_named(place, expected, tmp_path, capsys):
    assert run(place, f"--out={tmp_path}/out", place / "images") == 1
    written = capsys.readouterr()
    assert written.out.startswith(f"{COUNT} images: {COUNT - 3} with a score, 3 without; in ")
    named = [f"{row['path']}: {row['error']}" for row in expected if "error" in row]
    assert written.err.splitlines()[-3:] == named
    (part,) = (tmp_path / "out").glob("*.parquet")
    other = part.with_name(part.name.replace("000000", "000001"))
    shutil.copy(part, other)
    assert list(read_errors([part, other])) == named * 2


@pytest.mark.parametrize("options", [("--crop=1",), ("--crop=none", "--resize=8")])
def test_parts_of_few_pixels_are_warned_of(place, options, capsys):
    image = place / "images/00000.png"
    assert run(place, image) == 0
    assert "warning" not in capsys.readouterr().err
    assert run(place, *options, image) == 0
    side = options[-1].partition("=")[2]
    assert f"\nwarning: {side} pixels show little of a generator, and" in capsys.readouterr().err


def test_shards_in_parts_give_every_row(detector, place, expected, tmp_path):
    # Another order of the same paths makes the same shares.
    names = sorted((place / "images").iterdir())
    for index, inputs in enumerate([names, names[::-1], [place / "images"]]):
        outcome = score(detector, ImageFiles(inputs), tmp_path, shard=f"{index}/3", part_rows=4)
        assert outcome.scored == outcome.rows == (7, 8, 8)[index]
    assert_as_expected(rows_below(tmp_path), expected)
    parts = sorted(part.name for part in tmp_path.glob("*"))
    assert parts[:2] == [f"shard-00000-of-00003.part-00000{part}.parquet" for part in (0, 1)]
    assert len(parts) == 6
    again = score(detector, ImageFiles(names), tmp_path, shard="1/3", part_rows=4)
    assert (again.scored, again.rows, again.errors) == (0, 8, 1)


def test_a_part_says_what_its_scores_follow_from(place):
    (part,) = (place / "finished").iterdir()
    stamp = json.loads(pq.read_schema(part).metadata[b"jaxdet"])
    assert stamp["jaxdet"] == "0.1.0"
    assert stamp["scoring"]["protocol"] == {
        "parts": "crop", "crop": 32, "resize": 0, "kernel": "bilinear",
    }  # fmt: skip
    assert (stamp["checkpoint"], stamp["count"], stamp["errors"]) == ("w.safetensors", COUNT, 3)
    assert stamp["model"]["name"] == "resnet18"
    assert len(stamp["weights"]) == len(stamp["inputs"]) == 16


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (["--crop=40"], "another --crop or --resize"),
        (["--threshold=0.4"], "another --threshold, --error-rate or --raw"),
        (["--exif=apply"], "another --exif (ignore, now apply)"),
        (["--shard=0/2"], "another number of shards (1, now 2)"),
        (["--part-rows=9"], "another --part-rows (1000, now 9)"),
        (["--compare=bytes"], "another --compare (times, now bytes)"),
        (["--weights={other}"], "other weights ("),
        (["{other}"], "other inputs"),
    ],
)
def test_parts_of_another_work_are_refused_in_one_line(place, tmp_path, capsys, changed, says):
    shutil.copytree(place / "finished", tmp_path / "out")
    state = {part: part.read_bytes() for part in (tmp_path / "out").iterdir()}
    other = tmp_path / "other.safetensors"
    write_other(place / "w.safetensors", other)
    changed = [one.format(other=other) for one in changed]
    capsys.readouterr()
    assert run(place, f"--out={tmp_path}/out", place / "images", *changed) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith(f"error: {tmp_path}/out/shard-00000-of-00001.part-000000.parquet: ")
    assert says in error[-1]
    assert {part: part.read_bytes() for part in (tmp_path / "out").iterdir()} == state


def replace_image(path):
    """Puts other pixels into a BMP, whose size stays."""
    content = bytearray(path.read_bytes())
    content[-9] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("compare", ["times", "bytes"])
@pytest.mark.parametrize("kind", ["files", "paths", "structs", "bytes"])
def test_rows_of_images_that_were_replaced_do_not_stay(detector, tmp_path, kind, compare):
    paths = [tmp_path / f"images/{number}.bmp" for number in range(6)]
    paths[0].parent.mkdir()
    for path in paths:
        Image.new("RGB", (33, 33), (9, 9, 9)).save(path)
    images = {
        "paths": lambda: pa.array(map(str, paths)),
        "structs": lambda: pa.array(
            [{"bytes": None, "path": str(path)} for path in paths],
            pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        ),
        "bytes": lambda: pa.array([path.read_bytes() for path in paths]),
    }
    table = tmp_path / "table.parquet"

    def inputs():
        if kind == "files":
            return ImageFiles([tmp_path / "images"], compare=compare)
        return ParquetColumn([table], column="x", compare=compare)

    def write_table():
        if kind != "files":
            pq.write_table(pa.table({"x": images[kind]()}), table)

    write_table()
    score(detector, inputs(), tmp_path / "out", part_rows=2)
    (tmp_path / "out/shard-00000-of-00001.part-000002.parquet").unlink()
    if compare == "bytes":
        os.utime(paths[1])  # as a copy of the data has other times
        assert score(detector, inputs(), tmp_path / "out", part_rows=2).scored == 2
    replace_image(paths[5])
    if kind == "bytes":
        write_table()
    with pytest.raises(UserError, match=r"scored with other inputs .*give --out another folder"):
        score(detector, inputs(), tmp_path / "out", part_rows=2)


def write_other(weights, other):
    """Weights of which one bit differs."""
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)


def test_a_damaged_part_is_scored_again(detector, place, expected, tmp_path):
    inputs = ImageFiles([place / "images"])
    score(detector, inputs, tmp_path)
    damaged = tmp_path / "shard-00000-of-00001.part-000001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert score(detector, inputs, tmp_path).scored == 8
    assert_as_expected(rows_below(tmp_path), expected)


@pytest.mark.parametrize("kind", ["bytes", "paths", "structs"])
def test_a_column_of_parquet_gives_the_same_scores(detector, place, expected, tmp_path, kind):
    paths = sorted((place / "images").iterdir())
    images = {
        "bytes": pa.array([path.read_bytes() for path in paths], pa.large_binary()),
        "paths": pa.array(map(str, paths)),
        "structs": pa.array([{"bytes": path.read_bytes(), "path": path.name} for path in paths]),
    }[kind]
    table = pa.table({"label": range(COUNT), "picture": images})
    (tmp_path / "tables/b").mkdir(parents=True)
    pq.write_table(table[:9], tmp_path / "tables/a.parquet", row_group_size=4)
    pq.write_table(table[9:], tmp_path / "tables/b/b.parquet", row_group_size=5)
    inputs = ParquetColumn([tmp_path / "tables"], column="picture")
    for shard in ("1/2", "0/2"):
        score(detector, inputs, tmp_path / "out", shard=shard)
    names = [f"{tmp_path}/tables/a.parquet#{row}" for row in range(9)]
    names += [f"{tmp_path}/tables/b/b.parquet#{row}" for row in range(COUNT - 9)]
    by_path = {str(path): name for path, name in zip(paths, names, strict=True)}
    as_named = (lambda path: path) if kind == "paths" else by_path.__getitem__
    assert_as_expected(rows_below(tmp_path / "out"), expected, as_named)


def test_names_that_are_no_utf8_are_read_and_gone_on_with(detector, place, tmp_path):
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    images = pa.array([path.read_bytes() for path in sorted((place / "images").iterdir())[:3]])
    table = folder / os.fsdecode(b"\xfe.parquet")
    with table.open("wb") as file:
        pq.write_table(pa.table({"x": images}), file)
    assert score(detector, ParquetColumn([folder], column="x"), folder / "out").scored == 3
    assert score(detector, ParquetColumn([table], column="x"), folder / "out").scored == 0


def test_missing_values_have_their_row(detector, tmp_path):
    pq.write_table(pa.table({"x": pa.array([None, "gone.png"])}), tmp_path / "a.parquet")
    inputs = ParquetColumn([tmp_path / "a.parquet"], column="x")
    assert score(detector, inputs, tmp_path / "out").errors == 2
    errors = [row["error"] for row in rows_below(tmp_path / "out")]
    assert errors == ["no image in this row of the table", "No such file or directory"]


def test_a_table_damaged_inside_ends_the_run(detector, tmp_path):
    content = pa.array([os.urandom(3000) for _ in range(40)])
    pq.write_table(pa.table({"x": content}), tmp_path / "a.parquet", use_dictionary=False)
    damaged = bytearray((tmp_path / "a.parquet").read_bytes())
    damaged[4:60] = bytes(56)
    (tmp_path / "a.parquet").write_bytes(damaged)
    inputs = ParquetColumn([tmp_path], column="x")
    with pytest.raises(RunFailedError, match=r"a.parquet: cannot be read: "):
        score(detector, inputs, tmp_path / "out")


@pytest.mark.parametrize("rows", [1, 2, 7, 100])
def test_chunks_are_the_rows_between_two_numbers(tmp_path, rows):
    for number, count in enumerate([3, 0, 5, 1]):
        table = pa.table(
            {"x": [f"{number}{row}.png" for row in range(count)]}, pa.schema([("x", pa.string())])
        )
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=rows)
    column = ParquetColumn([tmp_path], column="x")
    everything = ["00", "01", "02", "20", "21", "22", "23", "24", "30"]
    assert len(column) == 9
    for start, stop in itertools.combinations_with_replacement(range(10), 2):
        chunks = list(column.chunks(start, stop))
        read = [
            (chunk.first + n, one.name) for chunk in chunks for n, one in enumerate(chunk.read())
        ]
        assert read == [(n, f"{everything[n]}.png") for n in range(start, stop)]


def test_files_are_sorted_by_bytes_and_stand_once(tmp_path):
    names = [
        "b.png",
        "a.png",
        "a/c.png",
        os.fsdecode(b"\xff.png"),
        "\N{GREEK SMALL LETTER ALPHA}.png",
    ]
    for name in names:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).touch()
    once = ImageFiles([tmp_path / "d"])
    twice = ImageFiles([tmp_path / "d" / "b.png", tmp_path / "d", tmp_path / "d" / "a.png"])
    (chunk,) = once.chunks(0, len(once))
    assert list(chunk.paths) == sorted(chunk.paths, key=os.fsencode)
    assert (len(once), once.digest) == (5, twice.digest)


def test_names_that_are_not_utf8_have_their_row(detector, tmp_path):
    folder = write_images(tmp_path / "odd", 1)
    (folder / "00000.png").rename(folder / os.fsdecode(b"\xff.png"))
    assert score(detector, ImageFiles([folder]), tmp_path / "out").errors == 0
    (row,) = rows_below(tmp_path / "out")
    assert row["path"] == f"{folder}/\\xff.png"


@pytest.mark.parametrize("count", [1, 2, 7, 24])
def test_shards_are_all_inputs_once(count):
    spans = [range(*Shard(index, count).span(COUNT)) for index in range(count)]
    assert list(itertools.chain(*spans)) == list(range(COUNT))
    assert max(map(len, spans)) - min(map(len, spans)) <= 1


def array(task, first, last, count, **others):
    names = {"ID": task, "MIN": first, "MAX": last, "COUNT": count, **others}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}


def test_a_slurm_array_s_task_is_a_shard():
    assert parse_shard("auto", array(0, 0, 15, 16)) == Shard(0, 16)
    assert parse_shard("auto", array(16, 1, 16, 16)) == Shard(15, 16)
    assert parse_shard("auto", array(6, 0, 8, 5, STEP=2)) == Shard(3, 5)
    assert parse_shard("2/7", {}) == Shard(2, 7)


@pytest.mark.parametrize(
    ("text", "environment", "says"),
    [
        ("auto", {}, "SLURM_ARRAY_TASK_ID"),
        ("auto", array(3, 3, 7, 2), "no whole array"),
        ("auto", array(5, 5, 6, 2), "no whole array"),
        ("7/7", {}, "i from 0 to N-1"),
        ("-1/7", {}, "i from 0 to N-1"),
        ("3", {}, "i from 0 to N-1"),
    ],
)
def test_what_is_no_shard_is_refused(text, environment, says):
    with pytest.raises(UserError, match=says):
        parse_shard(text, environment)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--shard=0/2", "images"], "--shard: needs --out"),
        (["--engine=ray", "images"], "--engine: needs --out"),
        (["--out=o", "--json=o.json", "images"], "leave --json"),
        (["--out=o", "--actors=2", "images"], "--actors: needs --engine=ray"),
        (["--out=o", "--engine=ray", "--shard=0/2", "images"], "leave --shard"),
        (["--out=w.safetensors", "images"], "--out=w.safetensors: is a file"),
        (["--out=o", "a.parquet"], "a.parquet: no column is known to be the image; name it with"),
        (["a.parquet"], "a.parquet: no column is known to be the image; name it with"),
        (['--columns={"image": "y"}', "a.parquet"], "data.columns: has no column 'y'"),
        (['--columns={"image": "x"}', "images"], "--columns: images is no table"),
        (['--columns={"image": "x"}', "a.parquet", "images"], "a.parquet: a table, and images is"),
        (["--out=o", "--columns={}", "--column=x", "a.parquet"], "name the images by one of them"),
        (["--out=o", "--column=y", "a.parquet"], "a.parquet: has no column 'y', but x, n"),
        (["--out=o", "--column=n", "a.parquet"], "column 'n' is of type int64"),
        (["--out=o", "--column=x", "images"], "images: holds no .parquet files"),
        (["--out=o", "--column=x", "w.safetensors"], "w.safetensors: cannot be read as Parquet"),
        (
            ["--out=o", "--part-rows=0", "images"],
            "argument --part-rows: '0': give a whole number, at least 1",
        ),
        (["--max-pixels=-1", "images"], "argument --max-pixels: '-1': give a whole number"),
    ],
)
def test_mistakes_end_in_one_line(place, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(place)
    pq.write_table(pa.table({"x": ["a.png"], "n": [1]}), "a.parquet")
    assert run(place, *arguments) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert says in error
    assert not Path("o").exists() or not list(Path("o").iterdir())


def test_without_ray_the_extra_is_named(place, tmp_path):
    # An empty module of the name, so that it holds where Ray is installed too.
    (tmp_path / "ray.py").touch()
    done = command(place, tmp_path / "out", "--engine=ray", path=tmp_path)
    said = done.communicate(timeout=300)[1]
    assert done.returncode == 2
    assert said.splitlines()[-1].startswith("error: --engine=ray: Ray Data is not installed")
    assert "pip install -e '.[ray]'" in said


def command(place, out, *options, path=""):
    """`predict --out` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jaxdet.predict", f"--weights={place}/w.safetensors", "--crop=32",
         f"--out={out}", *options, str(place / "images")],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=importing(path, REPOSITORY),
    )  # fmt: skip


def test_a_killed_job_goes_on_at_its_next_part(place, expected, tmp_path):
    out = tmp_path / "out"
    killed = command(place, out, "--part-rows=1")
    while len(list(out.glob("*.parquet"))) < 3:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = {part: part.stat().st_mtime_ns for part in out.glob("*.parquet")}
    assert 3 <= len(before) < COUNT
    # What a kill within the writing of a part leaves behind.
    killed_while_writing(out / "shard-00000-of-00001.part-000009.parquet")
    assert run(place, f"--out={out}", "--part-rows=1", place / "images") == 1
    assert_as_expected(rows_below(out), expected)
    assert {part: part.stat().st_mtime_ns for part in before} == before
    assert all(path.suffix == ".parquet" for path in out.iterdir())
