"""Converts `results.json`, what a run measured, between dataclasses and JSON."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxdet.errors import UserError
from jaxdet.results.calibration import Calibration, read_calibration
from jaxdet.results.checks import all_ends, ends, numbers, typed
from jaxdet.workdir.files import check_schema, read_json

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
    """Holds the scores of a set (or of one category); shares are 0..1.

    Of a set of one label there are no `ap`, `auc`, `ap_ci95` and `sharpness_ap`, nor an accuracy on
    the other label: None.

    Attributes:
      measures: further numbers by name, None where not defined; see docs/reference/evaluation.md.
      intervals: 95 % bootstrap intervals of them and of the fields above, by name.
    """

    ap: float | None
    accuracy: float
    accuracy_real: float | None
    accuracy_fake: float | None
    auc: float | None
    n_real: int
    n_fake: int
    ap_ci95: tuple[float, float] | None
    sharpness_ap: float | None
    measures: dict[str, float | None] = dataclasses.field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoShot:
    """Holds the accuracy on a set at a threshold learned from two of its images.

    One of them is real and one is fake.

    Attributes:
      accuracy: mean over the pairs, 0..1.
      accuracy_sd: standard deviation over the pairs.
      threshold: mean over the pairs, logit.
      threshold_sd: standard deviation over the pairs.
      pairs: how many.
      crops: random crops of each image.
    """

    accuracy: float
    accuracy_sd: float
    threshold: float
    threshold_sd: float
    pairs: int
    crops: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetResult(Scores):
    """Holds the scores of a test set, pooled over its categories, and of each category by itself.

    `metadata_ap` is the AP that container, sides and quality alone reach, `metadata_ci95` its
    interval; None where there are too few images.
    `published_ap` is what the row named in `Results.weights["published"]` reports for the set,
    `two_shot` what a threshold learned from two of its images gives; None where not asked for.
    `n_groups` is the number of groups that intervals draw, images without one counting as one each;
    None where no image has a group.
    `pooled_auc` is the AUC over the images as they are and after each chain together, with its
    interval; None without chains.
    """

    n_skipped: int = 0
    n_groups: int | None = None
    published_ap: float | None = None
    metadata_ap: float | None = None
    metadata_ci95: tuple[float, float] | None = None
    pooled_auc: float | None = None
    pooled_auc_ci95: tuple[float, float] | None = None
    two_shot: TwoShot | None = None
    categories: dict[str, Scores] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """Holds the scores of the sets by another protocol, or on disturbed images.

    Attributes:
      kind: "protocol", "blur", "jpeg", "scale", "noise", "long", or "chain" for several of these.
      level: of the disturbance (sigma in pixels, quality, factor, sigma in grey levels, pixels of
        the longer side); None for a protocol and a chain.
      sets: pooled over categories.
      mean_ap: the plain mean over the sets with images of both labels; None without any.
    """

    kind: str
    level: float | None
    sets: dict[str, Scores]
    mean_ap: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Holds the plain mean of some shares and the least of them, 0..1, with 95 % intervals.

    The intervals are None where nothing was drawn.
    """

    mean: float
    minimum: float
    mean_ci95: tuple[float, float] | None = None
    minimum_ci95: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """Holds what others report of a benchmark.

    Attributes:
      source: where it is printed, and what is known of how it was measured.
      mark: "R" where it was read there, "T" where in a third party's notes.
      result: the detector.
      metric: name of a field of `Overall`.
      value: the mean over the benchmark's sets, 0..1.
    """

    source: str
    mark: str
    result: str
    metric: str
    value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overall:
    """Holds what the test sets of a benchmark come to, or several benchmarks.

    Attributes:
      n: how many sets, or benchmarks.
      ap: over those with images of both labels; None where there are none.
      auc: likewise.
      accuracy: at logit 0, likewise.
      recall: accuracy on fake images, over those that have any; None likewise.
      accuracy_real: accuracy on real images, likewise.
      balanced_accuracy: mean of the accuracy on real and on fake images, over those with both.
      published: what others report of the benchmark.
    """

    n: int
    ap: Summary | None = None
    auc: Summary | None = None
    accuracy: Summary | None = None
    recall: Summary | None = None
    accuracy_real: Summary | None = None
    balanced_accuracy: Summary | None = None
    published: list[Figure] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """Holds the contents of `results.json`.

    `mean_ap` is over the sets with images of both labels, None without any.
    `calibration` is None where there was no validation set; `means` holds AP and accuracy over
    the sets of each protocol of `metrics.PROTOCOLS`, None where one of its sets is missing, and
    `mean_intervals` their 95 % intervals, "all" being those of the mean over the sets scored.
    `protocol` says how `sets` were scored, `equalise` what was done to every image before (the
    value of `evaluation.equalise`), `conditions` has the same sets scored otherwise, by
    name: a further protocol ("full"), a disturbance and its level ("jpeg-65") or several
    ("long-768+jpeg-60"). `chains` names, for each of `evaluation.chains`, the conditions after each
    of its steps.
    `benchmarks` holds mean and minimum over the test sets of each of `evaluation.benchmarks`, by
    its name, `over_benchmarks` those over the benchmarks' means; {} and None without benchmarks.
    `warnings` are sentences on what misleads whoever reads the numbers: tests that were trained on.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    config_hash: str
    weights: dict[str, Any]
    sets: dict[str, SetResult]
    mean_ap: float | None
    status: str
    calibration: Calibration | None = None
    means: dict[str, dict[str, float | None]] = dataclasses.field(default_factory=dict)
    mean_intervals: dict[str, dict[str, tuple[float, float]]] = dataclasses.field(
        default_factory=dict
    )
    protocol: str = "crop"
    equalise: str = "none"
    conditions: dict[str, Condition] = dataclasses.field(default_factory=dict)
    chains: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    benchmarks: dict[str, Overall] = dataclasses.field(default_factory=dict)
    over_benchmarks: Overall | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)


def read_results(path: Path) -> Results:
    """Reads `results.json` of a run folder as dataclasses.

    Raises:
      UserError: where it is missing, damaged, or of a newer schema.
    """
    raw = read_json(path)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    check_schema(path, version, known=SCHEMA_VERSION)
    try:
        sets = {name: _set_result(one) for name, one in raw["sets"].items()}
        over = raw.get("over_benchmarks")
        read = {
            "sets": sets,
            "calibration": read_calibration(raw["calibration"]),
            "means": {name: numbers(one) for name, one in raw["means"].items()},
            "mean_intervals": {name: all_ends(one) for name, one in raw["mean_intervals"].items()},
            "conditions": {name: _condition(one) for name, one in raw["conditions"].items()},
            "chains": {name: list(map(str, of)) for name, of in raw.get("chains", {}).items()},
            "benchmarks": {name: _overall(one) for name, one in raw.get("benchmarks", {}).items()},
            "over_benchmarks": over and _overall(over),
            "warnings": list(map(str, raw["warnings"])),
        }
        return typed(Results(**{**raw, **read}))
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: not a results file of this schema: {error}") from None


def _set_result(raw: dict[str, Any]) -> SetResult:
    categories = {name: typed(Scores(**_scores(one))) for name, one in raw["categories"].items()}
    two_shot = None if raw["two_shot"] is None else typed(TwoShot(**raw["two_shot"]))
    intervals = {name: raw.get(name) for name in ("metadata_ci95", "pooled_auc_ci95")}
    known = {
        "categories": categories,
        "two_shot": two_shot,
        **{name: None if one is None else ends(one) for name, one in intervals.items()},
    }
    return typed(SetResult(**{**_scores(raw), **known}))


def _condition(raw: dict[str, Any]) -> Condition:
    sets = {name: typed(Scores(**_scores(one))) for name, one in raw["sets"].items()}
    return typed(Condition(**{**raw, "sets": sets}))


def _overall(raw: dict[str, Any]) -> Overall:
    published = [typed(Figure(**one)) for one in raw.get("published", [])]
    summaries = {name: one for name, one in raw.items() if name not in ("n", "published")}
    read = {name: one and _summary(one) for name, one in summaries.items()}
    return typed(Overall(n=raw["n"], published=published, **read))


def _summary(raw: dict[str, Any]) -> Summary:
    known = {
        name: None if raw.get(name) is None else ends(raw[name])
        for name in ("mean_ci95", "minimum_ci95")
    }
    return typed(Summary(**{**raw, **known}))


def _scores(raw: dict[str, Any]) -> dict[str, Any]:
    interval = raw["ap_ci95"]
    return {
        **raw,
        "ap_ci95": None if interval is None else ends(interval),
        "measures": numbers(raw["measures"]),
        "intervals": all_ends(raw["intervals"]),
    }
