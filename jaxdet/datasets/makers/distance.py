"""Measures how far samples are from photographs, without a network that could be fooled."""

import numpy as np

_PATCH = 7  # pixels a side
_PATCHES = 4096
_DIRECTIONS = 128


def patch_distance(real: np.ndarray, fake: np.ndarray, *, seed: int = 0) -> float:
    """Returns the sliced Wasserstein distance of 7 x 7 patches, grey levels; 0 for the same images.

    Patches from random places are projected on random directions of length 1; the distance is
    the mean over directions of the mean difference between sorted projections. After Karras et
    al. (https://arxiv.org/abs/1710.10196, section 5), without their pyramid and normalisation, so
    that it sees colours and coarse texture and little of fine detail.

    Args:
        real: u8 [N, S, S, 3].
        fake: u8 [M, S, S, 3].
        seed: of places and directions.
    """
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(_PATCH * _PATCH * 3, _DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    places = rng.random((_PATCHES, 3))
    sides = [np.sort(_patches(images, places) @ directions, axis=0) for images in (real, fake)]
    return float(np.abs(sides[0] - sides[1]).mean())


def _patches(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns patches [P, 7 * 7 * 3] at relative places [P, 3] (image, row, column) in 0..1."""
    last = images.shape[1] - _PATCH + 1
    numbers = (places * (len(images), last, last)).astype(int)
    patches = [images[i, y : y + _PATCH, x : x + _PATCH].ravel() for i, y, x in numbers]
    return np.stack(patches).astype(np.float64)
