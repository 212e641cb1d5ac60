"""SIGKILL at random moments of a real run.

    python -m tests.e2e.kill_twenty [--count=20] [--seed=0]

Each moment is a run of its own, killed once and started again; it must end with the bits of a run
that nobody killed: all arrays of the last checkpoint, metrics (but for the speed), results and
predictions. After each kill no process of the run and no block of shared memory may be left.
Prints a row a moment, exits with 1 where one fails. Where other programs share memory meanwhile,
give it a /dev/shm of its own: `unshare -m sh -c "mount -t tmpfs shm /dev/shm && COMMAND"`.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jaxdet.results import RunFolder
from tests.conftest import write_images
from tests.e2e import watching
from tests.e2e.conftest import REPOSITORY, main_arguments

STEPS, EPOCHS = 6, 3
OPTIONS = {
    "optim__max_epochs": EPOCHS,
    "checkpoint__every_steps": 4,
    "runtime__worker_kind": "processes",
    "runtime__log_every": 1,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failed = kill_at_moments(Path(folder), count=options.count, seed=options.seed)
    print(
        f"{options.count - failed} of {options.count} ended with the same bits, nothing left over"
    )
    sys.exit(failed > 0)


def kill_at_moments(folder, *, count, seed):
    """How many of the moments failed; a line for each on stdout."""
    rng = random.Random(seed)
    root = make_data(folder / "data")
    whole = RunFolder(folder / "whole")
    finish(start(root, whole, folder))
    print(f"{'':>3} {'what was killed, and where':<58} {'status':>6}  found", flush=True)
    failed = 0
    for number in range(count):
        where = MOMENTS[number % len(MOMENTS)]
        what, status, found = one_moment(where, number, rng, root, whole, folder)
        print(f"{number + 1:>3} {what:<58} {status:>6}  {found or 'equal bits'}", flush=True)
        failed += bool(found)
    return failed


def one_moment(where, number, rng, root, whole, folder):
    """Kills a run once and ends it; what was killed, its status, what is wrong."""
    run, before = RunFolder(folder / f"killed-{number}"), watching.shared_blocks()
    process = start(root, run, folder)
    what, victim = where(run, process, rng)
    watching.kill(victim)
    process.wait(timeout=300)
    # With status 0 the trainer had all the batches it needed when its worker was killed.
    found = [] if process.returncode or victim != process.pid else ["the run was over"]
    found += [] if watching.ended(run.path.name) else ["processes left"]
    found += watching.left_over(before)
    finish(start(root, run, folder))
    found += watching.differences(run, whole)
    return what, process.returncode, ", ".join(found)


def make_data(root):
    """24 images to train with, 40 to validate and 28 to score."""
    for number, name in enumerate(("cat", "horse")):
        write_images(root / "train" / name, count=12, seed=number)
    write_images(root / "val" / "cat", count=20, seed=10)
    write_images(root / "test" / "alpha", count=14, seed=20)
    return root


def start(root, run, folder):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxdet.main", *main_arguments(root, run.path, **OPTIONS)],
        cwd=REPOSITORY, env=watching.environment(run.path.name, folder), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err


# Moments: each waits for its own and gives (what, process to kill).


def in_training(run, process, rng):
    step, delay = rng.randint(1, STEPS * EPOCHS - 1), rng.uniform(0, 0.02)
    watching.wait_for(process, lambda: max(watching.logged(run, "train/loss"), default=0) >= step)
    time.sleep(delay)
    return f"trainer, {delay * 1000:.1f} ms after step {step}", process.pid


def in_validation(run, process, rng):
    epoch, delay = rng.randint(1, EPOCHS), rng.uniform(0, 0.03)
    last = epoch * STEPS
    watching.wait_for(process, lambda: last in watching.logged(run, "train/loss"))
    time.sleep(delay)
    within = last not in watching.logged(run, "val/loss")
    place = "in validation" if within else "just after validation"
    return f"trainer, {place} of epoch {epoch}, {delay * 1000:.1f} ms in", process.pid


def in_the_commit(run, process, rng):
    nth, delay = rng.randint(1, 5), rng.uniform(0, 0.03)
    seen = set()

    def begun():
        seen.update(path.name.split(".")[0] for path in watching.unfinished_checkpoints(run))
        return len(seen) >= nth and watching.unfinished_checkpoints(run)

    watching.wait_for(process, begun)
    step = max(map(int, seen))
    time.sleep(delay)
    left = "" if watching.unfinished_checkpoints(run) else " (which had ended)"
    return f"trainer, {delay * 1000:.1f} ms into the commit of step {step}{left}", process.pid


def a_worker(run, process, rng):
    step = rng.randint(0, STEPS)
    watching.wait_for(
        process,
        lambda: (
            max(watching.logged(run, "train/loss"), default=0) >= step
            and watching.workers(run.path.name)
        ),
    )
    return f"an input worker, after step {step}", rng.choice(watching.workers(run.path.name))


def anywhere(run, process, rng):
    watching.wait_for(process, run.config.exists)
    delay = rng.uniform(0, 6)
    deadline = time.monotonic() + delay
    watching.wait_for(process, lambda: time.monotonic() > deadline)
    lines = len(watching.comparable(run))
    return f"trainer, {delay:.2f} s after its start, {lines} lines logged", process.pid


MOMENTS = (in_training, in_validation, in_the_commit, a_worker, anywhere)

if __name__ == "__main__":
    main()
