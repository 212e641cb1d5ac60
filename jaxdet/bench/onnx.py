"""Measures detectors by onnxruntime beside JAX on the CPU, from pixels that lie in memory."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet.config import Model
from jaxdet.convert.card import Card, network_options
from jaxdet.convert.check import Score, make_score, random_images
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.onnx.export import export_onnx
from jaxdet.convert.onnx.packages import require_onnx
from jaxdet.models.architectures import check_sides
from jaxdet.models.detector import get_detector, host
from jaxdet.models.platform import written_for

_REFERENCE = "reference, JAX"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OnnxPlan:
    """Describes what to measure.

    Attributes:
      scratch: empty folder for the files.
      models: the detectors, at random weights.
      variants: forms of the ONNX file.
      size: side of the images, pixels.
      batch_sizes: images that are scored together.
      images: scored in a turn, at least.
      rounds: turns of each row.
    """

    scratch: Path
    models: Sequence[Model]
    variants: Sequence[str]
    size: int
    batch_sizes: Sequence[int]
    images: int
    rounds: int


def measure_onnx(plan: OnnxPlan, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the rows of `bench onnx`, JAX's after those that it is the reference of.

    Raises:
      RunFailedError: where the logits of a file in float32 differ from JAX's.
      UserError: where a package is missing, or a detector does not take such images.
    """
    require_onnx("bench onnx")
    for model in plan.models:
        side = plan.size
        check_sides(model, trained=side, scored=side, whole=False, options=("--size", "--size"))
    rows = []
    with jax.default_device(host()), written_for("cpu"):
        for model in plan.models:
            ways = _ways(model, plan)
            for length in plan.batch_sizes:
                title = f"{model.title}, {plan.size} px, batch of {length}"
                speeds = _speeds(ways, plan, length)
                rows += [
                    {
                        "what": f"{title}: {way}",
                        "images_per_second": round(speed, 2),
                        "ratio_to_reference": round(speed / speeds[_REFERENCE], 3),
                    }
                    for way, speed in speeds.items()
                ]
                say(f"{title}: " + ", ".join(f"{way} {speed:.1f}" for way, speed in speeds.items()))
    return rows


def _ways(model: Model, plan: OnnxPlan) -> dict[str, Score]:
    """Returns what gives the logits of u8 [B, size, size, 3], by the names of rows."""
    variables = get_detector(model).random(0, size=plan.size)
    loaded = LoadedWeights(model=model, variables=variables, source="random weights")
    card = Card(model=network_options(model)).of_crops(plan.size)
    ways: dict[str, Score] = {}
    for variant in plan.variants:
        path = plan.scratch / f"{model.name}-{variant}.onnx"
        program, _ = export_onnx(path, loaded, size=plan.size, card=card, variant=variant)
        ways[f"onnxruntime, {variant}"] = program.score
    # Handed over once, not in each call that is timed.
    return {**ways, _REFERENCE: make_score(model, jax.device_put(variables))}


def _speeds(ways: dict[str, Score], plan: OnnxPlan, length: int) -> dict[str, float]:
    """Returns each way's images per second in batches of a length: the median of its turns."""
    images = random_images(length, plan.size, seed=0)
    batches = -(-plan.images // length)
    for score in ways.values():
        score(images)  # JAX compiles
    turns = [
        [_seconds(score, images, batches) for score in ways.values()] for _ in range(plan.rounds)
    ]
    medians = map(statistics.median, zip(*turns, strict=True))
    return {way: batches * length / seconds for way, seconds in zip(ways, medians, strict=True)}


def _seconds(score: Score, images: np.ndarray, batches: int) -> float:
    began = time.perf_counter()
    for _ in range(batches):
        score(images)
    return time.perf_counter() - began
