"""Checkpoints that are not what was saved any more."""

import numpy as np
import pytest

from jaxdet.errors import RunFailedError
from jaxdet.runtime import steps
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.mesh import make_mesh, put_replicated
from tests import tmpfs
from tests.runtime.flip import damage_all, make_small

RANKS = ("best", "best_of_last_phase")


def opened(folder, **options):
    return Checkpoints(folder, keep_latest=2, ranks=RANKS, **options)


def flip(path, place=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(content)


def data_file(folder, step):
    """The largest file of a step: its arrays, in whose midst orbax notices nothing."""
    files = [path for path in (folder / str(step)).rglob("*") if path.is_file()]
    return max((path for path in files if "/d/" in str(path)), key=lambda p: p.stat().st_size)


@pytest.fixture
def saved(tmp_path):
    """Checkpoints 4 and 8 of a small state, 8 the better one; and what the arrays look like."""
    folder = tmp_path / "checkpoints"
    return folder, make_small(folder)()


def test_every_file_flipped_cut_and_gone_is_noticed_and_the_step_before_comes_back(saved):
    folder, like = saved
    found = damage_all(folder, like, places=2, seed=1)
    assert len(found) >= 12
    assert {"manifest.json", "metrics/metadata", "_CHECKPOINT_METADATA"} <= found.keys()
    for kinds in found.values():
        assert all(counts.noticed == counts.tried > 0 for counts in kinds.values())


def test_orbax_alone_would_restore_other_weights_in_silence(saved):
    # Why the manifests are there: once this fails, orbax has sums of its own.
    folder, like = saved
    (before,) = [opened(folder, read_only=True).restore(8, like).state["kernel"]]
    path = data_file(folder, 8)
    flip(path)
    after = opened(folder, read_only=True).restore(8, like).state["kernel"]
    assert not np.array_equal(before, after)


def test_a_damaged_step_is_set_aside_and_the_run_goes_on_from_the_one_before(saved, capsys):
    folder, like = saved
    flip(data_file(folder, 8))
    checkpoints = opened(folder)
    assert checkpoints.latest_step() == 4
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(path.name for path in folder.glob("8*")) == ["8.damaged"]
    checkpoints.save(8, like, host={}, ranks=None)
    checkpoints.wait()
    assert checkpoints.latest_step() == 8
    assert checkpoints.best_step("best") == 4
    checkpoints.close()
    flip(data_file(folder, 8))
    opened(folder).close()
    assert sorted(path.name for path in folder.glob("8*")) == ["8.damaged", "8.damaged.2"]


def test_a_reader_passes_over_damage_and_renames_nothing(saved, capsys):
    folder, like = saved
    (folder / "8" / "metrics" / "metadata").unlink()
    before = sorted(folder.rglob("*"))
    reader = opened(folder, read_only=True)
    assert reader.latest_step() == 4
    assert reader.best_step("best") == 4
    assert reader.restore(4, like).host == {"step": 4}
    reader.close()
    assert sorted(folder.rglob("*")) == before
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"{folder}/8: metrics/metadata is missing; not used",
        f"{folder}: best is step 4 of those that are intact",
    ]


@pytest.mark.parametrize("read_only", [True, False])
def test_no_intact_step_left_is_an_error_that_says_so(saved, read_only):
    folder, _ = saved
    for step in (4, 8):
        flip(data_file(folder, step))
    for _ in range(2):
        with pytest.raises(RunFailedError, match=r"no intact checkpoint is left .*4.*8.*bring"):
            opened(folder, read_only=read_only).latest_step()


def test_a_step_without_its_checksums_is_a_damaged_one(saved, capsys):
    folder, _ = saved
    (folder / "8" / "manifest.json").unlink()
    assert opened(folder, read_only=True).latest_step() == 4
    writer = opened(folder)
    assert (writer.latest_step(), writer.best_step("best")) == (4, 4)
    writer.close()
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        f"{folder}/8: manifest.json is damaged or missing; not used",
        f"{folder}/8: manifest.json is damaged or missing; set aside as 8.damaged",
    ]


def test_a_kill_between_the_renames_of_a_replaced_step_leaves_the_old_one(saved):
    folder, like = saved
    (folder / "8").rename(folder / "8.replaced")
    (folder / "4").rename(folder / "4.removed")
    checkpoints = opened(folder)
    assert steps.saved_steps(folder) == [8]
    assert not list(folder.glob("*.*ed"))
    # And a step that is saved again, now with ranks, takes the place of the first.
    checkpoints.save(8, like, host={"again": True}, ranks={name: [9.0] for name in RANKS})
    checkpoints.close()
    reader = opened(folder, read_only=True)
    assert reader.restore(8, like).host == {"again": True}
    assert not list(folder.glob("8.*"))


def test_a_full_disk_keeps_the_checkpoint_before(disk, capfd):
    mesh = make_mesh(1)
    rng = np.random.default_rng(0)
    state = put_replicated(
        mesh, {f"{n}": rng.normal(size=(512, 200)).astype(np.float32) for n in range(20)}
    )
    checkpoints = opened(disk / "checkpoints")
    checkpoints.save(1, state, host={}, ranks=None)
    checkpoints.wait()
    tmpfs.fill(disk, leave=2 << 20)
    with pytest.raises(RunFailedError, match=r"no disk space for checkpoint 2, .* 1 is kept"):
        checkpoints.save(2, state, host={}, ranks=None)
    (disk / "ballast").unlink()
    # Blocks are free but no files: the save begins, and fails in its midst.
    tmpfs.take_inodes(disk, leave=12)
    checkpoints.save(2, state, host={}, ranks=None)
    with pytest.raises(RunFailedError, match="checkpoint 2 cannot be written, the disk is full"):
        checkpoints.wait()
    assert [path.name for path in (disk / "checkpoints").iterdir() if path.is_dir()] == ["1"]
    tmpfs.give_inodes(disk)
    checkpoints.save(3, state, host={}, ranks=None)
    checkpoints.close()
    assert opened(disk / "checkpoints").latest_step() == 3
    assert "Traceback" not in capfd.readouterr().err
