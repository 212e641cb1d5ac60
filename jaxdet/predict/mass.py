"""`predict --out=DIR`: a mass of images to Parquet files, by shards of our own or by Ray."""

import argparse
import time

from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.inputs import Inputs, find_inputs
from jaxdet.predict.options import PART_ROWS, open_detector, read_scoring
from jaxdet.predict.parts import Stamp, check_out
from jaxdet.predict.shards import Outcome, parse_shard, score_shard
from jaxdet.progress import say
from jaxdet.streams import answer


def score_mass(options: argparse.Namespace) -> bool:
    """Scores what is not on disk yet, and says what came of it; whether some rows are errors.

    Raises:
      UserError: where something asked for cannot be done.
      RunFailedError: where an engine or a source failed.
    """
    check_out(options.out, options.path)
    score = _score_by_ray if options.engine == "ray" else _score_share
    began = time.monotonic()
    outcome = score(options)
    seconds = time.monotonic() - began
    answer(_sentence(outcome, seconds))
    return outcome.errors > 0


def _score_share(options: argparse.Namespace) -> Outcome:
    shard = parse_shard(options.shard or "0/1")
    inputs = _find_inputs(options)
    detector = open_detector(options)
    rows = options.part_rows or PART_ROWS
    stamp = _stamp(options, detector, inputs, shards=shard.count, part_rows=rows)
    return score_shard(detector, inputs, shard, stamp, options.out)


def _score_by_ray(options: argparse.Namespace) -> Outcome:
    from jaxdet.predict import ray_engine

    ray_engine.import_ray()
    inputs = _find_inputs(options)
    ray_engine.stay_on_the_host()
    detector = open_detector(options)
    stamp = _stamp(options, detector, inputs)
    return ray_engine.score_by_ray(detector, inputs, stamp, options.out, actors=options.actors)


def _find_inputs(options: argparse.Namespace) -> Inputs:
    inputs = find_inputs(options.path, column=options.column, compare=options.compare)
    if sentence := inputs.left_aside.sentence():
        say(sentence)
    return inputs


def _stamp(
    options: argparse.Namespace, detector: LoadedDetector, inputs: Inputs, **division: int
) -> Stamp:
    scoring = read_scoring(options, detector)
    return Stamp.of(detector, inputs, engine=options.engine, scoring=scoring, **division)


def _sentence(outcome: Outcome, seconds: float) -> str:
    if not outcome.scored:
        return (
            f"finished before: {outcome.rows} images, {outcome.errors} of them without a score, in "
            f"{outcome.place}"
        )
    rate = outcome.scored / outcome.seconds if outcome.seconds else 0.0
    return (
        f"scored {outcome.scored} of {outcome.rows} images ({outcome.errors} of all could not be) "
        f"in {seconds:.1f} s, {rate:.1f} images/s while scoring; in {outcome.place}"
    )
