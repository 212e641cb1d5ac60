import os
import shutil
from pathlib import Path

import pytest

from jaxdet.datasets.makers.place import (
    is_finished,
    making,
    read_record,
    write_record,
)
from jaxdet.errors import UserError, writing_to
from tests.conftest import killed_while_writing


def make_half(root):
    with making(root) as partial:
        (partial / "test").mkdir()
        (partial / "test" / "old").touch()
        raise KeyboardInterrupt


def make_without_the_name(root, asked):
    with making(root, asked=asked) as partial:
        write_record(partial, record={"status": "finished", **asked, "measured": 1})
        raise KeyboardInterrupt


def make_while_taken(root):
    with making(root):
        root.mkdir()
        (root / "mine").touch()


def test_the_folder_appears_only_when_complete(tmp_path):
    root = tmp_path / "deep" / "set"
    with making(root) as partial:
        (partial / "a").write_text("1")
        assert not root.exists()
    assert (root / "a").read_text() == "1"
    assert list(root.parent.iterdir()) == [root]


def test_what_the_system_refuses_is_told_of_the_folder(tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "set"
    told = pytest.raises(
        UserError, match=rf"^{place}: cannot be written: {tmp_path}/file is in the way$"
    )
    with told, making(place):
        pass


def test_a_reader_that_goes_away_is_not_blamed_on_the_folder(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), writing_to(tmp_path):
        os.write(writer, b"line")
    os.close(writer)


def test_what_a_killed_run_left_is_replaced(tmp_path):
    root = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        make_half(root)
    assert not root.exists()
    with making(root) as partial:
        assert [f.name for f in partial.iterdir()] == ["synth.json"]
    assert root.is_dir()


def test_what_a_kill_left_half_removed_is_still_known(tmp_path, monkeypatch):
    def kill(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_half(tmp_path / "set")
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "iterdir", lambda folder: map(folder.joinpath, sorted(os.listdir(folder)))
        )
        patch.setattr(shutil, "rmtree", kill)
        with pytest.raises(KeyboardInterrupt), making(tmp_path / "set"):
            pass
    with making(tmp_path / "set"):
        pass


def test_what_was_finished_and_not_yet_renamed_is_kept_for_the_same_settings(tmp_path):
    root, asked = tmp_path / "set", {"settings": {"batch_size": 8}}
    with pytest.raises(KeyboardInterrupt):
        make_without_the_name(root, asked)
    other = {"settings": {"batch_size": 9}}
    with (
        pytest.raises(UserError, match=r"other settings.*\(batch-size: 8 -> 9\)"),
        making(root, asked=other),
    ):
        pass
    killed = killed_while_writing(tmp_path / ".set.making" / "samples" / "a.png")
    with making(root, asked=asked) as partial:
        assert is_finished(partial)
        assert not killed.exists()
    assert read_record(root) == {"status": "finished", **asked, "measured": 1}


def test_a_foreign_folder_at_the_temporary_name_is_left_alone(tmp_path):
    foreign = tmp_path / ".set.making"
    foreign.mkdir()
    (foreign / "mine").touch()
    with pytest.raises(UserError, match="something else"), making(tmp_path / "set"):
        pass
    assert [f.name for f in foreign.iterdir()] == ["mine"]


def test_two_at_once_do_not_disturb_each_other(tmp_path):
    root = tmp_path / "set"
    with making(root) as partial:
        (partial / "a").touch()
        with pytest.raises(UserError, match="another process"), making(root):
            pass
        assert (partial / "a").exists()
    assert (root / "a").exists()


def test_a_place_taken_meanwhile_is_not_overwritten(tmp_path):
    root = tmp_path / "set"
    with pytest.raises(UserError, match="set: cannot be written: Directory not empty"):
        make_while_taken(root)
    assert [f.name for f in root.iterdir()] == ["mine"]


def test_record_of_a_missing_an_empty_and_a_written_folder(tmp_path):
    assert read_record(tmp_path / "none") is None
    assert read_record(tmp_path) is None
    write_record(tmp_path, record={"status": "finished"})
    assert read_record(tmp_path) == {"status": "finished"}
