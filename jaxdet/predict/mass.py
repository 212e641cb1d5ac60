"""Scores a mass of images to Parquet files, `predict --out=DIR`, by shards of our own or by Ray."""

import argparse
import itertools
import time

from jaxdet.predict.base import AnyDetector
from jaxdet.predict.inputs import Inputs, find_inputs
from jaxdet.predict.options import PART_ROWS, read_scoring
from jaxdet.predict.parts import Stamp, check_out, read_errors
from jaxdet.predict.shards import Outcome, parse_shard, score_shard
from jaxdet.progress import say
from jaxdet.streams import answer

# Images without a score that are named, of perhaps millions.
_MOST_NAMED = 10


def score_mass(options: argparse.Namespace) -> bool:
    """Scores what is not on disk yet, and says what came of it; whether some rows are errors.

    Raises:
      UserError: where something asked for cannot be done.
      RunFailedError: where an engine or a source failed.
    """
    check_out(options.out, options.path)
    score = _score_by_ray if options.engine == "ray" else _score_shard
    began = time.monotonic()
    outcome = score(options)
    seconds = time.monotonic() - began
    answer(_sentence(outcome, seconds))
    for line in itertools.islice(read_errors(outcome.parts), _MOST_NAMED):
        say(line)
    if outcome.errors > _MOST_NAMED:
        say(f"and {outcome.errors - _MOST_NAMED} more, in the column `error`")
    return outcome.errors > 0


def _score_shard(options: argparse.Namespace) -> Outcome:
    shard = parse_shard(options.shard or "0/1")
    work, lines = _read(options, shards=shard.count, part_rows=options.part_rows or PART_ROWS)
    return score_shard(*work, options.out, shard, lines=lines)


def _score_by_ray(options: argparse.Namespace) -> Outcome:
    from jaxdet.predict import ray_engine

    ray_engine.import_ray()
    ray_engine.stay_on_the_host()
    work, lines = _read(options)
    return ray_engine.score_by_ray(*work, options.out, actors=options.actors, lines=lines)


def _read(
    options: argparse.Namespace, **division: int
) -> tuple[tuple[AnyDetector, Inputs, Stamp], list[str]]:
    """Returns the detector, the inputs and their stamp, and lines that tell of them."""
    names = {name: getattr(options, name) for name in ("column", "columns", "compare")}
    inputs = find_inputs(options.path, **names)
    detector, scoring, lines = read_scoring(options)
    stamp = Stamp.of(detector, inputs, engine=options.engine, scoring=scoring, **division)
    return (detector, inputs, stamp), [inputs.left_aside.sentence(), *lines]


def _sentence(outcome: Outcome, seconds: float) -> str:
    if not outcome.scored:
        return (
            f"finished before: {outcome.rows} images, {outcome.errors} of them without a score, in "
            f"{outcome.place}"
        )
    rate = outcome.scored / outcome.seconds if outcome.seconds else 0.0
    before = outcome.rows - outcome.scored
    return (
        f"{outcome.rows} images: {outcome.rows - outcome.errors} with a score, {outcome.errors} "
        f"without{f', {before} of all before this start' if before else ''}; in {seconds:.1f} s, "
        f"{rate:.1f} images/s while scoring; in {outcome.place}"
    )
