import json
import threading

import pytest

from jaxdet.errors import DiskFullError
from jaxdet.results import read_metrics
from jaxdet.runtime.logbook import Logbook
from jaxdet.workdir.files import write_bytes
from tests import tmpfs


def test_lines_after_the_step_and_a_torn_line_are_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    book = Logbook(path, keep_to_step=0)
    for step in (10, 20, 30):
        book.write(step, step / 10, {"train/loss": 0.1 + step})
    with open(path, "a") as file:
        file.write('{"step": 40, "ep')
    Logbook(path, keep_to_step=20).write(30, 3.0, {"train/loss": 1.0})
    lines = read_metrics(path)
    assert [line["step"] for line in lines] == [10, 20, 30]
    assert lines[2] == {"step": 30, "epoch": 3.0, "train/loss": 1.0}
    assert lines[0] == json.loads(json.dumps({"step": 10, "epoch": 1.0, "train/loss": 10.1}))


def test_on_a_full_disk_a_line_is_there_whole_or_not_at_all(disk):
    path = disk / "metrics.jsonl"
    book = Logbook(path, keep_to_step=0)
    book.write(1, 0.1, {"train/loss": 1.0})
    tmpfs.fill(disk)
    # Longer than what is left of the file's last block.
    long = {f"train/{n}": 1.0 / 3 for n in range(400)}
    with pytest.raises(DiskFullError, match=r"metrics\.jsonl: cannot be written.* free disk space"):
        book.write(2, 0.2, long)
    assert [line["step"] for line in read_metrics(path)] == [1]
    assert path.read_bytes().endswith(b"}\n")


def test_a_line_waits_for_room_where_asked(disk, capsys):
    path = disk / "metrics.jsonl"
    book = Logbook(path, keep_to_step=0, wait_for_space=True)
    ballast = tmpfs.fill(disk)
    room = threading.Timer(0.3, ballast.unlink)
    room.start()
    book.write(2, 0.2, {f"train/{n}": 1.0 / 3 for n in range(400)})
    room.join()
    assert [line["step"] for line in read_metrics(path)] == [2]
    assert capsys.readouterr().err.splitlines()[0] == (
        f"{path}: cannot be written, the disk is full; "
        "waiting for disk space (checkpoint.on_full_disk=wait)"
    )


def test_a_file_for_which_there_is_no_room_leaves_the_old_one(disk):
    path = disk / "results.json"
    write_bytes(path, b"old")
    tmpfs.fill(disk)
    with pytest.raises(DiskFullError, match=r"results\.json: cannot be written, the disk is full"):
        write_bytes(path, b"new" * 4096)
    assert path.read_bytes() == b"old"
    assert [one.name for one in disk.iterdir() if one.name != "ballast"] == ["results.json"]


def test_the_line_of_a_validation_that_will_be_made_again_is_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    book = Logbook(path, keep_to_step=0)
    book.write(10, 1.0, {"train/loss": 0.5})
    book.write(10, 1, {"val/accuracy": 0.5})
    Logbook(path, keep_to_step=10)
    assert len(read_metrics(path)) == 2
    Logbook(path, keep_to_step=10, validated=False)
    assert [list(line) for line in read_metrics(path)] == [["step", "epoch", "train/loss"]]
