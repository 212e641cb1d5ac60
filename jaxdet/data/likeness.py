"""Judges whether an image is like those that a detector was validated on.

A threshold holds for images like those it was chosen on. A few facts tell cheaply that an image is
of another kind: its shorter side, whether it is JPEG and of what quality, and the sharpness of what
is scored of it. That an image lies within all ranges proves nothing.
"""

from collections.abc import Mapping

import numpy as np

# What is looked at, by name: how a sentence calls it, and its unit.
_FACTS = {
    "side": ("its shorter side is", "pixels"),
    "quality": ("its JPEG quality is about", ""),
    "sharpness": ("its sharpness (variance of the Laplacian) is", ""),
}
# By name of a fact: the smallest and the largest value that counts as usual.
Ranges = dict[str, tuple[float, float]]


def unlike(facts: Mapping[str, float], ranges: Ranges) -> list[str]:
    """Returns a sentence for each fact of an image that lies outside its range.

    Args:
      facts: by the names of ranges; NaN where an image does not have it.
      ranges: of the images that the detector was validated on.
    """
    outside = [
        (name, value, low, high)
        for name, (low, high) in ranges.items()
        # A fact that an image does not have lies in no range, and outside of none.
        if (value := facts.get(name, np.nan)) < low or value > high
    ]
    return [f"unlike the images of validation: {_sentence(*one)}" for one in outside]


def _sentence(name: str, value: float, low: float, high: float) -> str:
    if name == "jpeg":
        other = "it is a JPEG, and none of theirs is"
        return other if value else "it is no JPEG, and all of theirs are"
    title, unit = _FACTS[name]
    span = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
    return f"{title} {value:.4g}{unit and ' ' + unit}, theirs {span}"
