import numpy as np
import pytest

from jaxdet.errors import UserError
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.mesh import make_mesh, put_replicated

RANKS = ("best", "chosen")


def state(value=0.0, shape=(2, 3)):
    arrays = {"a": {"kernel": np.full(shape, value, np.float32)}, "n": np.array(7, np.int32)}
    return put_replicated(make_mesh(1), arrays)


def opened(folder, **options):
    return Checkpoints(folder / "checkpoints", keep_latest=2, ranks=RANKS, **options)


def saved_steps(folder):
    return sorted(int(p.name) for p in (folder / "checkpoints").iterdir() if p.name.isdigit())


def save_all(folder, steps):
    checkpoints = opened(folder)
    for step, ranks in steps:
        named = ranks and dict(zip(RANKS, ranks, strict=True))
        checkpoints.save(step, state(step), host={"step": step, "x": 0.1 + 0.2}, ranks=named)
    checkpoints.wait()
    return checkpoints


def test_latest_and_each_best_are_kept_over_a_restart(tmp_path):
    save_all(
        tmp_path, [(10, ([0.9, -1.0], [1.0])), (20, ([0.9, -0.5], [-1.0])), (25, None)]
    ).close()
    checkpoints = save_all(
        tmp_path, [(30, ([0.5, 0.0], [3.0])), (40, ([0.5, 0.0], [-1.0])), (45, None)]
    )
    # 20 is best (equal accuracy, lower loss), 30 was chosen last, 40 and 45 are the latest.
    assert saved_steps(tmp_path) == [20, 30, 40, 45]
    assert checkpoints.best_step("best") == 20
    assert checkpoints.best_step("chosen") == 30
    assert checkpoints.latest_step() == 45
    checkpoints.close()


def test_everything_comes_back(tmp_path):
    checkpoints = save_all(tmp_path, [(5, ([0.0], [0.0]))])
    restored = checkpoints.restore(5, state())
    assert restored.host == {"step": 5, "x": 0.1 + 0.2}
    assert np.array_equal(restored.state["a"]["kernel"], np.full((2, 3), 5, np.float32))
    assert int(restored.state["n"]) == 7
    checkpoints.close()


def test_another_model_is_refused_in_one_line(tmp_path):
    checkpoints = save_all(tmp_path, [(5, ([0.0], [0.0]))])
    with pytest.raises(UserError, match="does not fit this model"):
        checkpoints.restore(5, state(shape=(2, 4)))
    checkpoints.close()


def test_leftovers_of_a_crash_are_cleared_away_but_not_by_a_reader(tmp_path):
    save_all(tmp_path, [(5, ([0.0], [0.0]))]).close()
    left = tmp_path / "checkpoints" / "6.orbax-checkpoint-tmp"
    (left / "state").mkdir(parents=True)
    reader = opened(tmp_path, read_only=True)
    assert reader.latest_step() == 5
    reader.close()
    assert left.exists()
    writer = opened(tmp_path)
    assert writer.latest_step() == 5
    assert not left.exists()
    writer.save(7, state(), host={}, ranks=None)
    writer.close()
    assert saved_steps(tmp_path) == [5, 7]
