"""Measures what the images that a detector is validated on are like; see `data/likeness.py`."""

import numpy as np

from jaxdet.data.baseline import MOST, file_facts
from jaxdet.data.images import ImageSet
from jaxdet.data.likeness import Ranges

# Percentiles that bound a range: a few odd images do not widen it.
_ENDS = (1, 99)


def usual_ranges(images: ImageSet, *, sharpness: np.ndarray, max_pixels: int) -> Ranges:
    """Returns the ranges of a set's facts; of the JPEG quality none where nothing is JPEG.

    Args:
      images: the set; as many of its files are looked at as for the baseline, evenly spaced.
      sharpness: f32 [N], of what was scored of each image.
      max_pixels: images with more are left out.
    """
    count = min(len(images), MOST)
    places = np.linspace(0, len(images) - 1, count).astype(int).tolist()
    read = [facts for place in places if (facts := file_facts(images, place, max_pixels))]
    quality = np.array([one["quality"] for one in read])
    values = {
        "side": np.array([min(one["width"], one["height"]) for one in read]),
        "quality": quality[~np.isnan(quality)],
        "jpeg": (~np.isnan(quality)).astype(float),
        "sharpness": sharpness,
    }
    return {name: _range(one) for name, one in values.items() if one.size}


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, _ENDS)
    return float(low), float(high)
