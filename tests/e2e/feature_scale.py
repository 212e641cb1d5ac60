"""Features of many images: disk space and memory of the cache, time of a head on it.

    python -m tests.e2e.feature_scale FOLDER [--images=100000] [--side=256] [--tower=TOWER]
        [--epochs=10] [--batch-size=256]

The images are hard links to a hundred JPEG files, half of them fake; the tower has random weights.
One run makes the cache (and trains one epoch), a second one trains on it. FOLDER may be kept: what
is there is taken.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from tests.conftest import LABELS, write_images
from tests.e2e.conftest import REPOSITORY

# The form of ViT-S, its first block alone on larger patches: quick enough for two cores.
TOWER = "augreg_s16_384:size=256,patch=32,depth=1"
FILES = 50


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--tower", default=TOWER)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=256)
    options = parser.parse_args()
    make_images(options.folder / "data", options.images, options.side)
    for name, epochs in (("cache", 1), ("head", options.epochs)):
        began = time.monotonic()
        told = trained(options, name, epochs)
        seconds = time.monotonic() - began
        # The largest of the children so far: that of the first is told first.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(f"{name}: {seconds:.1f} s in all, peak memory {peak:.2f} GiB; {told}", flush=True)
    for rows in (options.folder / "features").rglob("rows.bin"):
        print(f"{rows}: {rows.stat().st_size} bytes")


def make_images(root, count, side):
    """Writes a training set of so many images, 20 to validate and 20 to score."""
    if root.is_dir():
        return
    write_images(root / "val" / "cat", count=10, size=side, seed=1, suffix="jpg")
    write_images(root / "test" / "alpha", count=10, size=side, seed=2, suffix="jpg")
    files = write_images(root / "files", count=FILES, size=side, suffix="jpg")
    for label in LABELS:
        folder = root / "train" / "cat" / label
        folder.mkdir(parents=True)
        for number in range(count // 2):
            os.link(files / label / f"{number % FILES:03d}.jpg", folder / f"{number:06d}.jpg")
    assert Image.open(folder / "000000.jpg").size == (side, side)


def trained(options, name, epochs):
    """Runs a training; the lines on the cache and the last one on the speed."""
    config = {
        "data.root": options.folder / "data", "augment.crop": options.side,
        "augment.views": "clean", "model.name": "linear_probe", "model.tower": options.tower,
        "model.tune": "head", "optim.batch_size": options.batch_size,
        "optim.schedule": "constant", "optim.max_epochs": epochs, "task": "train",
        "runtime.features": options.folder / "features", "checkpoint.every_steps": 0,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "jaxdet.main", f"--config={REPOSITORY / 'configs' / 'small.py'}",
         f"--workdir={options.folder / name}", *(f"--config.{k}={v}" for k, v in config.items())],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = re.findall(r".*(?:will take|val accuracy).*", done.stderr)
    lines = (options.folder / name / "metrics.jsonl").read_text().splitlines()
    speeds = [s for line in lines for s in re.findall(r'"images_per_second": ([0-9.]+)', line)]
    return "; ".join([*wanted[:1], *wanted[-1:], f"last images/s of training {speeds[-1]}"])


if __name__ == "__main__":
    main()
