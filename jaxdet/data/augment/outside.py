"""Calls operations of one's own, out of modules that are not jaxdet's."""

import dataclasses
from typing import Protocol

import numpy as np

from jaxdet.config.dotted import running
from jaxdet.data import ops
from jaxdet.data.order import Stream
from jaxdet.errors import UserError


class OwnOperation(Protocol):
    """Does one thing to training images; one object serves all threads, and keeps no state."""

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns the result for an image.

        Args:
          image: u8 [H, W, 3] in RGB, of the operation alone: it may be written to.
          rng: random numbers of this operation on this image in this epoch, whatever else is drawn.

        Returns:
          u8 [H', W', 3] in RGB, of any sides that the operations behind it take.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outside:
    """Calls `apply(image, rng)` of an object from a module outside, with an image in RGB.

    Attributes:
      name: dotted, as the option has it.
      operation: the object.
      stream: of the random numbers that it is given.
    """

    name: str
    operation: OwnOperation
    stream: Stream
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the result.

        Raises:
          UserError: where that is no image.
        """
        rgb = ops.swap_channels(np.ascontiguousarray(image))
        with running(f"augment.operations: {self.name} fails"):
            result = self.operation.apply(rgb, self.stream.fresh())
        is_image = isinstance(result, np.ndarray) and result.dtype == np.uint8
        if not is_image or result.ndim != 3 or result.shape[2] != 3 or not result.size:
            facts = f"{result.dtype} {result.shape}" if hasattr(result, "dtype") else repr(result)
            raise UserError(
                f"augment.operations: {self.name} gives {type(result).__name__} {facts:.80}, not "
                "an array u8 [H, W, 3] of numpy's"
            )
        return ops.swap_channels(np.ascontiguousarray(result))
