"""Whatever lies under the name of a file: a line, no wait, and nothing of another folder."""

import json
import os
import shutil
import signal
import socket

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxdet.convert.card import beside, read_beside
from jaxdet.convert.load import load_weights
from jaxdet.data.sources import open_root
from jaxdet.data.store.reader import Store
from jaxdet.datasets.makers.place import read_record
from jaxdet.datasets.makers.snapshots import load_snapshot
from jaxdet.datasets.verify.tree import Expect, verify_tree
from jaxdet.datasets.verify.weights import verify_weights
from jaxdet.errors import UserError
from jaxdet.fetch.record import Record
from jaxdet.predict.columns import count_rows
from jaxdet.predict.parts import read_part
from jaxdet.report import write
from jaxdet.report.begun import look_at
from jaxdet.report.gallery import gallery_of
from jaxdet.report.load import load_runs, read_predictions
from jaxdet.report.spectra import spectra_of
from jaxdet.results import RunFolder
from jaxdet.runtime.changes import note_changes
from jaxdet.runtime.manifest import DamagedError, seal, verify
from jaxdet.workdir.files import append_line, is_step, sha256, within
from jaxdet.workdir.identity import json_sha256
from tests.fuzz.samples import sound

KINDS = ("pipe", "socket", "folder", "device", "dead link", "link out")  # the last three are links


@pytest.fixture(autouse=True)
def no_waiting():
    """Ends a test that waits for somebody at the other end of a pipe."""

    def fail(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(kind, path, elsewhere):
    """Puts something else in the place of a file, whose content goes elsewhere."""
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.rename(elsewhere)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        held, here = socket.socket(socket.AF_UNIX), os.getcwd()
        os.chdir(path.parent)  # addresses have 108 bytes
        held.bind(path.name)
        os.chdir(here)
        held.close()
    elif kind == "folder":
        path.mkdir()
    else:
        target = {"device": "/dev/zero", "dead link": "/nowhere/x", "link out": elsewhere}[kind]
        path.symlink_to(target)


def read_run(path):
    (run,) = load_runs([path])
    if hasattr(run, "results"):
        assert not run.is_outdated
        for name in run.results.sets:
            read_predictions(run, name)
        spectra_of([run])
        gallery_of([run])
    look_at(run)


def read_step(path):
    try:
        verify(path)
    except DamagedError as error:
        raise UserError(f"{path}: {error}") from None


def make_step(path):
    (path / "state").mkdir(parents=True)
    for name in ("_METADATA", "state/empty", "state/d"):
        (path / name).write_bytes(b"" if "empty" in name else b"x")
    seal(path, step=7, ranks=None)


def make_fetched(path):
    record = Record(path)
    with record.locked():
        record.keep_manifest("small", {"train/cat/0_real/0.png": "0" * 64})
        record._hashes_path.write_text("{}")


def read_fetched(path):
    verify_tree(path, expect=Expect.NOTHING)
    verify_weights(path)


# What is read below a folder, by whom, and the files of it.
RUN = ("config.json", "results.json", "env.json", "metrics.jsonl", "predictions/progan.npz",
       "analysis/spectra/progan.npz", "analysis/ranking/progan.npz", "changes.jsonl")  # fmt: skip
READERS = {
    "run": (read_run, RUN),
    "store": (Store, ("store.json", "index.npy", "names.bin", "shards/00000.bin")),
    "tfds": (lambda path: open_root(f"tfds:{path}/1.0.0"),
             ("ids-1.0.0.json", "1.0.0/features.json", "1.0.0/dataset_info.json")),
    "detector": (load_weights, ("detector.json", "variables.safetensors")),
    "step": (read_step, ("manifest.json", "_METADATA", "state/empty", "state/d", "state/new")),
    "fetched": (read_fetched, ("fetched/small.sha256", "fetched/hashes.json")),
    "making": (read_record, ("synth.json",)),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_of_the_folder_is_one_line(name, kind, tmp_path):
    folder, (read, files) = tmp_path / "7", READERS[name]
    if name == "step":
        make_step(folder)
    elif name == "fetched":
        make_fetched(folder)
    elif name == "making":
        folder.mkdir()
        (folder / "synth.json").write_text("{}")
    else:
        shutil.copytree(sound()[1] / name, folder)
    read(folder)
    for number, file in enumerate(files):
        if kind == "folder" and file.endswith(("new", "changes.jsonl")):
            continue
        elsewhere = tmp_path / f"elsewhere-{number}"
        if name == "step" and file == "state/new":
            elsewhere.write_text("x")
        put(kind, folder / file, elsewhere)
        # Looked for with `is_file`: of another kind they are not there.
        if kind in KINDS[3:] or not file.startswith(("analysis", "changes.jsonl")):
            with pytest.raises(UserError, match=str(tmp_path)) as raised:
                read(folder)
            assert "\n" not in str(raised.value)
        else:
            read(folder)
        shutil.rmtree(folder / file) if kind == "folder" else (folder / file).unlink()
        if elsewhere.exists() and not file.endswith("new"):
            elsewhere.rename(folder / file)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_single_files_of_another_kind_are_one_line(kind, tmp_path):
    path = tmp_path / "a"
    put(kind, path, None)
    for read in (count_rows, load_weights, lambda path: load_snapshot(path, like={})):
        with pytest.raises(UserError, match=f"{path}.*no regular file"):
            read(path)
    assert read_part(path) is None
    for use in (sha256, lambda path: append_line(path, "x\n")):
        with pytest.raises(ValueError, match="no regular file"):
            use(path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "b")
    put(kind, beside(tmp_path / "b"), None)
    assert read_beside(tmp_path / "b") is None


def test_what_is_appended_never_goes_through_a_link(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "changes.jsonl").symlink_to(tmp_path / "theirs")
    with pytest.raises(UserError, match="a link that leads out of"):
        RunFolder(tmp_path / "run").changes  # noqa: B018
    with pytest.raises(ValueError, match="no regular file"):
        append_line(tmp_path / "run" / "changes.jsonl", "x\n")
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("name", ["../../theirs", "/etc/theirs", "a/b", "..", "", "\0", "\ud800",
                                  "x" * 300])  # fmt: skip
def test_no_name_leads_out_of_a_folder(name, tmp_path):
    assert not is_step(name)
    with pytest.raises(UserError, match="is no name of a file in it"):
        within(tmp_path, name)


def test_names_of_sets_never_lead_out_of_the_run(tmp_path):
    shutil.copytree(sound()[1] / "run", tmp_path / "run")
    results = json.loads((tmp_path / "run/results.json").read_text())
    shutil.move(tmp_path / "run/predictions/progan.npz", tmp_path / "theirs.npz")
    results["sets"]["../../theirs"] = results["sets"].pop("progan")
    (tmp_path / "run/results.json").write_text(json.dumps(results))
    (run,) = load_runs([tmp_path / "run"])
    assert read_predictions(run, "../../theirs") is None


def test_a_run_whose_places_are_links_is_refused_before_it_trains(run, tmp_path):
    for place in ("checkpoints", "predictions", "conditions", "analysis", ".lock"):
        if (run / place).exists():
            (run / place).rename(tmp_path / place)
        (run / place).symlink_to(tmp_path / "theirs")
        with pytest.raises(UserError, match=f"{place}.*: a link that leads out of"):
            RunFolder(run).check_links()
        (run / place).unlink()


def test_a_step_that_lists_files_elsewhere_is_damaged(tmp_path):
    (tmp_path / "theirs").write_text("x")
    make_step(tmp_path / "7")
    content = json.loads((tmp_path / "7/manifest.json").read_text())
    for name in ("../theirs", str(tmp_path / "theirs"), "state/../../theirs"):
        other = {**content, "files": {name: list(content["files"]["state/d"])}}
        del other["sha256"]
        text = json.dumps({**other, "sha256": json_sha256(other)})
        (tmp_path / "7/manifest.json").write_text(text)
        with pytest.raises(DamagedError, match="leads out of its folder"):
            verify(tmp_path / "7")


@pytest.mark.parametrize("line", ["../x/y", "/etc/x", "x.png", "train//x"])
def test_lists_of_fetched_files_never_lead_out_of_the_root(line, tmp_path):
    make_fetched(tmp_path)
    (tmp_path / "fetched/small.sha256").write_text(f"{'0' * 64}  {line}\n")
    with pytest.raises(UserError, match=r"small\.sha256: not a list of SHA-256"):
        verify_tree(tmp_path, expect=Expect.NOTHING)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with a short report, and a folder of somebody else's with a table of that name."""
    short = {"table.csv": b"ours", "figures/ap.pdf": b"ours", "index.html": b"Written by jaxdet"}
    monkeypatch.setattr(write, "_files", lambda *contents: short.items())
    shutil.copytree(sound()[1] / "run", tmp_path / "run")
    (tmp_path / "theirs" / "figures").mkdir(parents=True)
    (tmp_path / "theirs" / "table.csv").write_text("theirs")
    return tmp_path / "run"


def test_a_report_never_goes_through_a_link(run, tmp_path):
    theirs, out = tmp_path / "theirs", tmp_path / "out"
    (run / "report").symlink_to(theirs)
    with pytest.raises(UserError, match=r"report: a link that leads out of"):
        RunFolder(run).report  # noqa: B018
    for place in (run / "report", theirs):
        with pytest.raises(UserError, match="holds other files"):
            write.write_report([run], place)
    write.write_report([run], out)
    (out / "table.csv").unlink()
    (out / "table.csv").symlink_to(out / "index.html")
    with pytest.raises(UserError, match=r"table\.csv: is there already and not of this report"):
        write.write_report([run], out)
    (out / "table.csv").unlink()
    shutil.rmtree(out / "figures")
    (out / "figures").symlink_to(theirs / "figures")
    with pytest.raises(UserError, match=r"figures.*: a link that leads out of"):
        write.write_report([run], out)
    assert {path.name for path in theirs.rglob("*")} == {"table.csv", "figures"}
    assert (theirs / "table.csv").read_text() == "theirs"


def test_a_report_replaces_its_own_files_alone(run, tmp_path):
    out = tmp_path / "out"
    write.write_report([run], out)
    names = json.loads((out / ".files.json").read_text())
    (out / ".files.json").write_text(json.dumps([name for name in names if name != "table.csv"]))
    (out / "table.csv").write_text("mine")
    with pytest.raises(UserError, match=r"table\.csv: is there already and not of this report"):
        write.write_report([run], out)
    assert (out / "table.csv").read_text() == "mine"
    (out / "table.csv").unlink()
    write.write_report([run], out)
    assert json.loads((out / ".files.json").read_text()) == names


def test_a_change_of_config_is_not_written_through_a_link(run, tmp_path):
    (run / "changes.jsonl").symlink_to(tmp_path / "theirs" / "table.csv")
    from jaxdet import config

    with pytest.raises(UserError, match="a link that leads out of"):
        note_changes(config.Config(seed=5), {}, RunFolder(run))
    assert (tmp_path / "theirs" / "table.csv").read_text() == "theirs"
