"""Names the axes of arrays, torch's and ours, as layers of each kind have them."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Layout:
    """Changes the axes of an array both ways; one undoes the other bit by bit."""

    to_jax: Callable[[np.ndarray], np.ndarray]
    to_torch: Callable[[np.ndarray], np.ndarray]


def flattened(height: int, width: int) -> Layout:
    """Returns the layout of a dense layer over a flattened map of `height` x `width`.

    torch flattens [C, H, W], we flatten [H, W, C]: [out, C*H*W] to [H*W*C, out].
    """
    return Layout(
        lambda x: x.reshape(len(x), -1, height, width).transpose(2, 3, 1, 0).reshape(-1, len(x)),
        lambda x: (
            x.reshape(height, width, -1, x.shape[1]).transpose(3, 2, 0, 1).reshape(x.shape[1], -1)
        ),
    )


AS_IS = Layout(np.asarray, np.asarray)
# [out, in, h, w] to [h, w, in, out].
CONV = Layout(lambda x: x.transpose(2, 3, 1, 0), lambda x: x.transpose(3, 2, 0, 1))
# [C, H, W] to [H, W, C].
MAP = Layout(lambda x: x.transpose(1, 2, 0), lambda x: x.transpose(2, 0, 1))
# [out, in] to [in, out].
DENSE = Layout(np.transpose, np.transpose)
