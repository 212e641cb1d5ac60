"""What a run writes: dataclasses <-> JSON, JSON lines and npz. See `RunFolder` for the files.

Nothing here needs a model to be read again.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.errors import UserError
from jaxdet.files import read_json, replacing

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The places of a run's files."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config, JSON."""
        return self.path / "config.json"

    @property
    def env(self) -> Path:
        """Machine, versions and commit, JSON."""
        return self.path / "env.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a line: step, epoch, then named scalars."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """One folder a saved step."""
        return self.path / "checkpoints"

    @property
    def results(self) -> Path:
        """The scores of every set, JSON."""
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        """Folder of the page and its tables."""
        return self.path / "report"

    def predictions(self, name: str) -> Path:
        """The scores of every image of one set, npz."""
        return self.path / "predictions" / f"{name}.npz"

    @property
    def validation(self) -> Path:
        """The same of the validation set; apart, since a set of tests may have any name."""
        return self.path / "validation.npz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """One row an image, in the order of the set.

    Attributes:
      id: str [N], path below the set's folder with forward slashes,
        `[<category>/]{0_real,1_fake}/<file>`.
      label: i32 [N], 1 = fake.
      logit: f32 [N], above 0 = fake.
      sharpness: f32 [N], variance of the Laplacian of the same crop in grey, grey levels squared.
      skipped: str [M], images left out because they could not be read.
      fingerprint: hex digest of what the scores follow from: weights, images and protocol.
    """

    id: np.ndarray
    label: np.ndarray
    logit: np.ndarray
    sharpness: np.ndarray
    skipped: np.ndarray
    fingerprint: str

    @property
    def category(self) -> np.ndarray:
        """The folder, str [N], of each image: between the set and its label, or ''."""
        return np.array([i.rsplit("/", 2)[0] if i.count("/") > 1 else "" for i in self.id])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
    """What the images of a set (or of one category) amount to; shares are 0..1.

    `auc`, `ap_ci95` and the accuracy of a missing label are None where they are not defined.

    Attributes:
      measures: further numbers by name, None where not defined; see docs/evaluation.md.
      intervals: 95 % bootstrap intervals of them and of the fields above, by name.
    """

    ap: float
    accuracy: float
    accuracy_real: float | None
    accuracy_fake: float | None
    auc: float | None
    n_real: int
    n_fake: int
    ap_ci95: tuple[float, float] | None
    sharpness_ap: float
    measures: dict[str, float | None] = dataclasses.field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetResult(Scores):
    """A test set, pooled over its categories, and each category by itself.

    `published_ap` is what the row named in `Results.weights["published"]` reports for the set.
    """

    n_skipped: int = 0
    published_ap: float | None = None
    categories: dict[str, Scores] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was learned on validation images, and never on test images.

    Attributes:
      source: name of the set.
      n_real: its real images.
      n_fake: its fake images.
      temperature: by which logits are divided; None where no temperature is best.
      thresholds: "fpr_1" and "fpr_5" to the logit from which on an image is called fake, so that
        1 or 5 % of the real images are; None without real images.
    """

    source: str
    n_real: int
    n_fake: int
    temperature: float | None
    thresholds: dict[str, float | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """`results.json`.

    `calibration` is None where there was no validation set; `means` holds AP and accuracy over
    the sets of each protocol of `metrics.PROTOCOLS`, None where one of its sets is missing, and
    `mean_intervals` their 95 % intervals, "all" being those of the mean over the sets scored.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    config_hash: str
    weights: dict[str, Any]
    sets: dict[str, SetResult]
    mean_ap: float
    status: str
    calibration: Calibration | None = None
    means: dict[str, dict[str, float | None]] = dataclasses.field(default_factory=dict)
    mean_intervals: dict[str, dict[str, tuple[float, float]]] = dataclasses.field(
        default_factory=dict
    )


def read_results(path: Path) -> Results:
    """`results.json` of a run folder as dataclasses.

    Raises:
      UserError: where it is missing, damaged, or of a newer schema.
    """
    raw = read_json(path)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema version {version}, this jaxdet reads {SCHEMA_VERSION}; "
            "use the version of jaxdet that wrote it"
        )
    try:
        sets = {name: _set_result(one) for name, one in raw["sets"].items()}
        calibration = _calibration(raw.get("calibration"))
        means = {name: _numbers(one) for name, one in raw.get("means", {}).items()}
        ends = {name: _all_ends(one) for name, one in raw.get("mean_intervals", {}).items()}
        added = {"calibration": calibration, "means": means, "mean_intervals": ends}
        return _typed(Results(**{**raw, "sets": sets, **added}))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise UserError(f"{path}: not a results file of this schema: {error}") from None


def _set_result(raw: dict[str, Any]) -> SetResult:
    categories = {name: _typed(Scores(**_scores(one))) for name, one in raw["categories"].items()}
    return _typed(SetResult(**{**_scores(raw), "categories": categories}))


def _scores(raw: dict[str, Any]) -> dict[str, Any]:
    # Files of before these were added lack them.
    intervals = _all_ends(raw.get("intervals", {}))
    added = {"measures": _numbers(raw.get("measures", {})), "intervals": intervals}
    ends = raw["ap_ci95"]
    return {**raw, **added, "ap_ci95": None if ends is None else _ends(ends)}


def _calibration(raw: dict[str, Any] | None) -> Calibration | None:
    if raw is None:
        return None
    return _typed(Calibration(**{**raw, "thresholds": _numbers(raw["thresholds"])}))


def _all_ends(raw: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: _ends(one) for name, one in raw.items()}


def _ends(raw: Any) -> tuple[float, float]:
    low, high = raw
    return float(low), float(high)


def _numbers(raw: dict[str, Any]) -> dict[str, float | None]:
    return {name: None if number is None else float(number) for name, number in raw.items()}


def _typed(record: Any) -> Any:
    """The record itself, or TypeError where a value is not of its field's type."""
    for name, hint in typing.get_type_hints(type(record)).items():
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        allowed = [typing.get_origin(kind) or kind for kind in kinds]
        allowed += [int] if float in allowed else []
        value = getattr(record, name)
        if not isinstance(value, tuple(allowed)):
            raise TypeError(f"{name}={value!r} is not of type {hint}")
    return record


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes a set's rows as a plain npz (no pickles), atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f.name: getattr(predictions, f.name) for f in dataclasses.fields(predictions)}
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_predictions(path: Path) -> Predictions:
    """The rows of a set.

    Raises:
      UserError: where the file is missing, damaged or of another kind.
    """
    arrays = _read_npz(path)
    try:
        fields: dict[str, Any] = {f.name: arrays[f.name] for f in dataclasses.fields(Predictions)}
        return Predictions(**{**fields, "fingerprint": str(fields["fingerprint"])})
    except KeyError as error:
        raise UserError(f"{path}: not a file of predictions: {error} is missing") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # zipfile, zlib and numpy each raise their own kinds
        raise UserError(f"{path}: cannot be read as predictions: {error}") from None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`; a last line that a crash cut short is left out."""
    if not path.exists():
        return []
    return list(_whole_lines(path.read_text()))


def _whole_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return
