"""A disk of 64 MiB that fills up under a real training run, and what is left of the run."""

import threading
import time

import pytest

from jaxdet import config as schema
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder, read_metrics
from jaxdet.runtime import steps
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.restore import open_checkpoints
from jaxdet.train.state import abstract_state
from jaxdet.train.weights import digest
from jaxdet.workdir.files import read_json
from tests import tmpfs
from tests.conftest import write_images
from tests.e2e.conftest import main_arguments

MIB = 1 << 20
# A checkpoint of 8 MiB.
OPTIONS = {"model__width": 16, "optim__max_epochs": 3, "checkpoint__every_steps": 4,
           "runtime__log_every": 4}  # fmt: skip
LAST_STEP = 18


def state_digest(run):
    """Step and digest of all arrays of the newest checkpoint."""
    config = schema.from_json_dict(read_json(run.config))
    checkpoints = open_checkpoints(run, config, read_only=True)
    like = abstract_state(config, get_detector(config.model), make_mesh(1))
    restored = checkpoints.restore(checkpoints.latest_step(), like)
    checkpoints.close()
    return restored.step, digest(restored.state)


def comparable(run):
    return [
        {k: v for k, v in line.items() if k != "images_per_second"}
        for line in read_metrics(run.metrics)
    ]


def wait_for(process, moment, what):
    deadline = time.monotonic() + 240
    while not moment():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.0005)


def saved(run, step):
    return lambda: step in steps.manifests(run.checkpoints)


def drafts(run):
    return list(run.checkpoints.glob("*.tmp*"))


def ended_clearly(process):
    """The one line of a run that a full disk ended."""
    _, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert err.count("error:") == 1
    line = err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert "free disk space and start the same command again" in line


@pytest.fixture(scope="module")
def whole(tmp_path_factory, finish):
    """An uninterrupted run, and the data it was trained on."""
    root = tmp_path_factory.mktemp("data")
    for number, name in enumerate(("cat", "horse")):
        write_images(root / "train" / name, count=12, seed=number)
    write_images(root / "val" / "cat", count=5, seed=10)
    write_images(root / "test" / "alpha", count=7, seed=20)
    run = RunFolder(tmp_path_factory.mktemp("whole"))
    status, _, err = finish("jaxdet.main", *main_arguments(root, run.path, **OPTIONS))
    assert status == 0, err
    return root, run


def check_equal(run, whole):
    assert state_digest(run) == state_digest(whole)
    assert state_digest(run)[0] == LAST_STEP
    assert comparable(run) == comparable(whole)
    assert run.results.read_bytes() == whole.results.read_bytes()


def make_room(disk):
    (disk / "ballast").unlink()


# What fills the disk, and what frees it again.
WAYS = {
    "little is left": (lambda disk: tmpfs.fill(disk, leave=2 * MIB), make_room),
    "nothing is left": (tmpfs.fill, make_room),
    # Blocks are free, so the save begins; files cannot be made, so it fails in its midst.
    "in the midst of a save": (lambda disk: tmpfs.take_inodes(disk, leave=12), tmpfs.give_inodes),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_a_full_disk_ended_goes_on_to_the_same_bits(disk, way, whole, command, finish):
    make_full, room_again = WAYS[way]
    root, uninterrupted = whole
    run = RunFolder(disk / "run")
    arguments = main_arguments(root, run.path, **OPTIONS)
    process = command("jaxdet.main", *arguments)
    wait_for(process, saved(run, 4), "checkpoint 4")
    make_full(disk)
    ended_clearly(process)
    assert drafts(run) == []
    step, _ = state_digest(run)
    assert 4 <= step < LAST_STEP
    room_again(disk)
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    assert f"going on from step {step}" in err
    check_equal(run, uninterrupted)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_checkpoint_is_written(disk, whole, command, finish):
    root, uninterrupted = whole
    run = RunFolder(disk / "run")
    arguments = main_arguments(root, run.path, **OPTIONS)
    process = command("jaxdet.main", *arguments)
    wait_for(process, saved(run, 4), "checkpoint 4")
    tmpfs.fill(disk, leave=14 * MIB)
    wait_for(process, lambda: drafts(run), "a save")
    tmpfs.fill(disk)
    ended_clearly(process)
    assert drafts(run) == []
    step, _ = state_digest(run)
    assert step >= 4
    make_room(disk)
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    check_equal(run, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_waits_for_room_goes_on_to_the_same_bits(disk, way, whole, command):
    make_full, room_again = WAYS[way]
    root, uninterrupted = whole
    run = RunFolder(disk / "run")
    options = {**OPTIONS, "checkpoint__on_full_disk": "wait"}
    process = command("jaxdet.main", *main_arguments(root, run.path, **options))
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr))
    reader.start()
    wait_for(process, saved(run, 4), "checkpoint 4")
    make_full(disk)
    wait_for(process, lambda: any("on_full_disk=wait" in line for line in lines), "the line")
    time.sleep(3)
    assert process.poll() is None
    assert steps.manifests(run.checkpoints)
    room_again(disk)
    assert process.wait(240) == 0, lines
    reader.join()
    process.stdout.close()
    assert "Traceback" not in "".join(lines)
    check_equal(run, uninterrupted)


@pytest.mark.slow
def test_a_run_that_waits_for_room_answers_to_ctrl_c(disk, whole, command):
    root, _ = whole
    run = RunFolder(disk / "run")
    options = {**OPTIONS, "checkpoint__on_full_disk": "wait"}
    process = command("jaxdet.main", *main_arguments(root, run.path, **options))
    wait_for(process, saved(run, 4), "checkpoint 4")
    tmpfs.fill(disk, leave=2 * MIB)
    for line in process.stderr:
        if "waiting for disk space" in line:
            break
    process.send_signal(2)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
