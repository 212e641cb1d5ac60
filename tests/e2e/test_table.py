"""A table of experiments as a user runs it: killed, continued, one row of it broken."""

import csv
import dataclasses
import json
import shutil

import pytest

from jaxdet.config import load_file
from jaxdet.errors import UserError
from jaxdet.experiments.command import with_options
from jaxdet.experiments.runner import run_rows
from jaxdet.experiments.state import state_of
from jaxdet.results import RunFolder, read_metrics
from tests.conftest import write_images
from tests.e2e.conftest import TINY
from tests.e2e.test_kill import kill_when
from tests.golden import tables

TABLE = """
import dataclasses
from jaxdet.experiments import Table, sized, xuan


def get_table(arg=""):
    first, second, third = xuan.table1()
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
    write_images(root / "test" / "pggan", count=6, seed=1)
    write_images(root / "test" / "other", count=6, seed=2)
    (tmp_path / "table.py").write_text(TABLE)
    options = {**TINY, "data.root": root, "augment.crop": 32, "optim.max_epochs": 2}
    return [
        f"--config={tmp_path / 'table.py'}:tiny",
        f"--workdir={tmp_path / 'runs'}",
        *(f"--config.{key}={value}" for key, value in options.items()),
    ]


@pytest.mark.slow
def test_a_killed_table_goes_on_past_a_broken_row_and_puts_measured_beside_published(
    arguments, tmp_path, command, finish
):
    runs = tmp_path / "runs"
    first, third = RunFolder(runs / "m"), RunFolder(runs / "mgn")

    kill_when(command("jaxdet.main", *arguments), lambda: read_metrics(third.metrics))
    finished = first.results.stat().st_mtime_ns
    assert not third.results.exists()
    assert not (runs / "report").exists()

    status, out, err = finish("jaxdet.main", *arguments)
    assert status == 2, err
    assert "m: this run is finished" in err
    assert "row mgb failed: data.train_root=nowhere: no such folder" in err
    last = err.splitlines()[-1]
    assert last.startswith("error: 1 of 3 rows failed: mgb: data.train_root=nowhere")
    assert "Traceback" not in out + err
    assert first.results.stat().st_mtime_ns == finished
    assert json.loads(third.results.read_text())["status"] == "finished"

    page = (runs / "report" / "index.html").read_text()
    assert "m_tiny" in page
    assert "mgn_tiny" in page
    rows = list(csv.DictReader((runs / "report" / "published.csv").open()))
    told = {
        (row["row"], row["metric"], row["column"]): (row["published"], row["measured"])
        for row in rows
    }
    assert {row for row, _, _ in told} == {"m", "mgn"}
    printed, measured = told["m", "TNR", "PGGAN"]
    accuracy = json.loads(first.results.read_text())["sets"]["pggan"]["accuracy_fake"]
    assert (float(printed), float(measured)) == (95.77, pytest.approx(100 * accuracy))
    assert told["mgn", "accuracy", "DCGAN"] == ("66.38", "")
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


def test_a_folder_of_a_run_is_no_folder_of_a_table(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    table = tables.load("re_table1", "tiny")
    with pytest.raises(UserError, match="holds a run, not a table"):
        run_rows(table, table.rows, tmp_path)
