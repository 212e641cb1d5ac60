"""Reads the AP that papers and released weights report, to stand beside what is measured here.

`published.csv` holds the numbers in long form, as printed: source, table, setting, result,
metric, column, value (AP in percent).
"""

import csv
import dataclasses
import difflib
import functools
from pathlib import Path
from types import MappingProxyType

from jaxdet.config.evaluation import Evaluation
from jaxdet.convert.folder import detector_card, is_detector
from jaxdet.errors import UserError
from jaxdet.metrics import USUAL_NAMES

_FILE = Path(__file__).with_name("published.csv")
_README = "cnndetection_readme; readme; Blur+JPEG ({}); released weights"
# The detectors that Wang et al. released, by the name of their file.
_RELEASED = MappingProxyType(
    {f"blur_jpg_prob{p}.pth": _README.format(p) for p in ("0.1", "0.5")},
)
# The setting of Wang et al., A.7, that is not the papers' protocol.
RESIZED = "resize 256, center crop 224"
# Detectors that they scored at another crop than their own (A.5).
_CROP, _OTHER_CROPS = (
    224,
    MappingProxyType(
        {
            "wang2020; table4; Nataraj et al.; Wang et al.": 256,
            "wang2020; table4; Cozzolino et al. ForensicTransfer; Wang et al.": 256,
        }
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """Holds one row of a published table.

    Attributes:
      row: "source; table; setting; result", or "" where none is known.
      ap: name of the test set's folder to AP, 0..1.
    """

    row: str = ""
    ap: dict[str, float] = dataclasses.field(default_factory=dict)


def find_published(evaluation: Evaluation, *, weights: str) -> Published:
    """Returns the row of `published`; with "auto" that of released weights, if any.

    Args:
      evaluation: a `Config.resolved_evaluation`.
      weights: where the weights that are scored lie; "" where the run trains them.

    Raises:
      UserError: where there is no such row.
    """
    row = evaluation.published
    if row == "auto":
        row = _RELEASED.get(_file_name(weights), "none") if weights else "none"
    if row == "none":
        return Published()
    if row not in published_rows():
        close = difflib.get_close_matches(row, published_rows(), n=1, cutoff=0)
        raise UserError(
            f"evaluation.published={row}: no such row; give auto, none, or a row of {_FILE.name} "
            f"such as {close[0]!r}"
        )
    return Published(row=row, ap=_ap(row, evaluation))


def _file_name(weights: str) -> str:
    """Returns the name of the file that weights come from, through a conversion too."""
    path = Path(weights)
    if is_detector(path):
        return detector_card(path).source
    return path.name


def _ap(row: str, evaluation: Evaluation) -> dict[str, float]:
    metrics = _metrics(row, evaluation)
    found = {
        column: value
        for metric, column, value in published_rows().get(row, ())
        if metric in metrics
    }
    return {
        name: round(found[column] / 100, 6)
        for name, column in USUAL_NAMES.items()
        if column in found
    }


def _metrics(row: str, evaluation: Evaluation) -> set[str]:
    """Returns the sources' names of an AP of the row that was measured as the headline is.

    Where a source has several protocols, its metric or setting says which; elsewhere all crop
    without resizing, but for two detectors to 224.
    """
    protocol, crop = evaluation.protocols[0], evaluation.crop
    if evaluation.equalise != "none":
        return set()
    if RESIZED in row:
        same = (protocol, evaluation.resize, crop) == ("resize", 256, 224)
        same = same and evaluation.resize_kernel != "bicubic"
        return {"AP"} if same else set()
    if protocol == "full":
        return {"AP, no crop"}
    if protocol != "crop":
        return set()
    return {f"AP, crop {crop}"} | ({"AP"} if crop == _OTHER_CROPS.get(row, _CROP) else set())


@functools.cache
def published_rows() -> dict[str, list[tuple[str, str, float]]]:
    """Returns for each row, "source; table; setting; result", its printed values.

    A value is (metric, column, value).
    """
    rows: dict[str, list[tuple[str, str, float]]] = {}
    with _FILE.open(newline="") as file:
        for line in csv.DictReader(file):
            row = "; ".join(line[key] for key in ("source", "table", "setting", "result"))
            rows.setdefault(row, []).append((line["metric"], line["column"], float(line["value"])))
    return rows
