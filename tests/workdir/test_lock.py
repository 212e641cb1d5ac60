"""One process at a time, with a real second process, by every command that claims a folder."""

import contextlib
import errno
import fcntl
import json
import os
import subprocess
import sys
import types

import pytest

from jaxdet.datasets.audit import equalise
from jaxdet.datasets.makers.place import making
from jaxdet.datasets.pack import store_writer
from jaxdet.errors import UserError
from jaxdet.fetch.record import Record
from jaxdet.predict import shards
from jaxdet.runtime.lock import locked, refuse_if_locked
from jaxdet.workdir.lock import claimed, clear_lock

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
        with pytest.raises(UserError, match=f"another process works on it .pid {first.pid} "):
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


def test_a_lock_that_a_kill_left_is_cleared_and_one_that_is_held_stays(tmp_path):
    lock = tmp_path / ".set.lock"
    with claimed(tmp_path / "set", instead=""):
        clear_lock(tmp_path / "set")
        assert lock.exists()
    lock.touch()
    clear_lock(tmp_path / "set")
    assert not lock.exists()


class ReachedError(Exception):
    """Raised in the place of the work."""


def reach(*_, **__):
    raise ReachedError


def fetch(place, monkeypatch):
    with Record(place).locked():
        reach()


def make(place, monkeypatch):
    with making(place):
        reach()


def train(place, monkeypatch):
    with locked(place / ".lock"):
        reach()


def pack_store(place, monkeypatch):
    monkeypatch.setattr(store_writer, "list_files", lambda *_: None)
    monkeypatch.setattr(store_writer, "Draft", reach)
    store_writer.pack(place.parent / "src", place, say=print)


def copy(place, monkeypatch):
    for name, value in {"_plan_units": {}, "_large_enough": []}.items():
        monkeypatch.setattr(equalise, name, lambda *_, value=value: value)
    monkeypatch.setattr(equalise, "_begin", reach)
    scan = types.SimpleNamespace(listing=types.SimpleNamespace(root=place.parent / "src"))
    equalise.equalise(scan, place, size=None, say=print)


def score(place, monkeypatch):
    monkeypatch.setattr(shards, "_check_neighbours", reach)
    shards.score_shard(None, None, None, place, shards.Shard(1, 4))


# Each with the lock file that it takes for the place.
WORKS = {
    train: "{}/.lock", fetch: "{}/fetched/lock", copy: "{}/.lock", make: ".{}.lock",
    pack_store: ".{}.lock", score: "{}/.shard-00001-of-00004.lock",
}  # fmt: skip


@pytest.mark.parametrize("work", WORKS)
def test_every_work_says_who_holds_its_place(work, tmp_path, monkeypatch):
    lock = tmp_path / WORKS[work].format("place")
    who = rf"place.*: another process works on it \(pid {os.getpid()} on .*, since .*\); wait"
    with claimed(tmp_path / "place", lock=lock, instead=""), pytest.raises(UserError, match=who):
        work(tmp_path / "place", monkeypatch)
    with pytest.raises(ReachedError):
        work(tmp_path / "place", monkeypatch)
    assert not lock.exists()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF])
@pytest.mark.parametrize("work", WORKS)
def test_every_work_goes_on_where_there_are_no_locks(work, code, tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ReachedError):
        work(tmp_path / "place", monkeypatch)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f": cannot be locked ({os.strerror(code)}); start no second process on it")


@pytest.mark.parametrize("kind", ["link", "dead link", "pipe", "folder"])
def test_a_lock_that_is_no_file_is_refused_and_left_alone(kind, tmp_path):
    (tmp_path / "mine").write_text("mine")
    lock = tmp_path / "place" / ".lock"
    lock.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(tmp_path / ("mine" if kind == "link" else "nothing"))
    with pytest.raises(UserError, match=r"\.lock: is no regular file; remove it"), locked(lock):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine"]
    assert (tmp_path / "mine").read_text() == "mine"
    assert os.path.lexists(lock)


def test_a_damaged_lock_file_says_nothing_of_its_holder(tmp_path):
    lock = tmp_path / ".lock"
    for text in ("", "[" * 4000, '{"pid": 1}', "[]"):
        with contextlib.ExitStack() as stack:
            stack.enter_context(claimed(tmp_path, lock=lock, instead="--workdir"))
            lock.write_text(text)
            with pytest.raises(UserError, match=r"\(which has just begun\)"):
                stack.enter_context(claimed(tmp_path, lock=lock, instead="--workdir"))
