"""Compares two detectors: their arrays bit by bit, and their logits."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxdet.config.model import Model
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.onnx.run import OnnxProgram
from jaxdet.convert.rules import flatten
from jaxdet.models.detector import get_detector
from jaxdet.streams import answer

# u8 [B, H, W, 3] to logits f32 [B].
Score = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """Holds one of the two detectors of a comparison.

    Attributes:
      name: the file or folder.
      model: the network.
      score: images to logits.
      arrays: by place; None for an exported detector, whose arrays are not to be seen.
    """

    name: str
    model: Model
    score: Score
    arrays: Mapping[str, np.ndarray] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Describes what differs between two detectors.

    Attributes:
      compared: arrays looked at bit by bit.
      differing: place to the largest difference of its elements (NaN where bits of NaN differ).
      size: side of the random images, pixels.
      largest_logit_difference: over the random images.
      largest_logit: in size, of the first side.
    """

    compared: int
    differing: dict[str, float]
    size: int
    largest_logit_difference: float
    largest_logit: float

    def within(self, tolerance: float) -> bool:
        """Returns whether the logits agree to `tolerance`, where they are large to that share.

        NaN agrees with nothing.
        """
        return self.largest_logit_difference <= tolerance * max(1.0, self.largest_logit)


def print_comparison(found: Comparison, images: int) -> None:
    """Answers what a comparison by so many random images has found."""
    if found.compared:
        same = found.compared - len(found.differing)
        answer(f"arrays with the same bits: {same} of {found.compared}")
    for place, difference in sorted(found.differing.items(), key=lambda item: -item[1])[:5]:
        answer(f"  {place}: largest difference {difference:.3g}")
    answer(
        f"logits of {images} random images of {found.size} x {found.size} pixels: "
        f"largest difference {found.largest_logit_difference:.3g}"
    )


def weights_side(loaded: LoadedWeights) -> Side:
    """Makes a side of a comparison from weights."""
    return Side(
        name=loaded.source,
        model=loaded.model,
        score=make_score(loaded.model, loaded.variables),
        arrays=flatten(loaded.variables),
    )


def program_side(program: OnnxProgram) -> Side:
    """Makes a side of a comparison from an ONNX file."""
    return Side(name=program.source, model=program.model, score=program.score, arrays=None)


def make_score(model: Model, variables: dict[str, Any]) -> Score:
    """Returns what turns images into logits, compiled for each shape."""
    apply = jax.jit(get_detector(model).apply)
    return lambda image: np.asarray(apply(variables, image), np.float32)


def compare(first: Side, second: Side, *, size: int, count: int, seed: int) -> Comparison:
    """Compares two sides of the same network on `count` random images of `size` pixels."""
    compared, differing = 0, {}
    if first.arrays is not None and second.arrays is not None:
        compared, differing = len(first.arrays), _differing(first.arrays, second.arrays)
    image = random_images(count, size, seed=seed)
    ours, theirs = first.score(image), second.score(image)
    return Comparison(
        compared=compared,
        differing=differing,
        size=size,
        largest_logit_difference=float(np.abs(ours - theirs).max()),
        largest_logit=float(np.abs(ours).max()),
    )


def random_images(count: int, size: int, *, seed: int) -> np.ndarray:
    """Draws images of noise, u8 [count, size, size, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _differing(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> dict[str, float]:
    return {
        place: float(np.abs(first[place] - second[place]).max())
        for place in first
        if first[place].tobytes() != second[place].tobytes()
    }
