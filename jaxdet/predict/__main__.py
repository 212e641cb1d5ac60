"""`python -m jaxdet.predict --weights=W PATH...`: scores images and folders.

Exit status 0 where every file was scored, 1 where some could not be read (they are listed),
2 for a mistake on the command line.
"""

from jaxdet.errors import Parser, UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.config import Data
from jaxdet.data.pieces import Crop, Piece
from jaxdet.data.regular import reason
from jaxdet.files import check_writable, write_bytes
from jaxdet.pages import printable, spreadsheet_safe
from jaxdet.predict.detector import LoadedDetector, load_detector
from jaxdet.predict.files import find_images, read_ahead
from jaxdet.progress import ProgressLine

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores what the command line names, writes and prints the rows."""
    with guard():
        options = _parser().parse_args(arguments)
        check_writable(options.json, options.csv)
        paths = find_images(options.path)
        detector = load_detector(options.weights)
        crop = detector.crop if options.crop is None else options.crop
        detector.check_crop(crop)
        rows = score_files(
            detector, paths, crop=crop, threshold=options.threshold, max_pixels=options.max_pixels
        )
        if options.json:
            write_bytes(options.json, (json.dumps(rows, indent=2) + "\n").encode())
        if options.csv:
            write_bytes(options.csv, _csv(rows).encode())
        print(_table(rows))
    if any("error" in row for row in rows):
        sys.exit(1)


def score_files(
    detector: LoadedDetector,
    paths: Sequence[Path],
    *,
    crop: Crop,
    threshold: float = 0.5,
    max_pixels: int = Data.max_pixels,
) -> list[Row]:
    """A row a file in the order given: path, logit, probability, prediction, or path and error."""
    logits = np.zeros(len(paths), np.float64)
    errors: dict[int, str] = {}
    with ProgressLine("score", total=len(paths), unit="files") as progress:

        def pieces() -> Iterator[Piece]:
            for number, image in read_ahead(paths, max_pixels=max_pixels):
                if isinstance(image, Exception):
                    errors[number] = reason(image)
                else:
                    yield from detector.cut(image, owner=number, crop=crop)
                progress.advance()

        for piece, logit in detector.score_pieces(pieces()):
            logits[piece.owner] += piece.share * logit
    return [
        {"path": str(path), "error": errors[i]}
        if i in errors
        else _row(path, float(np.float32(logits[i])), threshold)
        for i, path in enumerate(paths)
    ]


def _row(path: Path, logit: float, threshold: float) -> Row:
    if not math.isfinite(logit):
        return {
            "path": str(path),
            "error": f"its logit is {logit}: these weights are no detector's",
        }
    probability = 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
    return {
        "path": str(path),
        "logit": logit,
        "probability": probability,
        "prediction": "fake" if probability > threshold else "real",
    }


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["path", "logit", "probability", "prediction", "error"])
    writer.writeheader()
    writer.writerows({key: _cell(one) for key, one in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: str | float) -> str | float:
    """Texts alone are made safe: many numbers begin with a minus."""
    return spreadsheet_safe(value) if isinstance(value, str) else value


def _table(rows: Sequence[Row]) -> str:
    """Plain lines: probability of being fake, the verdict, the logit, the path."""
    lines = [f"{'P(fake)':>8}  verdict  {'logit':>8}  path"]
    for row in rows:
        path = printable(row["path"])
        if "error" in row:
            lines.append(f"{'-':>8}  error    {'-':>8}  {path}: {printable(row['error'])}")
        else:
            lines.append(
                f"{row['probability']:>8.2%}  {row['prediction']:<7}  {row['logit']:>8.3f}  {path}"
            )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m jaxdet.predict",
        description="Scores images: how likely each is made by a convolutional generator. "
        "Probabilities are the detector's own, not calibrated for your images.",
    )
    parser.add_argument("path", nargs="+", type=Path, metavar="PATH", help="image or folder")
    parser.add_argument(
        "--weights",
        required=True,
        type=Path,
        metavar="W",
        help="run folder, converted folder, .pth or .safetensors file",
    )
    parser.add_argument(
        "--crop",
        type=_crop,
        metavar="224|none|tiles",
        help="side of the centre crop; none: whole images; tiles: the mean over tiles by area "
        "(where left out: as the detector was evaluated, 224 for a file of weights)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write the rows as CSV")
    parser.add_argument(
        "--threshold",
        type=_share,
        default=0.5,
        metavar="P",
        help="probability above which an image is called fake (default 0.5)",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=Data.max_pixels,
        metavar="N",
        help="files with more pixels are not decoded (default %(default)s)",
    )
    return parser


def _crop(text: str) -> Crop:
    if text in ("none", "tiles"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UserError(f"--crop={text}: give a side in pixels, none or tiles")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"--threshold={text}: give a probability between 0 and 1")
    return value


if __name__ == "__main__":
    main()
