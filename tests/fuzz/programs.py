"""Sees whether readers start a program: stand-ins first on PATH, and Python's own audit events."""

import contextlib
import functools
import os
import sys
import tempfile
from pathlib import Path

# What Ghostscript, ImageMagick, tools of formats, viewers, unpackers and shells go by.
PROGRAMS = (
    "gs", "gswin64c", "gswin32c", "dwebp", "cwebp", "djpeg", "cjpeg", "pngquant", "ppmtogif",
    "ppmquant", "giftopnm", "xv", "display", "magick", "convert", "ffmpeg", "gm", "eog", "open",
    "xdg-open", "xclip", "iconutil", "sips", "tar", "unzip", "7z", "sh", "bash", "env",
)  # fmt: skip
_EVENTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork",
           "os.forkpty", "pty.spawn", "os.startfile")  # fmt: skip
_started = []


def write_stand_ins(folder):
    """Fills a folder with programs that note in `called` that they were; PATH with it in front."""
    for name in PROGRAMS:
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {name} >> {folder}/called\n")
        program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@functools.cache
def _stand_ins():
    held = tempfile.TemporaryDirectory(prefix="programs-")
    # A hook stays for as long as the process.
    sys.addaudithook(lambda event, _: _started.append(event) if event in _EVENTS else None)
    return held, Path(held.name), write_stand_ins(Path(held.name))


@contextlib.contextmanager
def no_program():
    """Fails where the body, in any thread, starts a program."""
    _, folder, path = _stand_ins()
    before = os.environ["PATH"]
    _started.clear()
    os.environ["PATH"] = path
    try:
        yield
    finally:
        os.environ["PATH"] = before
        assert not _started, f"starts a process: {_started}"
        assert not (folder / "called").exists(), (folder / "called").read_text()
