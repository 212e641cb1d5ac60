"""Real commands on files that make Pillow start programs: stand-ins lie first on PATH."""

import os
import subprocess
import sys

import pytest

from tests.conftest import write_images
from tests.data.test_kinds import BAD
from tests.fuzz.programs import write_stand_ins
from tests.predict.samples import write_weights


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for split in ("train", "test/s"):
        reals = write_images(folder / "root" / split, count=1, size=32) / "0_real"
        for name, content in BAD.items():
            (reals / name).write_bytes(content)
    (folder / "programs").mkdir()
    write_weights(folder / "w.safetensors")
    return folder


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        (["jaxdet.data", "audit", "root"], 1, "0 in iptc.png"),
        (["jaxdet.data", "verify", "root"], 1, "0 in iptc.png"),
        (["jaxdet.data", "pack", "root", "store"], 0, "0 in iptc.png"),
        (["jaxdet.predict", "--weights=w.safetensors", "root/test/s/0_real"], 1, "0 in iptc.png"),
    ],
)
def test_no_command_starts_a_program_for_a_picture(root, command, status, says):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, timeout=300,
        env={**os.environ, "PATH": write_stand_ins(root / "programs"), "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / "programs" / "called").exists()
