"""Finds where a detector, by its own scores, calls 1 % of a user's real images fake."""

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet import metrics
from jaxdet.data.formats import is_image_name
from jaxdet.data.walk import walk
from jaxdet.errors import UserError
from jaxdet.progress import say
from jaxdet.report.load import Run, read_predictions
from jaxdet.results import RunFolder, is_finite
from jaxdet.workdir.files import check_folder, read_json

FPR = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnThreshold:
    """Holds the threshold of a detector on somebody's real images.

    Attributes:
      logit: from which on an image is called fake, so that at most 1 % of the real images are.
      ends: its 95 % interval, by order statistics: free of any assumption on the scores.
      n_reals: images behind it.
      n_unread: images that could not be read.
      recall: share of the fakes of each set that lie above it, by the sets that have predictions.
    """

    logit: float
    ends: tuple[float, float]
    n_reals: int
    n_unread: int
    recall: dict[str, float]


def check_reals(folder: Path) -> None:
    """Raises UserError unless a folder holds enough images for a threshold at 1 %."""
    check_folder(folder, option="--reals=")
    # Comes with OpenCV, which no other report needs.
    from jaxdet.data.regular import listing

    with listing(folder):
        count = sum(map(is_image_name, (name for visit in walk(folder) for name in visit.names)))
    _refuse_few(folder, count, "images")


def own_threshold(run: Run, folder: Path) -> OwnThreshold:
    """Scores real images with the detector of a run, by its protocol, and takes the threshold.

    Raises:
      UserError: where too few images can be read, or the detector's weights cannot.
    """
    rows = _scored(run, folder)
    scores = [row["logit"] for row in rows if is_finite(row.get("logit"))]
    _refuse_few(folder, len(scores), "readable images")
    logit = np.array(scores)
    threshold = metrics.threshold_at_fpr(np.zeros(len(logit)), logit, fpr=FPR)
    assert threshold is not None  # there are reals, and all of their scores are finite
    ends = metrics.quantile_interval(logit, share=1 - FPR)
    return OwnThreshold(
        logit=threshold,
        ends=ends,
        n_reals=len(scores),
        n_unread=len(rows) - len(scores),
        recall=_recall(run, threshold),
    )


def _refuse_few(folder: Path, count: int, what: str) -> None:
    needed = metrics.images_for_quantile(1 - FPR)
    if count < needed:
        raise UserError(
            f"--reals={folder}: {count} {what} are too few for a threshold at 1 % false positives: "
            f"its 95 % interval needs {needed} or more"
        )


def _scored(run: Run, folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of `python -m jaxdet.predict`, which alone needs JAX."""
    options = [*_weights_options(run), *_protocol_options(run)]
    say(f"{run.label}: scoring the images of {folder}")
    with tempfile.TemporaryDirectory() as drafts:
        out = Path(drafts) / "rows.json"
        command = [sys.executable, "-m", "jaxdet.predict", *options, f"--json={out}", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # With 1 some images could not be read, and have a row that says so.
        if done.returncode not in (0, 1) or not out.exists():
            said = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            raise UserError(f"{run.label}: its images are not scored: {said}")
        rows = read_json(out)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{run.label}: its images are not scored: {out.name} holds no rows")
    return rows


def _weights_options(run: Run) -> list[str]:
    """Returns the options of `predict` that name the weights which a run scored."""
    if run.options.get("task") != "eval":
        return [f"--weights={run.folder.path}"]
    init = Path(str(run.options.get("model.init")))
    options = [f"--weights={init}"]
    if init.is_file():
        options.append(f"--arch={run.options.get('model.name')}")
    choice = run.options.get("evaluation.weights", "auto")
    if choice != "auto" and RunFolder(init).config.is_file():
        options.append(f"--checkpoint={choice}")
    return options


def _protocol_options(run: Run) -> list[str]:
    """Returns the options of `predict` by which an image is scored as the run scored its sets.

    Raises:
      UserError: for five crops and re-encoded images, which `predict` does not take.
    """
    protocol, options = run.results.protocol, run.options
    if run.results.equalise != "none":
        raise UserError(
            f"{run.label}: was scored of images re-encoded as {run.results.equalise} "
            "(evaluation.equalise), which --reals does not do to yours"
        )
    if protocol == "full":
        return ["--crop=none"]
    if protocol in ("five_crops", "ten_crops"):
        crops = protocol.replace("_", " ")
        raise UserError(f"{run.label}: was scored by {crops}, which --reals does not take")
    crop = f"--crop={options.get('evaluation.crop') or options.get('augment.crop')}"
    resize = [f"--resize={options.get('evaluation.resize')}"] if protocol == "resize" else []
    return [crop, *resize]


def _recall(run: Run, threshold: float) -> dict[str, float]:
    recalls = {}
    for name, one in run.results.sets.items():
        rows = read_predictions(run, name) if one.n_fake else None
        if rows is not None and rows.label.any():
            recalls[name] = float(np.mean(rows.logit[rows.label == 1] >= threshold))
    return recalls
