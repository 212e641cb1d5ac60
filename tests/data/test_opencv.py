"""OpenCV that cannot be loaded, as in a container without libGL: one line says what to install."""

import subprocess
import sys
from pathlib import Path

from jaxdet.runtime import environment
from tests.environment import importing

REPOSITORY = Path(__file__).parents[2]
# What the loader says where the library is not there.
REASON = "libGL.so.1: cannot open shared object file: No such file or directory"
SAYS = f"OpenCV cannot be loaded ({REASON}): pip uninstall opencv-python; pip install "


def test_commands_end_in_one_line_and_an_import_raises_the_same(tmp_path):
    (tmp_path / "cv2.py").write_text(f"raise ImportError({REASON!r})\n")
    started = [
        subprocess.Popen(
            [sys.executable, *arguments], cwd=REPOSITORY, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=importing(tmp_path),
        )
        for arguments in (
            ["-m", "jaxdet.predict", "--weights=w.pth", "photo.jpg"],
            ["-m", "jaxdet.data", "verify", "data"],
            ["-c", "try: import jaxdet.data.ops\nexcept ImportError as error: print(error)"],
        )
    ]  # fmt: skip
    *commands, library = [(*process.communicate(), process.returncode) for process in started]
    for out, err, status in commands:
        assert (status, out) == (2, "")
        assert err.startswith(f"error: {SAYS}opencv-python-headless; or install the system's")
        assert len(err.splitlines()) == 1
    assert library[0].startswith(SAYS)
    assert library[2] == 0, library[1]


def test_the_headless_package_is_known_by_its_own_name(tmp_path, monkeypatch):
    package = tmp_path / "opencv_python_headless-4.99.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Name: opencv-python-headless\nVersion: 4.99\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert environment.describe()["versions"]["opencv-python-headless"] == "4.99"
