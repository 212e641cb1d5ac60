"""Blurs images by a Gaussian, as published and fast.

CNNDetection (data/datasets.py) runs SciPy's filter in place on uint8: down the columns, then along
the rows, truncated to whole levels after each. The image gets about one level darker by it.
"""

import functools

import numpy as np

from jaxdet.data.opencv import cv2
from jaxdet.data.ops.arguments import check_number, check_pixels
from jaxdet.errors import BadArgumentError

# SciPy's default: the kernel ends at four standard deviations.
_TRUNCATE = 4.0
# BORDER_REFLECT repeats the edge pixel, as SciPy's "reflect" does (half-sample symmetric).
_BORDER = cv2.BORDER_REFLECT
# Where more than this share of the levels is in doubt (flat areas), SciPy itself is quicker.
_MOST_DOUBTS = 0.1


def gaussian_blur(image: np.ndarray, *, sigma: float, backend: str = "faithful") -> np.ndarray:
    """Blurs an image channel by channel.

    Args:
      image: u8 [H, W, 3], channels in any order.
      sigma: standard deviation, pixels; below 0.125 the kernel has one tap and nothing changes.
      backend: "faithful" gives the published levels bit by bit. "fast" filters once in float32
        and takes off the one level that truncating twice takes off on average: at most one level
        from the published ones, and equal in the mean (docs/evidence/data.md has the figures).

    Returns:
      u8 [H, W, 3].

    Raises:
      BadArgumentError: where the image is none, or there is no such sigma or backend.
    """
    image = check_pixels(image)
    check_number("sigma", sigma, "[0, 1e4]")
    if backend not in ("faithful", "fast"):
        raise BadArgumentError(f"backend {backend!r} is neither 'faithful' nor 'fast'")
    if blur_radius(sigma) == 0:
        return image.copy()
    if backend == "fast":
        return _blur_once(image, sigma)
    if not _is_exact_here():
        return _blur_scipy(image, sigma)
    return _truncated(_truncated(image, sigma, axis=0), sigma, axis=1)


def blur_radius(sigma: float) -> int:
    """Returns the radius of the blur's kernel, pixels."""
    return int(_TRUNCATE * sigma + 0.5)


def _blur_scipy(image: np.ndarray, sigma: float) -> np.ndarray:
    # Whoever only scores images has no SciPy.
    from scipy import ndimage

    blurred = image.copy()
    for channel in range(3):
        plane = blurred[:, :, channel]
        ndimage.gaussian_filter(plane, sigma=sigma, output=plane, truncate=_TRUNCATE)
    return blurred


def _blur_once(image: np.ndarray, sigma: float) -> np.ndarray:
    kernel = _kernel(sigma).astype(np.float32)
    return cv2.sepFilter2D(image, cv2.CV_8U, kernel, kernel, delta=-1, borderType=_BORDER)


def _kernel(sigma: float) -> np.ndarray:
    """Returns SciPy's weights, f64 [2 * radius + 1] (ndimage/_filters.py, `_gaussian_kernel1d`)."""
    radius = blur_radius(sigma)
    places = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * places**2)
    return weights / weights.sum()


def _truncated(image: np.ndarray, sigma: float, *, axis: int) -> np.ndarray:
    """Returns the image filtered along one axis and truncated, bit for bit SciPy's.

    A filter in float32 settles every level that it does not leave within its own rounding of a
    whole number; only the others are summed again in SciPy's float64 and order.
    """
    weights = _kernel(sigma)
    one, many = np.ones(1, np.float32), weights.astype(np.float32)
    along, down = (one, many) if axis == 0 else (many, one)
    rough = cv2.sepFilter2D(image, cv2.CV_32F, along, down, borderType=_BORDER)
    levels = rough.astype(np.uint8)
    # (n + 3) roundings of sums up to 255; black stays exactly 0.
    doubt = np.float32((len(weights) + 3) * 2.0**-24 * 256)
    doubtful = np.flatnonzero((np.abs(rough - np.rint(rough)) < doubt) & (rough > 0))
    if doubtful.size > _MOST_DOUBTS * levels.size:
        return _axis_by_scipy(image, sigma, axis)
    levels.reshape(-1)[doubtful] = _sums(image, weights, doubtful, axis).astype(np.uint8)
    return levels


def _axis_by_scipy(image: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    from scipy import ndimage

    filtered: np.ndarray = ndimage.gaussian_filter1d(image, sigma, axis, truncate=_TRUNCATE)
    return filtered


def _sums(image: np.ndarray, weights: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    """Returns filtered levels f64 [N] at places of the flat image.

    In the order in which SciPy adds: the centre, then pairs from the outermost in
    (ndimage/src/ni_filters.c, NI_Correlate1D).
    """
    radius = len(weights) // 2
    down, along = (radius, 0) if axis == 0 else (0, radius)
    padded = cv2.copyMakeBorder(image, down, down, along, along, _BORDER)
    rows, rest = np.divmod(places, image.shape[1] * 3)
    stride = padded.shape[1] * 3 if axis == 0 else 3
    first = rows * padded.shape[1] * 3 + rest
    taps = padded.reshape(-1)[first + stride * np.arange(len(weights))[:, None]].astype(np.float64)
    sums = taps[radius] * weights[radius]
    for near, far, weight in zip(taps[:radius], taps[:radius:-1], weights, strict=False):
        sums += (near + far) * weight
    return sums


@functools.cache
def _is_exact_here() -> bool:
    """Returns whether SciPy on this machine adds as assumed.

    A compiler that fuses operations may not.
    """
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
    flat = np.repeat(np.repeat(noise[::8, ::8], 8, axis=0), 8, axis=1)
    return all(
        np.array_equal(
            _sums(image, _kernel(sigma), np.arange(image.size), axis).astype(np.uint8),
            _axis_by_scipy(image, sigma, axis).reshape(-1),
        )
        for image in (noise, flat)
        for sigma in (0.4, 1.2, 2.9)
        for axis in (0, 1)
    )
