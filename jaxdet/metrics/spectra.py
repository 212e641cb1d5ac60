"""What periodic traces an average spectrum holds.

A layer that upsamples by a stride leaves a pattern of that period in its images, and its multiples
where several such layers follow one another: peaks at the frequencies k / period of both axes.
Photographs have none there, but ridges along the axes.
"""

import numpy as np

# Strides of 2, one, two and three times.
PERIODS = (2, 4, 8)
# Bins between two frequencies of a period, at least: below, peaks are each other's surroundings.
_LEAST_SPACING = 4
# Bins on either side that count as surroundings, at most.
_WIDEST = 8
# Beside this a magnitude is nothing (CNNDetection, issue 21); blank images have no peaks.
_NOTHING = 1e-6


def periodic_peaks(magnitude: np.ndarray) -> dict[int, float]:
    """How far the frequencies of each period stand out of their surroundings, on average.

    A ratio of 1 is no trace. For each frequency (i / period, j / period) that is not of a shorter
    period, the magnitude there over the larger one of two medians: of the bins beside it in its
    row and in its column, so that a ridge along an axis does not count as a peak.

    Args:
      magnitude: float [S, S], mean magnitudes with frequency 0 in the middle, S even.

    Returns:
      Period in pixels (2, 4, 8) to ratio; without periods that S does not divide into bins or that
      have too few of them. NaN where the magnitudes are.
    """
    side = len(magnitude)
    return {
        period: float(np.mean([_ratio(magnitude, *place) for place in _places(side, period)]))
        for period in PERIODS
        if side % period == 0 and side // period >= _LEAST_SPACING
    }


def _places(side: int, period: int) -> list[tuple[int, int]]:
    """Rows and columns of the frequencies of a period and of no shorter one."""
    steps = range(period)
    return [
        ((side // 2 + i * side // period) % side, (side // 2 + j * side // period) % side)
        for i in steps
        for j in steps
        if i % 2 or j % 2
    ]


def _ratio(magnitude: np.ndarray, row: int, column: int) -> float:
    side = len(magnitude)
    reach = max(1, min(_WIDEST, side // PERIODS[-1] - 1))
    away = np.array([k for k in range(-reach, reach + 1) if k])
    beside = magnitude[row, (column + away) % side]
    above = magnitude[(row + away) % side, column]
    surroundings = max(np.median(beside), np.median(above))
    return float((magnitude[row, column] + _NOTHING) / (surroundings + _NOTHING))
