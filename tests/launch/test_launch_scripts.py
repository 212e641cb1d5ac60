"""The launch scripts: sound shell, exactly what they would start, and mistakes in one line."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.golden.launch import ARGUMENTS, CASES, REPOSITORY, dry_run, launch

LAUNCH = REPOSITORY / "launch"
SCRIPTS = ("local.sh", "slurm.sbatch", "tpu_pod.sh", "kubernetes.sh")
COMMAND = ["python", "-m", "jaxdet.main", *ARGUMENTS]


def test_shellcheck_finds_nothing():
    found = shutil.which("shellcheck", path=Path(sys.executable).parent) or "shellcheck"
    files = [p for kind in ("*.sh", "*.sbatch", "*.bash") for p in sorted(LAUNCH.glob(kind))]
    assert len(files) == len(SCRIPTS) + 2
    done = subprocess.run(
        [found, "-x", *files], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_scripts_are_thin():
    assert all(len(p.read_text().splitlines()) <= 60 for p in LAUNCH.iterdir())


@pytest.mark.parametrize("name", CASES)
def test_dry_runs_print_what_they_always_printed(name):
    text, golden = dry_run(name)
    assert text == golden.read_text()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_dry_run_alone_shows_the_form(script):
    done = launch(script, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "jaxdet.main" in done.stdout


def test_arguments_reach_the_command_as_they_were_given():
    local = shlex.split(dry_run("local")[0])
    assert local[1:] == COMMAND
    slurm = shlex.split(dry_run("slurm")[0])
    assert slurm[slurm.index("python") :] == COMMAND
    remote = shlex.split(dry_run("tpu_pod")[0])[-1].removeprefix("--command=")
    shell, flag, inner = shlex.split(remote)
    assert (shell, flag) == ("bash", "-c")
    assert shlex.split(inner.rpartition(" exec ")[2]) == COMMAND


def test_the_jobset_is_yaml_and_runs_the_command():
    jobset = yaml.safe_load(dry_run("kubernetes")[0])
    job = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert job["parallelism"] == job["completions"] == 4
    container = job["template"]["spec"]["containers"][0]
    assert container["image"] == "registry/jaxdet:1"
    # As Kubernetes does with references to variables.
    words = [word.replace("$$", "$") for word in container["command"]]
    assert words[:4] == ["bash", "-c", 'source launch/env.sh && exec "$@"', "bash"]
    assert words[4:] == COMMAND
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["JAX_NUM_PROCESSES"] == "4"
    name = jobset["metadata"]["name"]
    host = variables["JAX_COORDINATOR_ADDRESS"].partition(":")[0]
    assert host == f"{name}-run-0-0.{name}"


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("place", [REPOSITORY, LAUNCH])
def test_help_is_the_comment_at_the_top_from_wherever_it_is_asked(script, place):
    path = os.path.relpath(LAUNCH / script, place)
    done = subprocess.run(
        ["bash", path, "--help"], cwd=place, capture_output=True, text=True, check=False
    )
    comment = (LAUNCH / script).read_text().splitlines()[1 : 1 + len(done.stdout.splitlines())]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        line.removeprefix("#").removeprefix(" ") for line in comment
    ]
    assert f"launch/{script} --dry-run --config=FILE" in done.stdout.replace(
        "[--dry-run]", "--dry-run"
    )


@pytest.mark.parametrize(
    "option", ["--noconfig.runtime.deterministic", "--config.name=a.b", "--nolist"]
)
def test_options_of_the_command_are_handed_on(option):
    done = launch("local.sh", "--dry-run", *ARGUMENTS, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert shlex.split(done.stdout)[-1] == option


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--dryrun", *ARGUMENTS], "--dryrun: not an option; see --help"),
        (["--noconfig", *ARGUMENTS], "--noconfig: not an option; see --help"),
        ([], "no arguments; those of jaxdet.main"),
        (["--workdir=w"], "--config=FILE is missing"),
        (["--config=configs/small.py"], "--workdir=DIR is missing"),
    ],
)
def test_missing_arguments(script, arguments, says):
    done = launch(script, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {says}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "variables", "says"),
    [
        ("slurm.sbatch", {}, "not a job of SLURM"),
        ("slurm.sbatch", {"JAXDET_TASKS": "all"}, "JAXDET_TASKS=all: not a whole number from 1"),
        ("slurm.sbatch", {"JAXDET_TASKS": "gpu"}, "JAXDET_TASKS=gpu: no GPUs"),
        ("slurm.sbatch", {"SLURM_JOB_ID": "1", "SLURM_SUBMIT_DIR": "/"}, "/: not the checkout"),
        ("tpu_pod.sh", {}, "JAXDET_TPU is not set"),
        ("tpu_pod.sh", {"JAXDET_TPU": "a"}, "JAXDET_ZONE is not set"),
        ("kubernetes.sh", {}, "JAXDET_IMAGE is not set"),
        (
            "kubernetes.sh",
            {"JAXDET_IMAGE": "i", "JAXDET_CLAIM": "c", "JAXDET_NODES": "0"},
            "JAXDET_NODES=0: not a whole number from 1",
        ),
        (
            "kubernetes.sh",
            {"JAXDET_IMAGE": "i", "JAXDET_CLAIM": "c\nx: y"},
            "JAXDET_CLAIM=c",
        ),
    ],
)
def test_mistakes_in_the_environment(script, variables, says):
    done = launch(script, *ARGUMENTS, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {says}")


def test_local_runs_the_command_and_gives_its_status():
    table = ["--config=configs/papers/re_table1.py:tiny", "--list"]
    listed = launch("local.sh", *table, JAXDET_PYTHON=sys.executable)
    assert listed.returncode == 0, listed.stderr
    assert "blur" in listed.stdout
    wrong = launch("local.sh", "--config=none.py", "--workdir=w", JAXDET_PYTHON=sys.executable)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: --config=none.py: no such file")


def test_xla_knows_the_flags_and_what_is_set_stays():
    """XLA ends a process that is given a flag it does not know."""
    code = "import jax, os; jax.numpy.zeros(1); print(os.environ['XLA_CLIENT_MEM_FRACTION'])"
    given = {**os.environ, "XLA_CLIENT_MEM_FRACTION": "0.5", "XLA_FLAGS": ""}
    given.pop("XLA_PYTHON_CLIENT_MEM_FRACTION", None)
    command = (
        f'source launch/env.sh; echo "$XLA_FLAGS"; exec {shlex.quote(sys.executable)} -c "{code}"'
    )
    done = subprocess.run(
        ["bash", "-euc", command], cwd=REPOSITORY, env=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    flags, fraction = done.stdout.split()
    assert flags == "--xla_gpu_enable_latency_hiding_scheduler=true"
    assert fraction == "0.5"
