"""SIGKILL while features are made: killed again and again, their stores end with the same bytes.

    python -m tests.e2e.kill_features [--count=20] [--seed=0]

One run makes its features undisturbed, another is killed `--count` times at random moments on its
way and started again each time. Prints a row a kill, exits with 1 where a byte differs.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import write_images
from tests.e2e import watching
from tests.e2e.conftest import REPOSITORY

TOWER = "clip_b16:size=64,patch=8,width=128,depth=6,heads=2,mlp=256,projection=64"
OPTIONS = {
    "augment.crop": 64, "augment.views": "clean,augmented:2,blur:1+jpeg:75",
    "augment.blur_probability": 0.5, "augment.jpeg_probability": 0.5, "model.name": "linear_probe",
    "model.tower": TOWER, "model.tune": "head", "optim.batch_size": 64, "optim.max_epochs": 1,
    "runtime.workers": 1, "runtime.devices": 1, "task": "train",
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        equal = kill_again_and_again(Path(folder), count=options.count, seed=options.seed)
    print("equal bytes" if equal else "other bytes")
    sys.exit(not equal)


def kill_again_and_again(folder, *, count, seed):
    """Whether a run killed so often ends with the stores of one that was not; a line for each."""
    rng, root = random.Random(seed), folder / "data"
    write_images(root / "train" / "cat", count=600, size=80)
    write_images(root / "val" / "cat", count=100, size=80, seed=1)
    finish(start(root, folder, "whole"))
    whole, killed = (folder / f"{name} features" for name in ("whole", "killed"))
    total = sum(rows.stat().st_size for rows in whole.rglob("rows.bin"))
    for number in range(count):
        process = start(root, folder, "killed")
        # Some way on, so that the last kill comes before the end.
        goal = total * (number + rng.uniform(0.2, 1)) / (count + 1)
        watching.wait_for(process, lambda goal=goal: written(killed) >= goal)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.communicate()
        print(f"{number + 1:>3} killed with {written(killed)} of {total} bytes", flush=True)
    finish(start(root, folder, "killed"))
    return contents(whole) == contents(killed)


def written(features):
    return sum(rows.stat().st_size for rows in features.rglob("rows.bin") if rows.exists())


def contents(features):
    """The bytes of every file, by its place; drafts and locks would be surplus."""
    files = (path for path in features.rglob("*") if path.is_file())
    return {path.relative_to(features): path.read_bytes() for path in files}


def start(root, folder, name):
    options = {**OPTIONS, "data.root": root, "runtime.features": folder / f"{name} features"}
    return subprocess.Popen(
        [sys.executable, "-m", "jaxdet.main", f"--config={REPOSITORY / 'configs' / 'small.py'}",
         f"--workdir={folder / name}", *(f"--config.{k}={v}" for k, v in options.items())],
        cwd=REPOSITORY, env=watching.environment(name, folder), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err


if __name__ == "__main__":
    main()
