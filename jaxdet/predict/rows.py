"""Turns images into rows: the one way in which every engine of `predict` scores and judges."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.config.data import Data
from jaxdet.data.likeness import unlike
from jaxdet.data.ops import laplacian_variance
from jaxdet.data.ops.codec import Exif
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.regular import reason
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.files import LIMIT_OPTION, Encoded, Input, Opened, read_ahead
from jaxdet.predict.judgement import ERROR_RATE, Judgement
from jaxdet.progress import ProgressLine
from jaxdet.scoring.pieces import Piece, image_logits
from jaxdet.scoring.protocol import Crop, Protocol

# The fields of an `Answer` as `to_row` makes them, or path and error.
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """Holds what is known of a scored image.

    Attributes:
      logit: above 0 for fake.
      facts: what it is like, by the names of `jaxdet.data.likeness`.
      provenance: sentences on what its file says of its origin.
    """

    logit: float
    facts: dict[str, float]
    provenance: list[str]


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
        detector: AnyDetector,
        *,
        crop: Crop | None = None,
        resize: int | None = None,
        threshold: str | float | None = None,
        raw: bool = False,
        error_rate: int = ERROR_RATE,
        max_pixels: int = Data.max_pixels,
        exif: Exif = "ignore",
    ) -> "Scoring":
        """Returns the detector's own way of scoring, or the one that is asked for.

        Raises:
          UserError: where the detector cannot do what is asked for.
        """
        protocol = detector.choose(crop, resize)
        judgement = detector.judge(
            threshold=threshold, raw=raw, error_rate=error_rate, protocol=protocol
        )
        return cls(protocol=protocol, judgement=judgement, max_pixels=max_pixels, exif=exif)


def score_files(detector: AnyDetector, paths: Sequence[Path], scoring: Scoring) -> list[Row]:
    """Returns a row for each file in the order given; see `to_row`."""
    inputs = (Input(str(path), path) for path in paths)
    with ProgressLine("score", total=len(paths), unit="files") as progress:
        return score_inputs(detector, inputs, scoring, progress=progress)


def score_inputs(
    detector: AnyDetector,
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

    def opened() -> Iterator[Opened | str]:
        for image in read_ahead(encoded(), max_pixels=scoring.max_pixels, exif=scoring.exif):
            yield reason(image, option=LIMIT_OPTION) if isinstance(image, Exception) else image
            progress.advance()

    answers = score_images(detector, opened(), scoring.protocol)
    return [to_row(name, one, scoring.judgement) for name, one in zip(names, answers, strict=True)]


def score_images(
    detector: AnyDetector, images: Iterable[Opened | str], protocol: Protocol
) -> list[Answer | str]:
    """Returns the answer of each image, in their order.

    Args:
      detector: what scores them.
      images: or why one has no pixels, which is then the answer.
      protocol: what of an image is scored.
    """
    answers: dict[int, Answer | str] = {}
    facts: dict[int, dict[str, float]] = {}
    provenance: dict[int, list[str]] = {}

    def pieces() -> Iterator[Piece]:
        for number, image in enumerate(images):
            if isinstance(image, str):
                answers[number] = image
                continue
            try:
                cut = detector.cut(image.pixels, owner=number, protocol=protocol)
            except RefusedSizeError as error:
                answers[number] = str(error)
                continue
            known = not math.isnan(image.sharpness)
            facts[number] = {
                "side": image.side, "quality": image.quality,
                "sharpness": image.sharpness if known else sharpness_of(cut),
                "jpeg": float(not math.isnan(image.quality)),
            }  # fmt: skip
            provenance[number] = image.provenance
            yield from cut

    logits = image_logits(detector.score_pieces(pieces(), protocol=protocol))
    for number, logit in logits.items():
        answers[number] = Answer(
            logit=float(np.float32(logit)), facts=facts[number], provenance=provenance[number]
        )
    return [answers[number] for number in range(len(answers))]


def sharpness_of(pieces: Sequence[Piece]) -> float:
    """Returns the variance of the Laplacian of an image's pieces, each by its share."""
    return sum(one.share * laplacian_variance(one.pixels) for one in pieces)


def to_row(path: str, answer: Answer | str, judgement: Judgement) -> Row:
    """Returns an image's row: its logit and what follows from it, or why there is none."""
    if isinstance(answer, str):
        return {"path": path, "error": answer}
    logit = answer.logit
    if not math.isfinite(logit):
        return {"path": path, "error": f"its logit is {logit}: these weights are no detector's"}
    return {
        "path": path,
        "logit": logit,
        "probability": float(judgement.probability(logit)),
        "calibrated": judgement.calibrated,
        "prediction": "fake" if judgement.is_fake(logit) else "real",
        "verdict": judgement.verdict(logit),
        "warnings": unlike(answer.facts, judgement.ranges),
        "provenance": answer.provenance,
    }
