"""A real run beside what `bench scaling` says of it: epochs with all that is in them, and tests.

    python -m tests.bench.scaling_check [--arch=resnet18] [--batch-size=32]

Speeds come from the other benchmarks, on pictures of the same size; the run is `jaxdet.main` with
Blur+JPEG(0.5) on 512 of them. The first epoch and the first test set, which compile, are left out:
the model does not count compiling. About ten minutes on two cores that do nothing else.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet.bench.pictures import write_pictures
from jaxdet.bench.scaling import add_scaling, reckon
from jaxdet.config import Config, Model, Optim
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.restore import RANKS
from jaxdet.train.start import initial_variables, training_detector
from jaxdet.train.state import new_state

TRAIN, VAL, TEST, EPOCHS = 512, 128, 128, 4


def main() -> None:
    """Measures the speeds, runs, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        size, disk = _write_rate(folder / "saved", options.arch)
        rates = {**_speeds(folder, options), "disk": disk}
        print(f"measured: {rates}, checkpoint of {size / 1e6:.0f} MB", flush=True)
        epoch, test = _run(folder, options)
    run = {
        "images": TRAIN, "epochs": 1, "validation": VAL, "test": 0,
        "batch-size": options.batch_size, "parameters": size / 12, **rates,
    }  # fmt: skip
    parser = argparse.ArgumentParser()
    add_scaling(parser)
    given = [f"--{flag}={value}" for flag, value in run.items()]
    predicted = reckon(parser.parse_args([*given, "--shared-cores"]), 1)
    for what, seconds, expected in (
        ("epoch, validation and checkpoint", epoch, 3600 * predicted["hours"]),
        ("scoring a test set", test, TEST / rates["eval-rate"]),
    ):
        print(f"{what}: {seconds:.1f} s measured, {expected:.1f} s predicted, "
              f"{expected / seconds - 1:+.1%}")  # fmt: skip


def _speeds(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Images per second of step, input and scoring."""
    of = (f"--arch={options.arch}", f"--batch-size={options.batch_size}", "--rounds=3")
    e2e = _bench(folder, "e2e", *of, "--steps=4")
    scored = _bench(folder, "eval", *of, "--images=64")
    return {
        "step-rate": _rate(e2e, "step/"),
        "input-rate": _rate(e2e, "input/"),
        "eval-rate": _rate(scored, "crop 224, 256 px"),
    }


def _bench(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    out = folder / f"{arguments[0]}.json"
    subprocess.run([sys.executable, "-m", "jaxdet.bench", *arguments, f"--json={out}"], check=True)
    rows: list[dict[str, Any]] = json.loads(out.read_text())["rows"]
    return rows


def _rate(rows: list[dict[str, Any]], name: str) -> float:
    """Of the last row whose name begins so and is no reference: that of compiled programs."""
    found = [row for row in rows if row["what"].startswith(name)]
    return float(found[-1]["images_per_second"])


def _write_rate(folder: Path, arch: str) -> tuple[int, float]:
    """Bytes of a checkpoint, and how many of them are written in a second."""
    config, mesh = Config(model=Model(name=arch), optim=Optim()), make_mesh(1)
    variables = initial_variables(config, training_detector(config), mesh)
    state = new_state(config, variables, mesh)
    size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state))
    saved = Checkpoints(folder, keep_latest=1, ranks=RANKS)
    began = time.perf_counter()
    saved.save(1, state, host={}, ranks=None)
    saved.wait()
    seconds = time.perf_counter() - began
    saved.close()
    return size, size / seconds


def _run(folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """Seconds of an epoch after the first, and of the second test set."""
    root = folder / "root"
    write_pictures(root, count=TRAIN // 2)
    for name, count in (("val", VAL), ("a", TEST), ("b", TEST)):
        write_pictures(folder / name, count=count // 2)
        place = root / name if name == "val" else root / "test" / name
        place.parent.mkdir(exist_ok=True)
        (folder / name / "train").rename(place)
    ends = dict(_lines(folder, options, root))
    epoch = (ends[f"epoch {EPOCHS}"] - ends["epoch 1"]) / (EPOCHS - 1)
    return epoch, ends["b (crop)"] - ends["a (crop)"]


def _lines(folder: Path, options: argparse.Namespace, root: Path) -> Iterator[tuple[str, float]]:
    """What each line of the run begins with, and when it came."""
    chosen = {
        "data.root": root, "model.name": options.arch, "optim.batch_size": options.batch_size,
        "optim.max_epochs": EPOCHS, "augment.crop": 224, "evaluation.analyses": "()",
        "evaluation.bootstrap": 0,
    }  # fmt: skip
    arguments = [f"--config.{key}={value}" for key, value in chosen.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxdet.main", "--config=configs/small.py:blur_jpeg_0.5",
         f"--workdir={folder / 'run'}", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    for line in process.stdout:
        if "val accuracy" in line or "each once" in line:
            yield line.split(":")[0], time.perf_counter()
    assert process.wait() == 0


if __name__ == "__main__":
    main()
