"""Commands open no connection, but for those that are asked for something from elsewhere.

Those are `data fetch`, `hub`, weights named by an address (`hf://`) or a released detector's name;
`serve` listens.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.e2e.conftest import REPOSITORY, main_arguments

# Python's own audit events: nothing written in Python gets past them, workers included.
WATCH = """
import os, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        asked = repr(arguments[1:] if event != "socket.getaddrinfo" else arguments)
        if not any(own in asked for own in ("127.0.0.1", "localhost", "::1")):
            with open(os.environ["ASKED"], "a") as file:
                file.write(f"{event} {asked}\\n")
            raise PermissionError(f"no network here: {asked}")

sys.addaudithook(watch)
"""


@pytest.fixture
def alone(tmp_path, environment):
    """Runs a command with such a watch, and where the system lets us without any network."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    prefix = ["unshare", "--map-root-user", "--net"]
    known = (
        shutil.which("unshare") and not subprocess.run([*prefix, "true"], check=False).returncode
    )
    paths = [str(tmp_path / "watch"), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]

    def run(*command):
        done = subprocess.run(
            [*(prefix if known else []), sys.executable, *map(str, command)],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=600,
            env={**environment, "ASKED": str(tmp_path / "asked"),
                 "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_everything_but_fetch_works_without_a_network(alone, dataset, tmp_path):
    status, said = alone("-c", "import socket; socket.create_connection(('pypi.org', 80))")
    assert status == 1
    assert "no network here" in said
    (tmp_path / "asked").unlink()
    run, store, weights = tmp_path / "run", tmp_path / "store", tmp_path / "w.safetensors"
    options = {"optim__max_epochs": 1, "runtime__worker_kind": "processes",
               "evaluation__analyses": "spectra,ranking"}  # fmt: skip
    for command in (
        ["-m", "jaxdet.main", *main_arguments(dataset, run, **options)],
        ["-m", "jaxdet.report", run, f"--out={tmp_path / 'report'}"],
        ["-m", "jaxdet.predict", f"--weights={run}", dataset / "test" / "gamma"],
        ["-m", "jaxdet.convert", "to-torch", run, weights],
        ["-m", "jaxdet.predict", f"--weights={weights}", dataset / "test" / "gamma"],
        ["-m", "jaxdet.data", "pack", dataset, store],
        ["-m", "jaxdet.data", "pack", dataset, tmp_path / "o", "--format=tfds", "--name=x"],
        ["-m", "jaxdet.data", "verify", store],
        ["-m", "jaxdet.data", "synth", f"--root={tmp_path / 's'}", "--help"],
        ["-m", "jaxdet.main", *main_arguments(
            f"tfds:{tmp_path / 'o' / 'x' / '1.0.0'}", tmp_path / "t", optim__max_epochs=1)],
    ):  # fmt: skip
        status, said = alone(*command)
        assert status == 0, said
    assert not (tmp_path / "asked").exists(), (tmp_path / "asked").read_text()
