"""A table of experiments as a user runs it: killed, continued, one row of it broken."""

import csv
import dataclasses
import json
import shutil

import pytest

from jaxdet.config import load_file
from jaxdet.experiments.command import with_options
from jaxdet.experiments.runner import run_rows
from jaxdet.experiments.state import state_of
from jaxdet.results import RunFolder, read_metrics
from tests.conftest import write_images
from tests.e2e.conftest import REPOSITORY, TINY
from tests.e2e.test_kill import kill_when

TABLE = """
import dataclasses
from jaxdet.experiments import Table, frank, sized


def get_table(arg=""):
    first, second, third = frank.table1()[:3]
    broken = dataclasses.replace(
        second.config, data=dataclasses.replace(second.config.data, train_root="nowhere")
    )
    table = sized(Table(title="Three rows", source="a test", rows=(first, second, third)), arg)
    rows = (table.rows[0], dataclasses.replace(second, config=broken), table.rows[2])
    return dataclasses.replace(table, rows=rows)
"""


@pytest.fixture
def arguments(tmp_path):
    """A table of three rows, the second of which has no images."""
    root = write_images(tmp_path / "data" / "train" / "a", count=24).parents[1]
    write_images(root / "test" / "progan", count=6, seed=1)
    write_images(root / "test" / "other", count=6, seed=2)
    (tmp_path / "table.py").write_text(TABLE)
    options = {**TINY, "data.root": root, "optim.max_epochs": 2}
    return [
        f"--config={tmp_path / 'table.py'}:tiny",
        f"--workdir={tmp_path / 'runs'}",
        *(f"--config.{key}={value}" for key, value in options.items()),
    ]


def test_a_killed_table_goes_on_past_a_broken_row_and_puts_measured_beside_published(
    arguments, tmp_path, command, finish
):
    runs = tmp_path / "runs"
    first, third = RunFolder(runs / "20cls_noaug"), RunFolder(runs / "20cls_jpeg")

    kill_when(command("jaxdet.main", *arguments), lambda: read_metrics(third.metrics))
    finished = first.results.stat().st_mtime_ns
    assert not third.results.exists()
    assert not (runs / "report").exists()

    status, out, err = finish("jaxdet.main", *arguments)
    assert status == 2, err
    assert "20cls_noaug: this run is finished" in err
    assert "row 20cls_blur failed: data.train_root=nowhere: no such folder" in err
    last = err.splitlines()[-1]
    assert last.startswith("error: 1 of 3 rows failed: 20cls_blur: data.train_root=nowhere")
    assert "Traceback" not in out + err
    assert first.results.stat().st_mtime_ns == finished
    assert json.loads(third.results.read_text())["status"] == "finished"

    page = (runs / "report" / "index.html").read_text()
    assert "20cls_noaug_tiny" in page
    assert "20cls_jpeg_tiny" in page
    rows = list(csv.DictReader((runs / "report" / "published.csv").open()))
    told = {(row["row"], row["column"]): (row["published"], row["measured"]) for row in rows}
    assert {row for row, _ in told} == {"20cls_noaug", "20cls_jpeg"}
    printed, measured = told["20cls_noaug", "ProGAN"]
    ap = json.loads(first.results.read_text())["sets"]["progan"]["ap"]
    assert (float(printed), float(measured)) == (100.0, pytest.approx(100 * ap))
    assert told["20cls_jpeg", "StyleGAN"][1] == ""
    assert "cannot be compared" in (runs / "report" / "published.md").read_text()

    # A job of an array has one row: the report waits for the one that finishes the table.
    file, _, *options = arguments
    table, _ = with_options(load_file(file.removeprefix("--config=")), ["main", *options])
    assert [state_of(row, runs) for row in table.rows] == ["finished", "not begun", "finished"]
    shutil.rmtree(runs / "report")
    run_rows(table, table.rows[:1], runs)
    assert not (runs / "report").exists()
    run_rows(dataclasses.replace(table, rows=table.rows[::2]), table.rows[:1], runs)
    assert (runs / "report" / "published.md").exists()


def test_a_folder_of_a_run_is_no_folder_of_a_table(tmp_path, finish):
    (tmp_path / "config.json").write_text("{}")
    status, _, err = finish(
        "jaxdet.main", f"--config={REPOSITORY}/configs/papers/re_table1.py:tiny",
        f"--workdir={tmp_path}",
    )  # fmt: skip
    assert status == 2
    assert "holds a run, not a table" in err
