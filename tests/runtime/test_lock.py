"""One trainer a folder, with a real second process."""

import json
import subprocess
import sys

import pytest

from jaxdet.errors import UserError
from jaxdet.runtime.lock import locked, refuse_if_locked

HOLD = """
import sys, time
from pathlib import Path
from jaxdet.runtime.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_gone_however_it_ends(tmp_path):
    path = tmp_path / "run" / ".lock"
    refuse_if_locked(path)
    assert not path.parent.exists()

    first = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE)
    assert first.stdout.readline() == b"held\n"
    for take in (refuse_if_locked, lambda path: locked(path).__enter__()):
        with pytest.raises(UserError, match=f"another process works on this run .pid {first.pid} "):
            take(path)
    assert json.loads(path.read_text())["pid"] == first.pid

    first.kill()
    first.communicate()
    assert path.exists()
    refuse_if_locked(path)
    with locked(path), pytest.raises(UserError, match="another process"), locked(path):
        pass
    with locked(path):
        pass
