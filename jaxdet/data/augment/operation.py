"""Defines what each operation on an image has, and applies several."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Operation(Protocol):
    """Does one thing to an image, at given values: a pure function of the image."""

    @property
    def margin(self) -> int | None:
        """Returns how far a pixel of the result looks, pixels; None: at the whole image.

        What is cropped next is computed for the crop alone where this is known.
        """

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns the result, u8 [H', W', 3], for an image u8 [H, W, 3] in BGR, left as it is."""


def apply_each(operations: Sequence[Operation], image: np.ndarray) -> np.ndarray:
    """Returns an image after operations, one after the other."""
    for operation in operations:
        image = operation.apply(image)
    return image


def apply_within(
    operations: Sequence[Operation], image: np.ndarray, rows: slice, columns: slice
) -> np.ndarray:
    """Returns a part of an image after operations that all have a margin, u8 [h, w, 3].

    Pixels that it does not depend on are not computed.
    """
    margin = sum(operation.margin or 0 for operation in operations)
    up, left = min(rows.start, margin), min(columns.start, margin)
    needed = image[
        rows.start - up : rows.stop + margin, columns.start - left : columns.stop + margin
    ]
    done = apply_each(operations, needed)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return done[up : up + height, left : left + width]
