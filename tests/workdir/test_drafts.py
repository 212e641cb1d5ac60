"""Drafts of real processes: killed, alive, and with the same process id in two containers."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest

from jaxdet.errors import UserError
from jaxdet.workdir.drafts import clear_leftovers, new_folder, refuse_existing, replacing
from jaxdet.workdir.files import check_writable, write_bytes
from tests.conftest import killed_while_writing

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc")
WRITER = """
import os, sys
from pathlib import Path
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import write_bytes
assert os.getpid() == 1, os.getpid()
path, content = Path(sys.argv[1]), sys.argv[2].encode() * 3_000_000
for _ in range(25):
    write_bytes(path, content)
    clear_leftovers(path.parent)
"""
CHECKER = """
import sys
from pathlib import Path
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import check_writable
for number in range(750):
    check_writable((Path(sys.argv[1]), ""))
    if number % 10 == 0:
        clear_leftovers(Path(sys.argv[1]).parent)
"""


def start(code, *arguments, inside=()):
    return subprocess.Popen([*inside, sys.executable, "-c", code, *map(str, arguments)],
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def test_two_processes_of_one_id_write_the_same_file_without_harm(tmp_path):
    if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces of processes here")
    path = tmp_path / "results.json"
    writers = [start(WRITER, path, letter, inside=CONTAINER) for letter in "ab"]
    wholes = {letter * 3_000_000 for letter in (b"a", b"b")}
    while any(writer.poll() is None for writer in writers):
        with contextlib.suppress(FileNotFoundError):
            assert path.read_bytes() in wholes
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert list(tmp_path.iterdir()) == [path]


def test_three_thousand_checks_of_four_processes_are_never_refused(tmp_path):
    checkers = [start(CHECKER, tmp_path / "out.json") for _ in range(4)]
    assert [checker.communicate()[1] for checker in checkers] == [""] * 4
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_is_being_written_stays(tmp_path):
    path, folder = tmp_path / ("long" * 62), tmp_path / "folder"
    killed = killed_while_writing(path)
    (tmp_path / ".mine.tmp").touch()
    other_host = tmp_path / f".x.other-host.1.{'0' * 16}.tmp"
    other_host.touch()
    with replacing(path) as file, new_folder(folder) as draft:
        (draft / "half").touch()
        clear_leftovers(tmp_path)
        kept = {draft.name, os.path.basename(file.name), ".mine.tmp", other_host.name}
        assert {one.name for one in tmp_path.iterdir()} == kept
        file.write(b"all")
    assert not killed.exists()
    assert path.read_bytes() == b"all"
    os.utime(other_host, (time.time() - 90_000,) * 2)
    clear_leftovers(tmp_path)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "folder", ".mine.tmp"}


def test_what_a_kill_left_of_a_result_goes_when_the_command_starts_again(tmp_path):
    path, looks = tmp_path / "out.json", (lambda path: check_writable((path, "")), refuse_existing)
    for look in looks:
        killed = killed_while_writing(path)
        look(path)
        assert not killed.exists()
    assert not any(tmp_path.iterdir())


def test_without_locks_nobody_clears_drafts_away(tmp_path, monkeypatch):
    killed = killed_while_writing(tmp_path / "a")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_bytes(tmp_path / "a", b"all")
    clear_leftovers(tmp_path)
    assert killed.exists()
    assert (tmp_path / "a").read_bytes() == b"all"


def test_a_name_that_is_taken_meanwhile_is_kept(tmp_path):
    def write():
        with replacing(tmp_path / "w.pth.json", new=True) as file:
            (tmp_path / "w.pth.json").write_text("mine")
            file.write(b"ours")

    with pytest.raises(UserError, match=r"w\.pth\.json: cannot be written: exists already"):
        write()
    assert (tmp_path / "w.pth.json").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_results_never_replace_what_is_no_earlier_result(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "photo.jpg").write_text("a photograph")
    (tmp_path / "real.json").touch()
    (tmp_path / "link.json").symlink_to("real.json")
    for name, why in [("pipe.json", "no earlier result"), ("link.json", "no earlier result"),
                      ("photo.jpg", "give another name"), ("", "is a folder"),
                      ("real.json/x.json", r"real\.json is in the way")]:  # fmt: skip
        with pytest.raises(UserError, match=f"cannot be written: .*{why}"):
            check_writable((tmp_path / name, "mine"))
    check_writable((tmp_path / "real.json", ""), (tmp_path / "new" / "x.csv", ""), (None, ""))
    assert not (tmp_path / "new").exists()
