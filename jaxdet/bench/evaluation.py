"""Measures images scored per second, whole and by centre crop, beside the published way of each.

The published way is CNNDetection's eval.py with this network and compiler in PyTorch's place: four
loader processes give floats; whole images go through the network one at a time, crops in batches.
A compiled network is compiled anew for each size that it has not met, so whole images of many
sizes are measured twice: from the first image on, and with everything compiled before.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet.bench.pictures import write_mixed, write_pictures
from jaxdet.bench.reference import WORKERS, PublishedImages
from jaxdet.config.model import Model
from jaxdet.config.runtime import Runtime
from jaxdet.data.folder import FolderSet, load_set
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import Reader
from jaxdet.models.detector import Detector, Variables, get_detector
from jaxdet.runtime.mesh import make_mesh, put_replicated
from jaxdet.scoring.launch import make_score_step
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.piecewise import score_pieces
from jaxdet.scoring.protocol import Protocol
from jaxdet.scoring.rows import RowKeeper
from jaxdet.scoring.scorer import Scorer
from jaxdet.scoring.sets import score_crops

_CROP = 224
_MAX_PIXELS = 10**8

PUBLISHED_LOADERS = Runtime(workers=WORKERS, worker_kind="processes")

# Scores every image of its set once and gives the logits f32 [N], in the set's order.
Score = Callable[[], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """Describes what to measure.

    Attributes:
      scratch: empty folder for the pictures.
      images: pictures in each of the two sets, an even number.
      batch_size: crops a batch.
      rounds: turns of each row.
      model: the network, at random weights.
      loaders: of the published way.
    """

    scratch: Path
    images: int
    batch_size: int
    rounds: int
    model: Model
    loaders: Runtime = PUBLISHED_LOADERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contest:
    """Holds two ways of scoring one set.

    Attributes:
      what: the row's name.
      images: how many.
      ours: makes a way that has compiled nothing yet.
      reference: likewise.
    """

    what: str
    images: int
    ours: Callable[[], Score]
    reference: Callable[[], Score]


def measure_evaluation(plan: EvaluationPlan, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the rows of `bench eval`, each reference after the row it belongs to.

    Raises:
      AssertionError: where the two ways do not give the same logits.
    """
    detector = get_detector(plan.model)
    variables = detector.random(0, size=64)
    rows: list[dict[str, Any]] = []
    for contest in _contests(plan, detector, variables):
        rows += _measure(contest, rounds=plan.rounds, say=say)
    return rows


def _contests(plan: EvaluationPlan, detector: Detector, variables: Variables) -> list[Contest]:
    mixed, same = _write_sets(plan)
    return [
        Contest(
            what=what,
            images=len(images),
            ours=partial(ours, images, detector, variables, plan),
            reference=partial(_published, images, crop, detector, variables, plan),
        )
        for what, images, crop, ours in (
            ("full, mixed sizes", mixed, 0, _whole_images),
            ("full, 256 px", same, 0, _whole_images),
            (f"crop {_CROP}, 256 px", same, _CROP, _crops),
        )
    ]


def _write_sets(plan: EvaluationPlan) -> tuple[FolderSet, FolderSet]:
    write_mixed(plan.scratch / "mixed", count=plan.images)
    write_pictures(plan.scratch / "same", count=plan.images // 2)
    mixed = load_set(plan.scratch / "mixed", name="mixed sizes")
    return mixed, load_set(plan.scratch / "same" / "train", name="256 px")


def _measure(contest: Contest, *, rounds: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns four rows: both ways from the first image on, and both with everything compiled."""
    ours, reference = contest.ours(), contest.reference()
    (our_first, logits), (their_first, expected) = _timed(ours), _timed(reference)
    # Accelerators multiply in TF32, and other shapes take other algorithms: on an H200 logits were
    # within 3e-4 of those of full precision (docs/evidence/gpu.md).
    bound = 1e-3 if jax.default_backend() == "cpu" else 1e-2
    np.testing.assert_allclose(logits, expected, rtol=bound, atol=bound)
    first = (our_first, their_first)
    turns = [[_timed(score)[0] for score in (ours, reference)] for _ in range(rounds)]
    later = [statistics.median(column) for column in zip(*turns, strict=True)]
    rows = []
    for title, seconds in (("", first), (", compiled before", later)):
        speeds = [contest.images / each for each in seconds]
        for what, speed in zip((contest.what, f"reference: {contest.what}"), speeds, strict=True):
            rows.append(
                {
                    "what": what + title,
                    "images_per_second": round(speed, 2),
                    "ratio_to_reference": round(speed / speeds[1], 3),
                }
            )
    say(f"{contest.what}: " + ", ".join(f"{row['images_per_second']:.1f}" for row in rows))
    return rows


def _timed(score: Score) -> tuple[float, np.ndarray]:
    began = time.perf_counter()
    logits = score()
    return time.perf_counter() - began, logits


def _reader(images: FolderSet) -> Reader:
    return Reader(images=images, max_pixels=_MAX_PIXELS, skip_bad=False)


def _whole_images(
    images: FolderSet, detector: Detector, variables: Variables, plan: EvaluationPlan
) -> Score:
    del plan  # sizes decide the batches
    load, mesh = PieceLoader(read=_reader(images), protocol=Protocol("full")), make_mesh(1)
    scorer = Scorer(detector, put_replicated(mesh, variables), mesh)

    def score() -> np.ndarray:
        rows = score_pieces(
            load, range(len(images)), scorer, RowKeeper(), runtime=Runtime(), title=images.name
        )
        # None of these images is cut into several pieces.
        return np.array(rows[np.argsort(rows["image"])]["logit"])

    return score


def _crops(
    images: FolderSet, detector: Detector, variables: Variables, plan: EvaluationPlan
) -> Score:
    mesh = make_mesh(1)
    step, placed = make_score_step(detector, mesh), put_replicated(mesh, variables)
    load = EvalLoader(read=_reader(images), crop=_CROP, batch_size=plan.batch_size)

    def score() -> np.ndarray:
        rows = score_crops(
            load, step, placed, RowKeeper(), mesh=mesh, runtime=Runtime(), title=images.name
        )
        return np.array(rows["logit"])

    return score


def _published(
    images: FolderSet, crop: int, detector: Detector, variables: Variables, plan: EvaluationPlan
) -> Score:
    load = PublishedImages(images=images, crop=crop, batch_size=plan.batch_size if crop else 1)
    placed = jax.device_put(variables)

    # The loader has normalised already, as the published one does.
    @jax.jit
    def apply(variables: Variables, image: jax.Array) -> jax.Array:
        channels_last = image.transpose(0, 2, 3, 1)
        logits: jax.Array = detector.network.apply(variables, channels_last, train=False)
        return logits

    def score() -> np.ndarray:
        steps = -(-len(images) // load.batch_size)
        with open_batches(load, start=0, stop=steps, runtime=plan.loaders) as batches:
            # Waited for, as ours is: see `put_batch`.
            rows = (jax.block_until_ready(jax.device_put(b["image"])) for b in batches)
            logits = [np.asarray(apply(placed, image)) for image in rows]
        return np.concatenate(logits)[: len(images)]

    return score
