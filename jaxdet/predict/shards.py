"""Scores a shard of the inputs part after part: what a job in any scheduler's array does.

Shard i of N takes a run of the sorted inputs, cut at i/N and (i+1)/N of their number, and writes it
in parts of a fixed number of rows. A part is there or not, so a killed job goes on at the next.
"""

import dataclasses
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.inputs import Inputs
from jaxdet.predict.parts import Part, Stamp, check_stamp, read_part, write_part
from jaxdet.predict.rows import score_inputs
from jaxdet.progress import ProgressLine, say
from jaxdet.ranges import parse_whole
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.lock import claimed


@dataclasses.dataclass(frozen=True)
class Shard:
    """Represents shard `index`, from 0, of `count`."""

    index: int = 0
    count: int = 1

    def span(self, inputs: int) -> tuple[int, int]:
        """Returns the numbers of the first input of this shard and of the first behind it."""
        return self.index * inputs // self.count, (self.index + 1) * inputs // self.count

    @property
    def name(self) -> str:
        """Returns what the names of the shard's parts begin with."""
        return f"shard-{self.index:05d}-of-{self.count:05d}"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Describes what a work came to.

    Attributes:
      rows: inputs with a row on disk, before and now.
      errors: how many of them could not be scored.
      scored: rows that were written now.
      place: where they lie, for a sentence.
      parts: the files that hold them.
      seconds: from the first image on, without what listing and loading took.
    """

    rows: int
    errors: int
    scored: int
    place: str
    parts: Sequence[Path]
    seconds: float = 0.0


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Returns the shard that `i/N` names, or `auto`: this task of a SLURM array.

    Raises:
      UserError: where it names none.
    """
    if text == "auto":
        return _of_array(environment)
    index, _, count = text.partition("/")
    shards = parse_whole(count, "[1, 99999]")
    place = None if shards is None else parse_whole(index, f"[0, {shards})")
    if shards is not None and place is not None:
        return Shard(place, shards)
    raise UserError(f"--shard={text:.50}: give i/N with i from 0 to N-1 and N up to 99999, or auto")


def _of_array(environment: Mapping[str, str]) -> Shard:
    # Older releases of SLURM leave the step out where it is 1.
    found = {"SLURM_ARRAY_TASK_STEP": "1", **environment}
    names = ("ID", "MIN", "MAX", "STEP", "COUNT")
    values = [parse_whole(found.get(f"SLURM_ARRAY_TASK_{name}", ""), "[0, 1e9]") for name in names]
    task, first, last, step, count = values
    if task is None or first is None or last is None or step is None or count is None:
        raise UserError(
            "--shard=auto: SLURM_ARRAY_TASK_ID, _MIN, _MAX and _COUNT are not set here; start it "
            "in a SLURM array, or give --shard=i/N"
        )
    # Tasks that are started again, as 3,7 or 5-6, do not tell of which array they once were.
    if first > 1 or step < 1 or (last - first) // step + 1 != count:
        raise UserError(
            f"--shard=auto: the {count} array tasks {first} to {last} are no whole array from 0 or "
            "1 on; give --shard=i/N with the N of the first start"
        )
    return Shard((task - first) // step, count)


def score_shard(
    detector: AnyDetector,
    inputs: Inputs,
    stamp: Stamp,
    folder: Path,
    shard: Shard,
    *,
    lines: Iterable[str] = (),
) -> Outcome:
    """Scores what of a shard is not on disk yet.

    Args:
      detector: what scores.
      inputs: of all shards.
      stamp: what the scores follow from; says how to score them, and the rows of a part.
      folder: of the parts of all shards.
      shard: which of them.
      lines: what is logged when all is in order.

    Raises:
      UserError: where the folder holds parts of another work, or another process scores this shard.
    """
    lock = folder / f".{shard.name}.lock"
    with claimed(folder / shard.name, lock=lock, instead="--out"):
        clear_leftovers(folder, shard.name)
        _check_neighbours(folder, shard, stamp)
        spans = dict(_spans(folder, shard, stamp))
        kept = {path: _finished(path, stop - start, stamp) for path, (start, stop) in spans.items()}
        for line in filter(None, lines):
            say(line)
        return _score_rest(detector, inputs, stamp, folder, shard, spans, kept)


def _score_rest(
    detector: AnyDetector,
    inputs: Inputs,
    stamp: Stamp,
    folder: Path,
    shard: Shard,
    spans: Mapping[Path, tuple[int, int]],
    kept: Mapping[Path, Part | None],
) -> Outcome:
    done = sum(part.rows for part in kept.values() if part)
    errors = sum(part.errors for part in kept.values() if part)
    first, behind = shard.span(len(inputs))
    began = time.monotonic()
    with ProgressLine("score", total=behind - first, done=done, unit="images") as progress:
        for path, (start, stop) in spans.items():
            if kept[path] is None:
                errors += _score_part(detector, inputs, start, stop, stamp, path, progress)
    place = f"{folder / shard.name}.part-*.parquet"
    seconds = time.monotonic() - began
    return Outcome(behind - first, errors, behind - first - done, place, list(spans), seconds)


def _spans(folder: Path, shard: Shard, stamp: Stamp) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Yields each part of a shard, and the numbers of its first input and the first behind it."""
    first, behind = shard.span(stamp.count)
    for part, start in enumerate(range(first, behind, stamp.part_rows)):
        path = folder / f"{shard.name}.part-{part:06d}.parquet"
        yield path, (start, min(start + stamp.part_rows, behind))


def _finished(path: Path, rows: int, stamp: Stamp) -> Part | None:
    """Returns the part where it is there; None where it must be scored, anew or again."""
    if not path.exists():
        return None
    part = read_part(path)
    if part is None:
        # Written whole, so the disk lost it: nothing in it is worth a stop.
        return None
    check_stamp(part, stamp)
    return part if part.rows == rows else None


def _score_part(
    detector: AnyDetector,
    inputs: Inputs,
    start: int,
    stop: int,
    stamp: Stamp,
    path: Path,
    progress: ProgressLine,
) -> int:
    """Writes a part; the number of its inputs that could not be scored."""
    wanted = (one for chunk in inputs.chunks(start, stop) for one in chunk.read())
    rows = score_inputs(detector, wanted, stamp.scoring, progress=progress)
    write_part(path, range(start, stop), rows, stamp)
    return sum("error" in row for row in rows)


def _check_neighbours(folder: Path, shard: Shard, stamp: Stamp) -> None:
    """Sees that one part of the others in the folder is of this work: they were all seen so."""
    own = f"{shard.name}."
    others = (path for path in folder.glob("*.parquet") if not path.name.startswith(own))
    part = next(filter(None, map(read_part, others)), None)
    if part is not None:
        check_stamp(part, stamp)
