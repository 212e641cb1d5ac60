"""Whether two detectors are the same: their arrays bit by bit, and their logits."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxdet.config import Model
from jaxdet.convert.load import LoadedWeights, with_collections
from jaxdet.convert.rules import flatten
from jaxdet.models.detector import get_detector

# u8 [B, H, W, 3] to logits f32 [B].
Score = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two.

    Attributes:
      name: the file or folder.
      model: the network.
      score: images to logits.
      arrays: by place; None for an exported detector, whose arrays are not to be seen.
      left_out: places whose values are not the source's own.
    """

    name: str
    model: Model
    score: Score
    arrays: Mapping[str, np.ndarray] | None
    left_out: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs.

    Attributes:
      compared: arrays looked at bit by bit.
      differing: place to the largest difference of its elements (NaN where bits of NaN differ).
      left_out: places that one side has no values of its own for.
      size: side of the random images, pixels.
      largest_logit_difference: over the random images.
      largest_logit: in size, of the first side.
    """

    compared: int
    differing: dict[str, float]
    left_out: tuple[str, ...]
    size: int
    largest_logit_difference: float
    largest_logit: float

    def within(self, tolerance: float) -> bool:
        """Whether the logits agree: to `tolerance`, or to that share of them where they are large.

        NaN agrees with nothing.
        """
        return self.largest_logit_difference <= tolerance * max(1.0, self.largest_logit)


def weights_side(loaded: LoadedWeights) -> Side:
    """A side from weights."""
    return Side(
        name=loaded.source,
        model=loaded.model,
        score=make_score(loaded.model, loaded.variables),
        arrays=flatten(loaded.variables),
        left_out=loaded.replaced,
    )


def make_score(model: Model, variables: dict[str, Any]) -> Score:
    """Images to logits, compiled for each shape."""
    apply = jax.jit(get_detector(model).apply)
    return lambda image: np.asarray(apply(variables, image), np.float32)


def compare(first: Side, second: Side, *, size: int, count: int, seed: int) -> Comparison:
    """Compares two sides of the same network on `count` random images of `size` pixels."""
    first, second = _with_head_of(second, first), _with_head_of(first, second)
    compared, differing = 0, {}
    if first.arrays is not None and second.arrays is not None:
        compared, differing = len(first.arrays), _differing(first.arrays, second.arrays)
    image = random_images(count, size, seed=seed)
    ours, theirs = first.score(image), second.score(image)
    return Comparison(
        compared=compared,
        differing=differing,
        left_out=tuple(sorted({*first.left_out, *second.left_out})),
        size=size,
        largest_logit_difference=float(np.abs(ours - theirs).max()),
        largest_logit=float(np.abs(ours).max()),
    )


def random_images(count: int, size: int, *, seed: int) -> np.ndarray:
    """Noise, u8 [count, size, size, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _with_head_of(other: Side, side: Side) -> Side:
    """The side with the other's values where it has none of its own."""
    if not side.left_out or side.arrays is None or other.arrays is None:
        return side
    arrays = {**side.arrays, **{place: other.arrays[place] for place in side.left_out}}
    score = make_score(side.model, with_collections(arrays))
    return dataclasses.replace(side, arrays=arrays, score=score)


def _differing(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> dict[str, float]:
    return {
        place: float(np.abs(first[place] - second[place]).max())
        for place in first
        if first[place].tobytes() != second[place].tobytes()
    }
