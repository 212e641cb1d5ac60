"""Makes the second table: numbers at thresholds and on probabilities, means of papers' sets."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from jaxdet.metrics import (
    BALANCED_GROUP,
    MEASURES,
    PROTOCOLS,
    Column,
    missing_sets,
    protocol_mean,
)
from jaxdet.report.load import Run
from jaxdet.report.rows import NONE, ap_by_set, interval, percent
from jaxdet.results import Calibration, Results, Scores, SetResult

# Fields of the scores that have intervals, in the order of the CSV's columns.
FIELDS = ("accuracy", "accuracy_real", "accuracy_fake", "auc")
TWO_SHOT = "two_shot"
TITLE = "Thresholds and calibration"
NO_CALIBRATION = (
    "No temperature and no threshold from validation: this run scored no validation set, "
    "and none is stored with its weights."
)
PROTOCOL_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "eleven": "Mean over the eleven sets of the papers",
        "thirteen": "Mean over all thirteen sets",
        "eight": "Mean over the eight sets of later work",
    }
)
_COLUMNS = (
    Column(
        name="accuracy", group="Accuracy", title="at 0", flat="accuracy at logit 0",
        definition=("Accuracy", "at logit 0. Its value on fakes is the TPR and on reals the TNR, "
                    "fakes being positive; Xuan et al. call real positive"),
    ),
    Column(
        name=TWO_SHOT, group="Accuracy", title="two-shot", flat="two-shot accuracy",
        definition=("Two-shot", "mean and standard deviation of the accuracy at thresholds that "
                    "are each learned from random crops of one real and one fake image of the set; "
                    "Wang et al., A.6"),
    ),
    *MEASURES,
)  # fmt: skip
_APART = ("ECE", "Brier", BALANCED_GROUP)


def columns(results: Results) -> list[Column]:
    """Returns the columns that the run has numbers for; none where no set was measured."""
    measured = {name for one in results.sets.values() for name in one.measures}
    measured |= {TWO_SHOT for one in results.sets.values() if one.two_shot is not None}
    return [c for c in _COLUMNS if c.name in measured or (measured and c.name in FIELDS)]


def definitions(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Returns (term, meaning) of the columns that any of the runs has."""
    shown = {column.name for run in runs for column in columns(run.results)}
    terms: dict[tuple[str, str], None] = {}
    for column in _COLUMNS:
        if column.name in shown:
            # What several columns share comes where the last of them stands.
            terms.pop(column.definition, None)
            terms[column.definition] = None
    return list(terms)


def parts(chosen: Sequence[Column]) -> list[list[Column]]:
    """Splits the columns into a page's tables: all in one would be too wide to be read."""
    wide = [c for c in chosen if c.group not in _APART]
    rest = [c for c in chosen if c.group in _APART]
    return [part for part in (wide, rest) if part]


def groups(chosen: Sequence[Column]) -> list[tuple[str, int]]:
    """Returns the headings over neighbouring columns, each with how many it spans."""
    spans: list[tuple[str, int]] = []
    for column in chosen:
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans


def cell(scores: Scores, column: Column) -> tuple[str, str]:
    """Returns (number, its interval or '') as text.

    Of the two-shot accuracy the second is the spread over the pairs.
    """
    if column.name == TWO_SHOT:
        return _two_shot_cell(scores)
    ends = scores.intervals.get(column.name)
    number = number_of(scores, column.name)
    if column.digits is None:
        return percent(number), "" if ends is None else interval(ends)
    if number is None:
        return NONE, ""
    low_high = "" if ends is None else " to ".join(f"{end:.{column.digits}f}" for end in ends)
    return f"{number:.{column.digits}f}", low_high


def number_of(scores: Scores, name: str) -> float | None:
    """Returns a field or a measure by its name; None where it is not there or not defined."""
    return getattr(scores, name) if name in FIELDS else scores.measures.get(name)


def _two_shot_cell(scores: Scores) -> tuple[str, str]:
    two_shot = scores.two_shot if isinstance(scores, SetResult) else None
    if two_shot is None:
        return NONE, ""
    return percent(two_shot.accuracy), f"\N{PLUS-MINUS SIGN} {percent(two_shot.accuracy_sd)}"


# Of a threshold for false positives, or for fakes that are called real, what lies on its side.
_SIDES = {"fpr": "from", "fnr": "up to"}


def calibration_line(calibration: Calibration | None) -> str:
    """Describes in words what was learned on validation."""
    if calibration is None:
        return NO_CALIBRATION
    temperature = calibration.temperature
    learned = "no temperature is best" if temperature is None else f"temperature {temperature:.3g}"
    limits = [
        f"{percent} % {rate.upper()} {_SIDES[rate]} logit {threshold:.2f}"
        for name, threshold in calibration.thresholds.items()
        for rate, _, percent in [name.partition("_")]
        if threshold is not None
    ]
    counts = f"{calibration.n_real} real and {calibration.n_fake} fake validation images"
    return f"From {counts} ({calibration.source}): {', '.join([learned, *limits])}."


def protocol_means(results: Results) -> list[tuple[str, float | None, float | None, list[str]]]:
    """Returns (protocol, mean AP, mean accuracy, missing sets) of each; [] for other sets alone."""
    if not set(results.sets) & set(PROTOCOLS["thirteen"]):
        return []
    ap = ap_by_set(results)
    accuracy = {name: one.accuracy for name, one in results.sets.items()}
    return [
        (p, protocol_mean(ap, p), protocol_mean(accuracy, p), missing_sets(ap, p))
        for p in PROTOCOL_TITLES
    ]


def protocol_lines(runs: Sequence[Run]) -> list[tuple[str, list[float | None]]]:
    """Returns (title, mean AP of each run) of the protocols of which any run has all sets."""
    lines = []
    for protocol, title in PROTOCOL_TITLES.items():
        means = [protocol_mean(ap_by_set(run.results), protocol) for run in runs]
        if any(mean is not None for mean in means):
            lines.append((title, means))
    return lines
