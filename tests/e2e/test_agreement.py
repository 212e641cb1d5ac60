"""Processes of one run that were not told the same, or do not see the same: all end with a line."""

import re
import shutil

import pytest

from tests.conftest import write_images
from tests.e2e.conftest import main_arguments
from tests.e2e.processes import ends, free_port, start
from tests.environment import importing

SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Images of which all files have the same size."""
    root = tmp_path_factory.mktemp("agreement") / "data"
    for seed, name in enumerate(("train/cat", "val/cat", "test/alpha")):
        write_images(root / name, count=8, seed=seed, suffix="bmp")
    return root


def swap(root, other):
    """A copy of the images with swapped labels in training."""
    shutil.copytree(root, other)
    cat = other / "train" / "cat"
    (cat / "0_real").rename(cat / "spare")
    (cat / "1_fake").rename(cat / "0_real")
    (cat / "spare").rename(cat / "1_fake")
    return {"data.root": other}


def lose(root, other):
    """A data root that is not there."""
    return {"data.root": other}


def change(**options):
    def told(root, other):
        return {name.replace("__", "."): value for name, value in options.items()}

    return told


def install(root, other):
    """Another numpy, as far as Python's records say."""
    about = other / "numpy-9.9.9.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9.9\n")
    return {"PYTHONPATH": importing(other)["PYTHONPATH"]}


def move(root, other):
    return {"workdir": other / "run"}


CASES = [
    pytest.param(
        change(optim__learning_rate=0.5),
        r"optim\.learning_rate: 0\.001 in process 0, 0\.5 in process 1 on \S+",
        id="options",
    ),
    pytest.param(
        swap,
        r"training images: 16 \(\w{16}\) in process 0, 16 \(\w{16}\) in process 1 on \S+",
        id="labels",
    ),
    pytest.param(lose, r"data\.root=\S+: no such folder", id="no images", marks=SLOW),
    pytest.param(change(seed=3), r"seed: 0 in process 0, 3 in process 1 on \S+", id="seed",
                 marks=SLOW),
    pytest.param(change(runtime__devices=1), r"runtime\.devices: 0 in process 0, 1 in process 1",
                 id="devices", marks=SLOW),
    pytest.param(install, r"numpy: \S+ in process 0, 9\.9\.9 in process 1", id="versions",
                 marks=SLOW),
    pytest.param(move, r"what --workdir holds: .* in process 0, another folder in process 1",
                 id="folder", marks=SLOW),
    pytest.param(change(JAX_NUM_PROCESSES="3"), "processes: 2 in process 0, 3 in process 1",
                 id="count", marks=SLOW),
    pytest.param(change(JAX_ENABLE_X64="1"), "jax_enable_x64: False in process 0, True in process",
                 id="modes", marks=SLOW),
]  # fmt: skip


@pytest.mark.parametrize(("differ", "said"), CASES)
def test_all_end_with_one_line_before_the_first_step(differ, said, root, tmp_path):
    told = differ(root, tmp_path / "other")
    variables = {name: told.pop(name) for name in list(told) if name.isupper()}
    options = {"runtime.devices": 0, "data.root": root}
    lines = []
    address = f"localhost:{free_port()}"
    processes = []
    for index, others in enumerate(({}, told)):
        merged = {**options, **others}
        workdir = merged.pop("workdir", tmp_path / "run")
        arguments = main_arguments(merged.pop("data.root"), workdir, **merged)
        environment = {"JAXDET_JOIN_SECONDS": "120", **(variables if index else {})}
        processes.append(start(arguments, address, index, 2, **environment))
    for status, err in ends(processes):
        assert status == 2, err
        assert "Traceback" not in err
        lines.append(err.splitlines()[-1])
    assert all(line.startswith("error: ") for line in lines)
    assert re.search(said, lines[0]), lines
    assert re.search(said, lines[1]), lines
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
