"""Damages every file of a checkpoint in every way: what is noticed, and what comes back instead.

    python -m tests.runtime.flip [RUN] [--places=50] [--seed=0]

RUN is a run folder with at least two checkpoints; it is copied, and left alone. Without one, a
small state is saved. For every file of the newest checkpoint: one bit flipped at each of the
places, drawn at random; the file cut at each of five lengths; the file gone. Each time all
files are read again, as a restore does. Where damage is not noticed, and for the first place of
every file besides, the checkpoint is restored in full: by what digest the arrays have it is
known whether the older step came back, or the newest with the same bits.
"""

import argparse
import contextlib
import dataclasses
import io
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from jaxdet import config as schema
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder
from jaxdet.runtime import steps
from jaxdet.runtime.checkpoint import Checkpoints
from jaxdet.runtime.manifest import DamagedError, verify
from jaxdet.runtime.mesh import make_mesh, put_replicated
from jaxdet.train.restore import RANKS
from jaxdet.train.state import abstract_state
from jaxdet.train.weights import digest
from jaxdet.workdir.files import read_json

CUTS = 5


@dataclasses.dataclass
class Counts:
    """What became of one file's damages, by kind."""

    tried: int = 0
    noticed: int = 0
    harmless: int = 0
    restored: int = 0


def make_small(folder: Path) -> Callable[[], object]:
    """Two checkpoints of a small state; gives what their arrays look like."""
    like = put_replicated(make_mesh(1), {"kernel": np.zeros((32, 16), np.float32)})
    checkpoints = Checkpoints(folder, keep_latest=2, ranks=RANKS)
    for step in (4, 8):
        kernel = np.random.default_rng(step).normal(size=(32, 16)).astype(np.float32)
        state = put_replicated(make_mesh(1), {"kernel": kernel})
        ranks = {name: [float(step)] for name in RANKS}
        checkpoints.save(step, state, host={"step": step}, ranks=ranks)
    checkpoints.close()
    return lambda: like


def of_run(run: RunFolder, folder: Path) -> Callable[[], object]:
    """A copy of a run's checkpoints; gives what their arrays look like."""
    shutil.copytree(run.checkpoints, folder)
    config = schema.from_json_dict(read_json(run.config))
    return lambda: abstract_state(config, get_detector(config.model), make_mesh(1))


def restored(folder: Path, like: object) -> tuple[int, str]:
    """The step that a restore takes, and the digest of its arrays."""
    checkpoints = Checkpoints(folder, keep_latest=2, ranks=RANKS, read_only=True)
    try:
        step = checkpoints.latest_step()
        assert step is not None
        return step, digest(checkpoints.restore(step, like).state)
    finally:
        checkpoints.close()


def damages(content: bytes, rng: random.Random, places: int) -> Iterator[tuple[str, bytes | None]]:
    """Each damage of a file: its kind and what is left, None where the file is gone."""
    for _ in range(places if content else 0):
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        flipped = bytearray(content)
        flipped[place] ^= 1 << bit
        yield "flip", bytes(flipped)
    for part in range(CUTS if content else 0):
        yield "cut", content[: len(content) * part // CUTS]
    yield "gone", None


def is_noticed(step_folder: Path) -> bool:
    """Whether reading all files of the step tells of damage."""
    try:
        verify(step_folder)
    except DamagedError:
        return True
    return False


def damage_file(
    path: Path, like: object, sound: dict[int, str], rng: random.Random, places: int
) -> dict[str, Counts]:
    """Damages one file of the newest step in every way, and mends it each time.

    `sound` has the digests of all steps while nothing was damaged.
    """
    newest = max(sound)
    folder = next(parent for parent in path.parents if parent.name == str(newest)).parent
    content = path.read_bytes()
    found = {kind: Counts() for kind in ("flip", "cut", "gone")}
    for kind, left in damages(content, rng, places):
        counts = found[kind]
        counts.tried += 1
        path.unlink() if left is None else path.write_bytes(left)
        noticed = is_noticed(folder / str(newest))
        counts.noticed += noticed
        if not noticed or counts.tried == 1:
            step, got = restored(folder, like)
            assert got == sound[step], f"{path}: silently other arrays"
            assert step == (max(sound.keys() - {newest}) if noticed else newest)
            counts.harmless += not noticed
            counts.restored += 1
        path.write_bytes(content)
    return found


def _digest_of(folder: Path, step: int, like: object) -> str:
    checkpoints = Checkpoints(folder, keep_latest=2, ranks=RANKS, read_only=True)
    try:
        return digest(checkpoints.restore(step, like).state)
    finally:
        checkpoints.close()


def damage_all(
    folder: Path, like: object, *, places: int, seed: int
) -> dict[str, dict[str, Counts]]:
    """Every file of the newest step, by its path within it."""
    sound = {step: _digest_of(folder, step, like) for step in steps.saved_steps(folder)}
    newest = folder / str(max(sound))
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    rng = random.Random(seed)
    return {
        str(path.relative_to(newest)): damage_file(path, like, sound, rng, places) for path in files
    }


def main() -> None:
    """Prints a row a file; ends with 1 where damage was silent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", type=Path, help="a run folder; a small state without it")
    parser.add_argument("--places", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "checkpoints"
        like = (of_run(RunFolder(asked.run), folder) if asked.run else make_small(folder))()
        # Each fallback tells of itself; here they are counted.
        with contextlib.redirect_stderr(io.StringIO()):
            found = damage_all(folder, like, places=asked.places, seed=asked.seed)
    _print(found)


def _print(found: dict[str, dict[str, Counts]]) -> None:
    print(f"{'file':50} {'flips':>9} {'cuts':>7} {'gone':>6}  noticed of tried; restored in full")
    total = Counts()
    for name, kinds in found.items():
        cells = [f"{c.noticed}/{c.tried}" for c in kinds.values()]
        print(f"{name:50} {cells[0]:>9} {cells[1]:>7} {cells[2]:>6}")
        for counts in kinds.values():
            for field in dataclasses.fields(Counts):
                one = getattr(total, field.name) + getattr(counts, field.name)
                setattr(total, field.name, one)
    print(f"{total.tried} damages of {len(found)} files: {total.noticed} noticed, "
          f"{total.harmless} harmless, {total.tried - total.noticed - total.harmless} silent; "
          f"{total.restored} restored in full, each to the digest of an intact step")  # fmt: skip


if __name__ == "__main__":
    main()
