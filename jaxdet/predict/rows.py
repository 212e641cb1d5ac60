"""From images to rows: the one way in which every engine of `predict` scores and judges."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.config import Data
from jaxdet.data.ops.codec import Exif
from jaxdet.data.pieces import Crop, Piece
from jaxdet.data.regular import reason
from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.files import Encoded, Input, read_ahead
from jaxdet.progress import ProgressLine

# path, logit, probability and prediction, or path and error.
Row = dict[str, Any]
# The logit of an image, or why it has none.
Answer = float | str


def score_files(
    detector: LoadedDetector,
    paths: Sequence[Path],
    *,
    crop: Crop,
    threshold: float = 0.5,
    max_pixels: int = Data.max_pixels,
    exif: Exif = "ignore",
) -> list[Row]:
    """A row a file in the order given: path, logit, probability, prediction, or path and error."""
    inputs = (Input(str(path), path) for path in paths)
    with ProgressLine("score", total=len(paths), unit="files") as progress:
        return score_inputs(
            detector, inputs, crop=crop, threshold=threshold, max_pixels=max_pixels,
            exif=exif, progress=progress,
        )  # fmt: skip


def score_inputs(
    detector: LoadedDetector,
    inputs: Iterable[Input],
    *,
    crop: Crop,
    threshold: float,
    max_pixels: int,
    exif: Exif,
    progress: ProgressLine,
) -> list[Row]:
    """A row for each input, in their order; inputs are taken as they are needed."""
    names: list[str] = []

    def encoded() -> Iterator[Encoded]:
        for one in inputs:
            names.append(one.name)
            yield one.image

    def pixels() -> Iterator[np.ndarray | str]:
        for _, image in read_ahead(encoded(), max_pixels=max_pixels, exif=exif):
            yield reason(image) if isinstance(image, Exception) else image
            progress.advance()

    answers = score_pixels(detector, pixels(), crop=crop)
    return [to_row(name, one, threshold) for name, one in zip(names, answers, strict=True)]


def score_pixels(
    detector: LoadedDetector, images: Iterable[np.ndarray | str], *, crop: Crop
) -> list[Answer]:
    """The logit of each image, in their order.

    Args:
      detector: what scores them.
      images: u8 [H, W, 3] each, or why an image has no pixels, which is then the answer.
      crop: what of an image is scored, as in `LoadedDetector.score`.
    """
    logits: list[float] = []
    errors: dict[int, str] = {}

    def pieces() -> Iterator[Piece]:
        for number, image in enumerate(images):
            logits.append(0.0)
            if isinstance(image, str):
                errors[number] = image
            else:
                yield from detector.cut(image, owner=number, crop=crop)

    for piece, logit in detector.score_pieces(pieces()):
        logits[piece.owner] += piece.share * logit
    return [errors.get(number, float(np.float32(logit))) for number, logit in enumerate(logits)]


def to_row(path: str, answer: Answer, threshold: float) -> Row:
    """What is said of an image: above the probability `threshold` it is called fake."""
    if isinstance(answer, str):
        return {"path": path, "error": answer}
    if not math.isfinite(answer):
        return {"path": path, "error": f"its logit is {answer}: these weights are no detector's"}
    probability = 1 / (1 + math.exp(-answer)) if answer > -700 else 0.0
    return {
        "path": path,
        "logit": answer,
        "probability": probability,
        "prediction": "fake" if probability > threshold else "real",
    }
