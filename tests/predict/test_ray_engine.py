"""`predict --engine=ray` on real local clusters; needs the extra `ray`."""

import importlib
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxdet.config import Model, dotted
from tests.predict import ray_ten_thousand
from tests.predict.samples import write_images, write_weights

pytest.importorskip("ray", reason="needs the extra `ray`: pip install -e '.[ray]'")
pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
COUNT = 1500
OWN = """
import flax.linen as nn


class Net(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(1)(x.mean((1, 2)))[:, 0]


def build(model):
    return Net()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("ray")
    write_weights(place / "w.safetensors")
    write_images(place / "images", COUNT, broken_every=97)
    assert run(place, place / "plain", place / "images")[0] == 1
    return place


def command(place, out, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxdet.predict", f"--weights={place}/w.safetensors", "--crop=32",
         f"--out={out}", *map(str, arguments)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(place, out, *arguments):
    child = command(place, out, *arguments)
    said, complained = child.communicate(timeout=400)
    assert "Traceback" not in complained, complained
    return child.returncode, said, complained


def test_rows_are_those_of_the_plain_loop_and_what_is_missing_is_scored_alone(place, tmp_path):
    out, expected = tmp_path / "out", ray_ten_thousand.read(place / "plain")
    status, said, _ = run(place, out, "--engine=ray", "--actors=1", place / "images")
    assert status == 1
    assert said.startswith(f"{COUNT} images: ")
    assert "before this start" not in said
    assert ray_ten_thousand.difference(expected, ray_ten_thousand.read(out)) <= 1e-5
    lost = min(out.glob("*.parquet"), key=lambda part: pq.read_metadata(part).num_rows)
    missing = pq.read_metadata(lost).num_rows
    lost.unlink()
    assert missing < COUNT
    _, said, _ = run(place, out, "--engine=ray", place / "images")
    assert said.startswith(f"{COUNT} images: ")
    assert f"{COUNT - missing} of all before this start" in said
    assert ray_ten_thousand.difference(expected, ray_ten_thousand.read(out)) <= 1e-5
    status, said, _ = run(place, out, "--engine=ray", place / "images")
    assert (status, said.startswith(f"finished before: {COUNT} images")) == (1, True)
    status, _, complained = run(place, out, place / "images")
    assert (status, "another --engine (ray, now plain)" in complained) == (2, True)


def test_an_actor_runs_the_network_that_the_driver_was_given(tmp_path, monkeypatch):
    (tmp_path / "own_acted.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    ray_steps = importlib.import_module("jaxdet.predict.ray_steps")
    monkeypatch.setattr(ray_steps.ray, "get", lambda reference: reference)
    monkeypatch.setattr(dotted, "_TRUSTED", set())  # as in a process that has just begun
    kernel = {"Dense_0": {"kernel": np.ones((3, 1), np.float32), "bias": np.zeros(1, np.float32)}}
    variables = {"params": kernel, "batch_stats": {}}
    stamp = types.SimpleNamespace(scoring=None)
    scorer = ray_steps.RayScorer(Model(name="own_acted:build"), [variables], stamp)
    assert scorer._detector.score(np.zeros((1, 40, 40, 3), np.uint8), crop=32).shape == (1,)


def test_a_signal_ends_the_driver_as_any_command_though_ray_sets_a_handler_of_its_own(
    place, tmp_path
):
    out = tmp_path / "out"
    stopped = command(place, out, "--engine=ray", place / "images")
    while not list(out.glob("*.parquet")):
        assert stopped.poll() is None, stopped.communicate()
        time.sleep(0.02)
    stopped.send_signal(signal.SIGTERM)
    stopped.send_signal(signal.SIGTERM)
    complained = stopped.communicate(timeout=120)[1]
    assert stopped.returncode == 75, complained
    assert complained.endswith("stopped by SIGTERM; start the same command again to continue\n")


def test_a_killed_driver_leaves_nothing_running_and_goes_on(place, tmp_path):
    out = tmp_path / "out"
    killed = command(place, out, "--engine=ray", place / "images")
    while not list(out.glob("*.parquet")):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    family = [pid for pid in processes() if killed.pid in ancestry(pid)]
    assert family
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    kept = sum(pq.read_metadata(part).num_rows for part in out.glob("*.parquet"))
    deadline = time.monotonic() + 120
    while any(map(is_running, family)):
        assert time.monotonic() < deadline, [pid for pid in family if is_running(pid)]
        time.sleep(0.5)
    _, said, _ = run(place, out, "--engine=ray", place / "images")
    # What was on its way to the disk may have reached it.
    before = re.search(r"(\d+) of all before this start", said)
    assert said.startswith(f"finished before: {COUNT} images") or int(before[1]) >= kept
    expected = ray_ten_thousand.read(place / "plain")
    assert ray_ten_thousand.difference(expected, ray_ten_thousand.read(out)) <= 1e-5


def processes():
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def parent(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[1])
    except OSError:
        return 0


def ancestry(pid):
    while pid := parent(pid):
        yield pid


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def test_a_column_of_bytes_and_a_damaged_table(place, tmp_path):
    paths = sorted((place / "images").iterdir())[:300]
    table = pa.table({"x": pa.array([path.read_bytes() for path in paths])})
    (tmp_path / "tables").mkdir()
    pq.write_table(table, tmp_path / "tables/a.parquet", row_group_size=64, use_dictionary=False)
    status, *_ = run(place, tmp_path / "out", "--engine=ray", "--column=x", tmp_path / "tables")
    assert status == 1
    rows = ray_ten_thousand.read(tmp_path / "out")
    expected = ray_ten_thousand.read(place / "plain")[:300]
    assert rows["path"].to_pylist()[7] == f"{tmp_path}/tables/a.parquet#7"
    assert rows["error"].equals(expected["error"])
    for a, b in zip(rows["logit"].to_pylist(), expected["logit"].to_pylist(), strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    content = bytearray((tmp_path / "tables/a.parquet").read_bytes())
    content[4:60] = bytes(56)
    (tmp_path / "tables/b.parquet").write_bytes(content)
    status, _, complained = run(
        place, tmp_path / "other", "--engine=ray", "--column=x", tmp_path / "tables"
    )
    assert status == 1
    assert f"error: {tmp_path}/tables/b.parquet: cannot be read: " in complained.splitlines()[-1]


def test_a_killed_actor_costs_no_row(tmp_path):
    write_weights(tmp_path / "w.safetensors", width=8)
    write_images(tmp_path / "images", 6000, broken_every=97)
    figures = ray_ten_thousand.compare(tmp_path, 6000, lose="actor")
    assert figures["largest_difference"] <= 1e-5
    print(figures)
