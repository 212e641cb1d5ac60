"""From images to rows: the one way in which every engine of `predict` scores and judges."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.config import Data
from jaxdet.data.ops.codec import Exif
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.regular import reason
from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.files import Encoded, Input, read_ahead
from jaxdet.predict.judgement import Judgement
from jaxdet.progress import ProgressLine
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.protocol import Crop, Protocol
from jaxdet.scoring.scorer import image_logits

# path, logit, probability, calibrated and prediction, or path and error.
Row = dict[str, Any]
# The logit of an image, or why it has none.
Answer = float | str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scoring:
    """States how images are read, scored and judged.

    Attributes:
      protocol: what of an image is scored.
      judgement: from logits to probabilities and verdicts.
      max_pixels: images with more are not decoded.
      exif: whether images are turned as EXIF says.
    """

    protocol: Protocol
    judgement: Judgement
    max_pixels: int = Data.max_pixels
    exif: Exif = "ignore"

    @classmethod
    def of(
        cls,
        detector: LoadedDetector,
        *,
        crop: Crop | None = None,
        resize: int | None = None,
        threshold: str | float = 0.5,
        raw: bool = False,
        max_pixels: int = Data.max_pixels,
        exif: Exif = "ignore",
    ) -> "Scoring":
        """Returns the detector's own way of scoring, or the one that is asked for.

        Raises:
          UserError: where the detector cannot do what is asked for.
        """
        protocol = detector.choose(crop, resize)
        judgement = detector.judge(threshold=threshold, raw=raw, protocol=protocol)
        return cls(protocol=protocol, judgement=judgement, max_pixels=max_pixels, exif=exif)


def score_files(detector: LoadedDetector, paths: Sequence[Path], scoring: Scoring) -> list[Row]:
    """Returns a row for each file in the order given; see `to_row`."""
    inputs = (Input(str(path), path) for path in paths)
    with ProgressLine("score", total=len(paths), unit="files") as progress:
        return score_inputs(detector, inputs, scoring, progress=progress)


def score_inputs(
    detector: LoadedDetector,
    inputs: Iterable[Input],
    scoring: Scoring,
    *,
    progress: ProgressLine,
) -> list[Row]:
    """Returns a row for each input, in their order; inputs are taken as they are needed."""
    names: list[str] = []

    def encoded() -> Iterator[Encoded]:
        for one in inputs:
            names.append(one.name)
            yield one.image

    def pixels() -> Iterator[np.ndarray | str]:
        for image in read_ahead(encoded(), max_pixels=scoring.max_pixels, exif=scoring.exif):
            yield reason(image) if isinstance(image, Exception) else image
            progress.advance()

    answers = score_pixels(detector, pixels(), scoring.protocol)
    return [to_row(name, one, scoring.judgement) for name, one in zip(names, answers, strict=True)]


def score_pixels(
    detector: LoadedDetector, images: Iterable[np.ndarray | str], protocol: Protocol
) -> list[Answer]:
    """Returns the logit of each image, in their order.

    Args:
      detector: what scores them.
      images: u8 [H, W, 3] each, or why an image has no pixels, which is then the answer.
      protocol: what of an image is scored.
    """
    answers: dict[int, Answer] = {}

    def pieces() -> Iterator[Piece]:
        for number, image in enumerate(images):
            if isinstance(image, str):
                answers[number] = image
                continue
            try:
                yield from detector.cut(image, owner=number, protocol=protocol)
            except RefusedSizeError as error:
                answers[number] = str(error)

    logits = image_logits(detector.score_pieces(pieces(), protocol=protocol))
    answers.update((number, float(np.float32(logit))) for number, logit in logits.items())
    return [answers[number] for number in range(len(answers))]


def to_row(path: str, answer: Answer, judgement: Judgement) -> Row:
    """Returns an image's row: logit, probability and verdict, or why there are none."""
    if isinstance(answer, str):
        return {"path": path, "error": answer}
    if not math.isfinite(answer):
        return {"path": path, "error": f"its logit is {answer}: these weights are no detector's"}
    return {
        "path": path,
        "logit": answer,
        "probability": float(judgement.probability(answer)),
        "calibrated": judgement.calibrated,
        "prediction": "fake" if judgement.is_fake(answer) else "real",
    }
