"""Makes the arrays that loaders fill: one host's shard of a batch."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np


class Batch(TypedDict):
    """Holds what the loaders give: one host's shard of a global batch, b images.

    Attributes:
      image: u8 [b, crop, crop, 3], RGB; or f32 [b, ...], what a tower saw of the images.
      label: i32 [b], 1 = fake.
      index: i64 [b], place in the set; in a padded row -1.
      valid: bool [b], False in rows that pad the last batch or stand for an unreadable image.
      sharpness: f32 [b], variance of the Laplacian (evaluation only, else 0).
      bad: i64 [b], place of an unreadable image met in this row, -1 where there was none.
    """

    image: np.ndarray
    label: np.ndarray
    index: np.ndarray
    valid: np.ndarray
    sharpness: np.ndarray
    bad: np.ndarray


def empty_batch(rows: int, shape: Sequence[int], dtype: Any = np.uint8) -> Batch:
    """Returns a batch of padding alone, for images of a shape."""
    return Batch(
        image=np.zeros((rows, *shape), dtype),
        label=np.zeros(rows, np.int32),
        index=np.full(rows, -1, np.int64),
        valid=np.zeros(rows, bool),
        sharpness=np.zeros(rows, np.float32),
        bad=np.full(rows, -1, np.int64),
    )
