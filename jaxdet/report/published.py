"""Compares published AP with ours: the difference, and how far it is from what was printed."""

import enum

from jaxdet.results import Results, SetResult
from jaxdet.streams import printable

# Frank and Holz, ML Reproducibility Challenge 2020, set differences of more points in bold,
# and of more again stronger.
FAR, FARTHER = 5.0, 10.0
NOTE = f"* more than {FAR:g} points from the published AP, ** more than {FARTHER:g}"


class Mark(enum.Enum):
    """Lists the marks of a difference; the sign says it without bold type or colour."""

    NEAR = ""
    FAR = "*"
    FARTHER = "**"


def source(results: Results) -> str:
    """Returns the source of the published row beside the run, without its final period."""
    return printable(str(results.weights.get("published"))).removesuffix(".")


def difference(ours: float | None, published: float | None) -> float | None:
    """Returns our AP less the published one, points, rounded as tables do; None without both."""
    if ours is None or published is None:
        return None
    return round(100 * (ours - published), 1)


def mark_of(points: float) -> Mark:
    """Returns the mark of a difference in points, as it is shown."""
    if abs(points) > FARTHER:
        return Mark.FARTHER
    return Mark.FAR if abs(points) > FAR else Mark.NEAR


def mark_class(points: float | None) -> str:
    """Returns the style sheet's name for the mark of a difference in points; "" for None."""
    return "" if points is None else mark_of(points).name.lower()


def difference_text(points: float | None) -> str:
    """Formats a difference as `+1.2`, `-7.3*`, `+10.1**`; '' where there is none."""
    return "" if points is None else f"{points:+.1f}{mark_of(points).value}"


def set_difference(one: SetResult) -> float | None:
    """Returns a set's difference in AP, points; None where nothing is published for it."""
    return difference(one.ap, one.published_ap)


def mean_difference(results: Results) -> float | None:
    """Returns the difference of the means, points; None where they are over different sets."""
    return difference(results.mean_ap, published_mean(results))


def has_published(results: Results) -> bool:
    """Returns whether a published AP stands beside that of any set."""
    return any(one.published_ap is not None for one in results.sets.values())


def published_mean(results: Results) -> float | None:
    """Returns the mean of the published AP, or None where a set has none."""
    ranked = [one for one in results.sets.values() if one.ap is not None]
    values = [one.published_ap for one in ranked if one.published_ap is not None]
    return sum(values) / len(values) if values and len(values) == len(ranked) else None
