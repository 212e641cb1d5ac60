"""The SLURM script, with a stand-in for srun that starts real processes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdet.results import RunFolder
from tests.e2e import kill_twenty
from tests.e2e.conftest import main_arguments
from tests.e2e.watching import logged, wait_for
from tests.golden.launch import REPOSITORY

STANDIN = Path(__file__).parent / "standin"
# Jobs take their port from their number: tests that run at the same time need numbers of their own.
JOB = str(os.getpid())


@pytest.fixture
def submit(tmp_path):
    """Starts a job as SLURM does: a copy of the script, in the folder it was submitted from."""
    job = tmp_path / "spool" / "slurm_script"
    job.parent.mkdir()
    shutil.copy(REPOSITORY / "launch" / "slurm.sbatch", job)

    def start(*arguments, **variables):
        told = {
            "PATH": f"{STANDIN}:{os.environ['PATH']}",
            "SLURM_JOB_ID": JOB,
            "SLURM_SUBMIT_DIR": str(REPOSITORY),
            "SLURM_CPUS_ON_NODE": "2",
            "STANDIN_ASKED": str(tmp_path / "asked"),
            "STANDIN_PIDS": str(tmp_path / "pids"),
            "JAXDET_PYTHON": sys.executable,
            "JAX_NUM_CPU_DEVICES": "1",
        }
        return subprocess.Popen(
            ["bash", str(job), *map(str, arguments)], cwd=tmp_path,
            env={**os.environ, **told, **variables}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def asked(folder):
    path = folder / "asked"
    return path.read_text() if path.exists() else ""


def test_an_array_runs_the_rows_of_a_table(submit, tmp_path):
    table = "--config=configs/papers/re_table1.py:tiny"
    out, err = (listed := submit(table, "--list")).communicate(timeout=120)
    assert (listed.returncode, "noaug" in out) == (0, True), err
    beyond = submit(table, f"--workdir={tmp_path / 'w'}", SLURM_ARRAY_TASK_ID="99")
    _, err = beyond.communicate(timeout=120)
    assert beyond.returncode == 2
    assert err.startswith("error: SLURM_ARRAY_TASK_ID: ")
    assert asked(tmp_path) == ""


@pytest.mark.slow
def test_the_warning_before_the_limit_saves_and_requeues(submit, tmp_path):
    root = kill_twenty.make_data(tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    options = {"runtime__log_every": 1, "runtime__devices": 0}
    arguments = main_arguments(root, run.path, **options)
    job = submit(*arguments, JAXDET_TASKS="2")
    wait_for(job, lambda: 3 in logged(run, "train/loss"))
    tasks = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(tasks) == 2
    # To the batch script alone, as --signal=B:USR1@300 says.
    job.send_signal(signal.SIGUSR1)
    _, err = job.communicate(timeout=300)
    assert job.returncode == 75, err
    assert err.count("saved at step") == 2
    assert asked(tmp_path) == f"requeue {JOB}\n"
    assert not any(Path(f"/proc/{pid}").exists() for pid in tasks)

    job = submit(*arguments, JAXDET_TASKS="2")
    out, err = job.communicate(timeout=600)
    assert job.returncode == 0, err
    assert "going on from step" in err
    assert out.count("mean over sets") == 1
    assert asked(tmp_path) == f"requeue {JOB}\n"


@pytest.mark.slow
def test_a_job_that_is_cancelled_saves_and_is_not_requeued(submit, tmp_path):
    root = kill_twenty.make_data(tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    job = submit(*main_arguments(root, run.path, runtime__log_every=1))
    wait_for(job, lambda: 3 in logged(run, "train/loss"))
    job.send_signal(signal.SIGTERM)
    _, err = job.communicate(timeout=300)
    assert (job.returncode, asked(tmp_path)) == (75, ""), err
    assert "saved at step" in err


@pytest.mark.slow
def test_a_job_whose_task_is_killed_fails_and_is_not_requeued(submit, tmp_path):
    root = kill_twenty.make_data(tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    arguments = main_arguments(root, run.path, runtime__log_every=1, runtime__devices=0)
    job = submit(*arguments, JAXDET_TASKS="2", JAXDET_HEARTBEAT_SECONDS="10")
    wait_for(job, lambda: 3 in logged(run, "train/loss"))
    os.kill(int((tmp_path / "pids").read_text().split()[1]), signal.SIGKILL)
    _, err = job.communicate(timeout=300)
    assert job.returncode == 128 + 9, err
    assert "another process of this run has most likely ended" in err
    assert asked(tmp_path) == ""
