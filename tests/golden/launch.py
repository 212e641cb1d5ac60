"""What each launch script starts, as text. `python -m tests.golden.launch` writes it anew."""

import os
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent / "launch"
REPOSITORY = Path(__file__).parents[2]
# Words that a shell would take apart or replace where they are not quoted.
ARGUMENTS = [
    "--config=configs/papers/re_table1.py:tiny",
    "--workdir=runs/with space",
    '--config.data.root=it\'s "here" $HOME `x` \\n',
    "--config.name=",
]
CASES = {
    "local": ("local.sh", {}),
    "slurm": ("slurm.sbatch", {}),
    "slurm_gpus": (
        "slurm.sbatch",
        {"JAXDET_TASKS": "gpu", "SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_ON_NODE": "64"},
    ),
    "tpu_pod": ("tpu_pod.sh", {"JAXDET_TPU": "v5e", "JAXDET_ZONE": "europe-west4-b"}),
    "kubernetes": (
        "kubernetes.sh",
        {"JAXDET_IMAGE": "registry/jaxdet:1", "JAXDET_NODES": "4", "JAXDET_CLAIM": "images"},
    ),
}


def launch(script, *arguments, **variables):
    """A script's process, with nothing of ours in its environment but the variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX", "SLURM", "XLA"))}
    return subprocess.run(
        ["bash", str(REPOSITORY / "launch" / script), *arguments],
        env={**kept, **variables}, capture_output=True, text=True, cwd="/", timeout=60,
    )  # fmt: skip


def dry_run(name):
    """(what is printed, the golden file)."""
    script, variables = CASES[name]
    done = launch(script, "--dry-run", *ARGUMENTS, **variables)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout, FOLDER / f"{name}.txt"


if __name__ == "__main__":
    for case in CASES:
        text, path = dry_run(case)
        path.write_text(text)
