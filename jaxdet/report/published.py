"""Published AP beside ours: the difference, and how far it is from what was printed."""

import enum

from jaxdet.results import Results, SetResult
from jaxdet.streams import printable

# Frank and Holz, ML Reproducibility Challenge 2020, set differences of more points in bold,
# and of more again stronger.
FAR, FARTHER = 5.0, 10.0
NOTE = f"* more than {FAR:g} points from the published AP, ** more than {FARTHER:g}"


class Mark(enum.Enum):
    """How a difference is marked; the sign says it without bold type or colour."""

    NEAR = ""
    FAR = "*"
    FARTHER = "**"


def source(results: Results) -> str:
    """The row of a published table that stands beside the run, for a sentence to go on from."""
    return printable(str(results.weights.get("published"))).removesuffix(".")


def difference(ours: float | None, published: float | None) -> float | None:
    """Ours less the published AP in points, to the digit that tables show; None without both."""
    if ours is None or published is None:
        return None
    return round(100 * (ours - published), 1)


def mark_of(points: float) -> Mark:
    """The mark of a difference in points, as it is shown."""
    if abs(points) > FARTHER:
        return Mark.FARTHER
    return Mark.FAR if abs(points) > FAR else Mark.NEAR


def mark_class(points: float | None) -> str:
    """What the page's style sheet calls the mark."""
    return "" if points is None else mark_of(points).name.lower()


def difference_text(points: float | None) -> str:
    """`+1.2`, `-7.3*`, `+10.1**`; '' where there is none."""
    return "" if points is None else f"{points:+.1f}{mark_of(points).value}"


def set_difference(one: SetResult) -> float | None:
    """Of a set, in points; None where nothing is published for it."""
    return difference(one.ap, one.published_ap)


def mean_difference(results: Results) -> float | None:
    """Of the means, in points; None where they are over different sets."""
    return difference(results.mean_ap, published_mean(results))


def has_published(results: Results) -> bool:
    """True where a published AP stands beside that of any set."""
    return any(one.published_ap is not None for one in results.sets.values())


def published_mean(results: Results) -> float | None:
    """The mean of the published AP, or None where a set has none."""
    values = [one.published_ap for one in results.sets.values() if one.published_ap is not None]
    return sum(values) / len(values) if values and len(values) == len(results.sets) else None
