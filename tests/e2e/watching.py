"""What is left of a run's processes, and whether two runs hold the same."""

import os
import signal
import time
from pathlib import Path

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.models.detector import get_detector
from jaxdet.results import read_metrics
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.restore import open_checkpoints
from jaxdet.train.state import abstract_state
from jaxdet.workdir.files import read_json

SHARED_MEMORY = Path("/dev/shm")


def wait_for(process, moment, *, seconds=240.0):
    """Returns once `moment()` is true; fails where the process ends before."""
    deadline = time.monotonic() + seconds
    while not moment():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the moment did not come"
        time.sleep(0.0005)


def logged(run, name):
    """Steps that have a line with this name."""
    return [line["step"] for line in read_metrics(run.metrics) if name in line]


def unfinished_checkpoints(run):
    return list(run.checkpoints.glob("*tmp*"))


def final_state(run, devices=1):
    """All arrays of the newest checkpoint, by their place."""
    config = schema.from_json_dict(read_json(run.config))
    checkpoints = open_checkpoints(run, config, read_only=True)
    like = abstract_state(config, get_detector(config.model), make_mesh(devices))
    restored = checkpoints.restore(checkpoints.latest_step(), like)
    checkpoints.close()
    return restored.step, {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(restored.state)
    }


def comparable(run):
    """The metrics without the clock's."""
    timed = ("images_per_second",)
    return [{k: v for k, v in x.items() if k not in timed} for x in read_metrics(run.metrics)]


def differences(run, other):
    """What of two finished runs differs: names of arrays, 'metrics', files; [] for equal bits."""
    (step, state), (other_step, other_state) = final_state(run), final_state(other)
    found = [] if step == other_step and state.keys() == other_state.keys() else ["step"]
    found += [k for k in state if not np.array_equal(state[k], other_state.get(k))]
    found += [] if comparable(run) == comparable(other) else ["metrics.jsonl"]
    if run.results.read_bytes() != other.results.read_bytes():
        found.append("results.json")
    for path in (other.validation, *(other.path / "predictions").iterdir()):
        place = path.relative_to(other.path)
        one, two = np.load(run.path / place), np.load(path)
        found += [f"{place}/{k}" for k in two.files if not np.array_equal(one[k], two[k])]
    return found


def mark(name):
    """An environment by which `marked` finds all processes that descend from one."""
    return {"JAXDET_TEST_RUN": name}


def environment(name, folder):
    """That of a process with this mark, on the CPU, with compiled programs kept in the folder."""
    return {
        **os.environ,
        **mark(name),
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }


def marked(name):
    """Ids of the living processes with this mark, whoever their parent is by now."""
    wanted = f"JAXDET_TEST_RUN={name}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdecimal()
                and wanted in (folder / "environ").read_bytes().split(b"\0")
                and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def workers(name):
    """Those that make batches."""
    return [pid for pid in marked(name) if "spawn_main" in _command(pid)]


def shared_blocks():
    """Names in /dev/shm of what Python's processes share."""
    return {path.name for path in SHARED_MEMORY.iterdir() if path.name.startswith(("psm_", "sem."))}


def left_over(before, *, seconds=10.0):
    """Blocks that came after the set `before`, that no living process maps, and that stay.

    Those of other runs on this machine are mapped, or wait in a queue and are gone in a moment.
    """
    deadline = time.monotonic() + seconds
    found = shared_blocks() - before
    while found := _without_mapped(found & shared_blocks()):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return sorted(found)


def _without_mapped(names):
    for maps in Path("/proc").glob("[0-9]*/maps") if names else ():
        try:
            text = maps.read_text()
        except OSError:
            continue
        names = {name for name in names if name not in text}
    return names


def ended(name, *, seconds=10.0):
    """Whether every process with the mark ends within this time."""
    deadline = time.monotonic() + seconds
    while marked(name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def kill(pid, *, group=False):
    """SIGKILL, to a process that may have ended, or to the group that it leads."""
    try:
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def processor_seconds(pid):
    """Those that a process, which may have ended, and its threads have run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
