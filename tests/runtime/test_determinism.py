"""XLA is told in time, in words that it knows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdet.runtime.determinism import make_deterministic
from tests.environment import importing

REPOSITORY = Path(__file__).parents[2]
# XLA ends the process over a flag that it does not know, once it reads them.
SCRIPT = """
import os
import jaxdet.run
from jaxdet.runtime.determinism import make_deterministic

make_deterministic()
os.environ["XLA_FLAGS"] += " --xla_no_such_flag=1"
print("not read yet", flush=True)
import jax
jax.devices()
"""


def test_xla_reads_the_flags_after_all_imports_and_knows_them():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=REPOSITORY, capture_output=True, text=True,
        env=importing(REPOSITORY),
    )  # fmt: skip
    assert done.stdout == "not read yet\n"
    assert done.returncode != 0
    assert "--xla_no_such_flag" in done.stderr
    assert "xla_gpu" not in done.stderr


def test_flags_of_the_user_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x --xla_gpu_deterministic_ops=true")
    make_deterministic()
    make_deterministic()
    assert os.environ["XLA_FLAGS"].split() == [
        "--xla_dump_to=x",
        "--xla_gpu_deterministic_ops=true",
        "--xla_gpu_exclude_nondeterministic_ops=true",
    ]


@pytest.mark.parametrize("config", ["small.py", "papers/re_table1.py:tiny"])
def test_the_commands_tell_it_before_the_devices_are_asked_for(config, tmp_path):
    code = """
import sys
from jaxdet.runtime import determinism
determinism._FLAGS = ("--xla_no_such_flag=1",)
from jaxdet.main import main
main(sys.argv)
"""
    arguments = [
        f"--config={REPOSITORY}/configs/{config}",
        f"--config.data.root={tmp_path}",
        f"--workdir={tmp_path}/run",
        "--config.runtime.deterministic=True",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True,
        env=importing(REPOSITORY),
    )  # fmt: skip
    assert done.returncode != 0
    assert "--xla_no_such_flag" in done.stderr
