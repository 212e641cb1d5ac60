import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# A detector and a run that are small enough for a test.
TINY = {
    "augment.crop": 24,
    "model.width": 8,
    # Else rounding grows a thousandfold on its way back, and device counts part in the third digit.
    "model.zero_init_residual": True,
    "optim.batch_size": 8,
    "optim.max_epochs": 2,
    "evaluation.bootstrap": 50,
    "evaluation.analyses": "()",  # test_analysis.py has them
    "runtime.workers": 2,
    "runtime.devices": 1,
    "runtime.log_every": 2,
}


@pytest.fixture(scope="session")
def environment():
    """Environment of the commands: that of the tests, whose compiled programs they share."""
    return dict(os.environ)


@pytest.fixture(scope="session")
def command(environment):
    """Starts `python -m MODULE ARGUMENTS…` in the repository, as a user does."""

    def start(module, *arguments, **options):
        return subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=REPOSITORY,
            env={**environment, **options},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def finish(command):
    """Runs a command to its end: (exit status, stdout, stderr)."""

    def run(module, *arguments, **options):
        process = command(module, *arguments, **options)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    return run


def main_arguments(root, workdir, preset="small", **overrides):
    options = {**TINY, **{key.replace("__", "."): value for key, value in overrides.items()}}
    return [
        f"--config=configs/{preset}.py",
        f"--config.data.root={root}",
        f"--workdir={workdir}",
        *(f"--config.{key}={value}" for key, value in options.items()),
    ]
