"""Finds what periodic traces an average spectrum holds.

A layer that upsamples by a stride leaves a pattern of that period in its images, and several such
layers one of the product: peaks at multiples of 1 / period along both axes. Photographs have none
there, but ridges along the axes.
"""

import math

import numpy as np

# Pixels: strides of 2 once, twice and three times, and of 3 (super-resolution).
PERIODS = (2, 3, 4, 8)
# Bins between two frequencies of a period, at least: below, peaks are each other's surroundings.
_LEAST_SPACING = 4
# Bins on either side that count as surroundings, at most.
_WIDEST = 8
# Beside this a magnitude is nothing (CNNDetection, issue 21); blank images have no peaks.
_NOTHING = 1e-6


def periodic_peaks(magnitude: np.ndarray) -> dict[int, float]:
    """Returns how far each period's frequencies stand out of their surroundings, on average.

    A ratio of 1 is no trace. For each frequency (i / period, j / period) that is not of a shorter
    period, the magnitude there over the larger one of two medians: of the bins beside it in its
    row and in its column, so that a ridge along an axis does not count as a peak. Where the period
    does not divide S, the nearest bin stands for the frequency, and holds at least 0.6 of a peak.

    Args:
      magnitude: float [S, S], mean magnitudes with frequency 0 in the middle.

    Returns:
      Period in pixels (2, 3, 4, 8) to ratio, without periods whose frequencies are less than four
      bins apart. NaN where the magnitudes are.
    """
    side = len(magnitude)
    return {
        period: float(np.mean([_ratio(magnitude, *place) for place in _places(side, period)]))
        for period in PERIODS
        if side // period >= _LEAST_SPACING
    }


def _places(side: int, period: int) -> list[tuple[int, int]]:
    """Returns the row and column of each frequency of a period and of no shorter one."""
    bins = [(side // 2 + round(i * side / period)) % side for i in range(period)]
    return [
        (bins[i], bins[j])
        for i in range(period)
        for j in range(period)
        if math.gcd(i, j, period) == 1
    ]


def _ratio(magnitude: np.ndarray, row: int, column: int) -> float:
    side = len(magnitude)
    reach = max(1, min(_WIDEST, side // PERIODS[-1] - 1))
    away = np.array([k for k in range(-reach, reach + 1) if k])
    beside = magnitude[row, (column + away) % side]
    above = magnitude[(row + away) % side, column]
    surroundings = max(np.median(beside), np.median(above))
    return float((magnitude[row, column] + _NOTHING) / (surroundings + _NOTHING))
