"""Makes the numbers of runs into rows, and writes a number in each form."""

import dataclasses
from collections.abc import Iterator, Sequence

from jaxdet.report.load import Run
from jaxdet.report.published import (
    difference_text,
    has_published,
    mean_difference,
    published_mean,
    set_difference,
)
from jaxdet.results import Results, Scores, SetResult
from jaxdet.streams import printable

_HEADER = (
    "set", "AP", "95 %", "acc", "real", "fake", "AUC", "floor", "n real", "n fake", "skipped",
)  # fmt: skip
PUBLISHED, DIFFERENCE = "published", "diff"
METADATA = "metadata"
MEAN = "mean over sets"
NONE = "\N{EN DASH}"
# Marks a row whose detector is not shown to see more than sharpness.
FLOOR_MARK = "\N{DAGGER}"
# Marks the generator whose fakes were trained on: what it scores is no transfer.
TRAINED_MARK = "\N{DOUBLE DAGGER}"
TRAINED_NOTE = f"{TRAINED_MARK} the generator whose fakes were trained on"
MARK_NOTE = (
    f"{FLOOR_MARK} AP does not clearly exceed it, and is no evidence that the detector works"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """Describes a set, or one of its categories.

    Attributes:
      set: name of the set.
      category: name of the category; None for the set itself.
      scores: what it scored.
      skipped: images that could not be read; None for a category, where it is not counted.
      published_ap: what others report for the set, 0..1; None where nobody does.
      difference: ours less the published AP, points; None likewise.
    """

    set: str
    category: str | None
    scores: Scores
    skipped: int | None
    published_ap: float | None = None
    difference: float | None = None

    @property
    def title(self) -> str:
        """Returns the row's name in a table."""
        return printable(self.set if self.category is None else self.category)

    @property
    def at_floor(self) -> bool:
        """Returns whether sharpness alone is not clearly worse than the detector."""
        return at_floor(self.scores)


def trained_set(run: Run) -> str:
    """Returns the set of the generator whose fakes were trained on; "" where none is named."""
    return str(run.options.get("data.generator", ""))


def at_floor(scores: Scores) -> bool:
    """Returns whether the interval of the AP reaches down to the sharpness baseline."""
    if scores.ap is None or scores.sharpness_ap is None:
        return False
    low = scores.ap if scores.ap_ci95 is None else scores.ap_ci95[0]
    return low <= scores.sharpness_ap


def at_metadata(scores: Scores) -> bool:
    """Says whether the interval of the AP reaches down to what metadata alone reach.

    Where that is more than chance.
    """
    if not isinstance(scores, SetResult) or scores.ap is None or scores.metadata_ap is None:
        return False
    low = scores.ap if scores.ap_ci95 is None else scores.ap_ci95[0]
    least = scores.metadata_ap if scores.metadata_ci95 is None else scores.metadata_ci95[0]
    return least > (chance(scores) or 0.0) and low <= scores.metadata_ap


def without_evidence(scores: Scores) -> bool:
    """Says whether sharpness or metadata alone are not clearly worse than the detector."""
    return at_floor(scores) or at_metadata(scores)


def has_metadata(results: Results) -> bool:
    """Returns whether any set has a metadata baseline."""
    return any(one.metadata_ap is not None for one in results.sets.values())


def metadata_cell(scores: Scores) -> str:
    """Writes `97.3` for the metadata baseline, with the mark before it; a dash for none."""
    known = scores.metadata_ap if isinstance(scores, SetResult) else None
    return (FLOOR_MARK if at_metadata(scores) else "") + percent(known)


def marked_ap(scores: Scores) -> str:
    """Writes `97.3` for an AP, with the mark behind it where it does not exceed a baseline."""
    return percent(scores.ap) + (FLOOR_MARK if without_evidence(scores) else "")


def of_one_label(scores: Scores) -> str:
    """Writes `recall 75.0` for fakes alone and `real 75.0` for real images alone; else ''."""
    if scores.ap is not None:
        return ""
    word, share = ("recall", scores.accuracy_fake) if scores.n_fake else ("real", scores.accuracy)
    return f"{word} {percent(share)}"


def chance(scores: Scores) -> float | None:
    """Returns the AP of chance, which is the share of fakes; None without images."""
    n = scores.n_real + scores.n_fake
    return scores.n_fake / n if n else None


def shared_baselines(runs: Sequence[Run]) -> dict[str, float | None] | None:
    """Returns the sharpness baseline of each set; None where runs have different ones, as shown."""
    found: dict[str, float | None] = {}
    for run in runs:
        for name, one in run.results.sets.items():
            first = found.setdefault(name, one.sharpness_ap)
            if percent(first) != percent(one.sharpness_ap):
                return None
    return found


def rows_of(results: Results) -> list[Row]:
    """Returns each set in the order of the file, followed by its categories."""
    return [row for name, one in results.sets.items() for row in _set_rows(name, one)]


def header(results: Results) -> list[str]:
    """Returns the columns of a table; published figures have two where there are any."""
    published = [PUBLISHED, DIFFERENCE] if has_published(results) else []
    metadata = [METADATA] if has_metadata(results) else []
    return [*_HEADER[:3], *published, *_HEADER[3:8], *metadata, *_HEADER[8:]]


def table(results: Results) -> list[tuple[Row, list[str]]]:
    """Returns the rows, each with its text in the order of `header`, fractions in percent."""
    shown = {"published": has_published(results), "metadata": has_metadata(results)}
    return [(row, _cells(row, **shown)) for row in rows_of(results)]


def mean_line(results: Results) -> list[str]:
    """Returns the last line of a table, in the order of `header`.

    The published mean is there only where it is over the same sets as ours.
    """
    ends = mean_ends(results, "ap", "all")
    line = [MEAN, percent(results.mean_ap), "" if ends is None else interval(ends)]
    if has_published(results):
        line += [percent(published_mean(results)), difference_text(mean_difference(results))]
    return line + [""] * (len(header(results)) - len(line))


def mean_ends(results: Results, number: str, over: str) -> tuple[float, float] | None:
    """Returns the interval of a mean "ap" or "accuracy" over "all" sets or those of a protocol."""
    return results.mean_intervals.get(number, {}).get(over)


def _cells(row: Row, *, published: bool, metadata: bool) -> list[str]:
    s = row.scores
    shares = [percent(v) for v in (s.accuracy, s.accuracy_real, s.accuracy_fake, s.auc)]
    floor = (FLOOR_MARK if row.at_floor else "") + percent(s.sharpness_ap)
    skipped = "" if row.skipped is None else str(row.skipped)
    counts = [str(s.n_real), str(s.n_fake), skipped]
    theirs = _published_cells(row) if published else []
    floors = [floor, "" if row.category else metadata_cell(s)] if metadata else [floor]
    return [row.title, percent(s.ap), interval(s.ap_ci95), *theirs, *shares, *floors, *counts]


def _published_cells(row: Row) -> list[str]:
    if row.category is not None:
        return ["", ""]
    return [percent(row.published_ap), difference_text(row.difference)]


def percent(share: float | None) -> str:
    """Formats a fraction in percent: `97.3` for 0.973; a dash for None."""
    return NONE if share is None else f"{100 * share:.1f}"


def interval(ends: tuple[float, float] | None) -> str:
    """Formats an interval as `96.8-97.7`, with an en dash; a dash for None."""
    return NONE if ends is None else f"{percent(ends[0])}\N{EN DASH}{percent(ends[1])}"


def difference(points: float, ends: tuple[float, float] | None) -> tuple[str, str]:
    """Formats a difference of fractions: `+1.2` and `+0.4 to +2.0`; '' without an interval."""
    low_high = "" if ends is None else " to ".join(f"{100 * end:+.1f}" for end in ends)
    return f"{100 * points:+.1f}", low_high


def difference_with_ends(points: float, ends: tuple[float, float] | None) -> str:
    """Writes `+1.2 (+0.4 to +2.0)`; without an interval the number alone."""
    number, low_high = difference(points, ends)
    return f"{number} ({low_high})" if low_high else number


def spread(pair: tuple[float, float] | None) -> str:
    """Formats a mean and standard deviation of fractions: `97.3 +- 0.4`, with the sign for it."""
    if pair is None:
        return NONE
    return f"{percent(pair[0])} \N{PLUS-MINUS SIGN} {percent(pair[1])}"


def set_names(runs: Sequence[Run]) -> list[str]:
    """Returns every set that any run scored, in the order in which they first appear."""
    return list(dict.fromkeys(name for run in runs for name in run.results.sets))


def ap_by_set(results: Results) -> dict[str, float]:
    """Returns the AP of the sets that have one: of those with images of both labels."""
    return {name: one.ap for name, one in results.sets.items() if one.ap is not None}


def ranked_names(runs: Sequence[Run]) -> list[str]:
    """Returns every set of which any run has an AP, in the order in which they first appear."""
    return list(dict.fromkeys(name for run in runs for name in ap_by_set(run.results)))


def shared_means(runs: Sequence[Run]) -> list[float] | None:
    """Returns each run's mean AP over the sets of `shared_names`; None where there are none."""
    shared = shared_names(runs)
    if not shared:
        return None
    found = [ap_by_set(run.results) for run in runs]
    return [sum(ap[name] for name in shared) / len(shared) for ap in found]


def shared_names(runs: Sequence[Run]) -> list[str]:
    """Returns the sets of which all runs have an AP: means over others are not to be compared."""
    return sorted(set.intersection(*(set(ap_by_set(run.results)) for run in runs))) if runs else []


def _set_rows(name: str, one: SetResult) -> Iterator[Row]:
    yield Row(
        set=name,
        category=None,
        scores=one,
        skipped=one.n_skipped,
        published_ap=one.published_ap,
        difference=set_difference(one),
    )
    for category, scores in one.categories.items():
        yield Row(set=name, category=category, scores=scores, skipped=None)
