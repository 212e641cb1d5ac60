"""Defines what `python -m jaxdet.predict` can be asked for."""

import argparse
from pathlib import Path

from jaxdet.config.data import Data
from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.config.model import ACTIVATIONS, ARCHITECTURES
from jaxdet.config.runtime import COMPARE
from jaxdet.convert.onnx import is_onnx
from jaxdet.errors import Parser, UserError
from jaxdet.hub.find import find_weights
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.judgement import ERROR_RATE, MEASURED
from jaxdet.predict.opening import open_detector
from jaxdet.predict.rows import Scoring
from jaxdet.predict.video import Frames
from jaxdet.ranges import AREA, SIDE, Range, number, whole_number
from jaxdet.results import ERROR_RATES
from jaxdet.scoring.protocol import Crop

# Side below which a part of an image is warned of, pixels.
_SMALL = 32
# What chooses among weights, in the order in which `open_detector` takes it.
_OF_WEIGHTS = ("checkpoint", "arch", "state_dict", "activation")
# Rows of a part: what a killed job loses at most, some seconds to minutes of work.
PART_ROWS = 1000


def get_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = Parser(
        prog="python -m jaxdet.predict",
        description="Scores images: how likely each is generated. Probabilities are calibrated on "
        "validation images where the weights are a finished run's, not for your images.",
    )
    parser.add_argument(
        "path",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="image, folder of images, video, or table: CSV, TSV, JSONL or Parquet file, or a "
        "folder of Parquet files",
    )
    # Errors of tables call it by the name that it has in a run.
    parser.add_argument(
        "--columns",
        "--config.data.columns",
        default="",
        metavar="JSON",
        help='column of a table\'s images where its name is not recognised: {"image": "NAME"}, as '
        "--config.data.columns of a run; nothing else of the table is read",
    )
    add_weights(parser)
    _add_protocol(parser)
    add_threshold(parser)
    parser.add_argument(
        "--frames",
        type=Frames.of,
        metavar="N|every:K",
        help="frames of a video that are scored: N spread evenly over it (default 32), or each "
        "K-th",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the rows as JSON")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write the rows as CSV")
    masses = parser.add_argument_group("masses of images")
    _add_mass(masses)
    _add_engine(masses)
    return parser


def add_weights(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name a detector's weights; `open_asked` reads them."""
    parser.add_argument(
        "--weights",
        required=True,
        type=Path,
        metavar="W",
        help="run folder, converted folder, .pth or .safetensors file; .onnx for that engine; "
        "hf://OWNER/NAME; the name of a released detector (`python -m jaxdet.hub list`)",
    )
    parser.add_argument(
        "--accept-licence",
        metavar="ID",
        help="of a released detector, to fetch it when it is used for the first time",
    )
    parser.add_argument(
        "--checkpoint",
        choices=CHECKPOINTS,
        help="checkpoint of a run (default: the one it was measured with)",
    )
    parser.add_argument(
        "--arch",
        metavar="NAME",
        help="architecture of a file whose keys fit several: "
        + ", ".join(ARCHITECTURES)
        + "; package.module:NAME of one's own: of a run that was trained with it",
    )
    parser.add_argument(
        "--state-dict", metavar="NAME", help="which state dict of a file that holds several"
    )
    parser.add_argument(
        "--activation", choices=ACTIVATIONS, help="of a vision tower whose file does not say it"
    )


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--crop",
        type=_crop,
        metavar="224|none|tiles",
        help="side of the centre crop; none: whole images; tiles: the mean over tiles by area "
        "(where left out: as the detector was measured, 224 for a file of weights)",
    )
    parser.add_argument(
        "--resize",
        type=whole_number(SIDE),
        metavar="N",
        help="shorter side of the image before the crop, pixels (where left out with --crop: no "
        "resizing)",
    )
    parser.add_argument(
        "--max-pixels",
        type=whole_number(AREA),
        default=Data.max_pixels,
        metavar="N",
        help="files with more pixels are not decoded (default %(default)s)",
    )
    parser.add_argument(
        "--exif",
        choices=("ignore", "apply"),
        default="ignore",
        help="apply: turn images as EXIF says; ignore: read their pixels as they are stored, as "
        "detectors are trained (default)",
    )


def add_threshold(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how logits are judged."""
    parser.add_argument(
        "--threshold",
        type=_threshold,
        metavar="fpr_1|fpr_5|P",
        help="probability above which an image is called fake (default 0.5); fpr_1, fpr_5: where "
        "at most 1 or 5 %% of the run's real validation images are called fake. Verdicts then go "
        "by it, too",
    )
    parser.add_argument(
        "--error-rate",
        type=whole_number("[1, 5]"),
        choices=ERROR_RATES,
        default=ERROR_RATE,
        help="without --threshold, percent of the run's real and of its fake validation images "
        "that get a wrong verdict at most; where that cannot be held the verdict is unsure "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="leave probabilities as the network gives them, uncalibrated",
    )


def _add_mass(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write Parquet files there instead, and go on where an earlier start ended",
    )
    group.add_argument(
        "--shard",
        metavar="i/N",
        help="score one of N shards of the inputs, i from 0; auto: this task of a SLURM array",
    )
    group.add_argument(
        "--part-rows",
        type=whole_number("[1, 1e7]"),
        metavar="N",
        help=f"rows of a part, which a killed job loses at most (default {PART_ROWS})",
    )
    group.add_argument(
        "--column",
        metavar="NAME",
        help="column of Parquet files whose paths are relative to the working directory, or that "
        "lie among other files",
    )
    group.add_argument(
        "--compare",
        choices=COMPARE,
        default=COMPARE[0],
        help="how a later start knows the images again: times, by names, sizes and times of change "
        "(default); bytes, by SHA-256 of all files, for data that is copied anew for each start",
    )


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--engine",
        choices=("plain", "jax", "onnx", "ray"),
        default="plain",
        help="plain, or jax: by JAX in this process (default); onnx: by onnxruntime on this "
        "machine's CPUs, W a file of `convert export --format=onnx`; ray: on a Ray cluster (that "
        "of RAY_ADDRESS, or this machine), with the extra `ray`",
    )
    group.add_argument(
        "--actors",
        type=whole_number("[1, 1e5]"),
        metavar="N",
        help="processes that hold the model under Ray (default: one a GPU, or one a machine)",
    )


def _crop(text: str) -> Crop:
    if text in ("none", "tiles"):
        return text
    try:
        return whole_number(SIDE)(text)
    except argparse.ArgumentTypeError:
        raise UserError(
            f"--crop={text:.50}: give a side in pixels, {Range.of(SIDE)}, none or tiles"
        ) from None


def _threshold(text: str) -> str | float:
    if text in MEASURED:
        return text
    try:
        return number("[0, 1]")(text)
    except argparse.ArgumentTypeError:
        raise UserError(
            f"--threshold={text:.50}: give a probability between 0 and 1, {' or '.join(MEASURED)}"
        ) from None


def open_asked(options: argparse.Namespace) -> tuple[AnyDetector, list[str]]:
    """Returns the detector that the options of `add_weights`, and the engine, name.

    With it come lines that there are to log of its weights.
    """
    chosen = {name: getattr(options, name) for name in _OF_WEIGHTS}
    if options.engine == "onnx":
        if not is_onnx(options.weights):
            raise UserError(
                f"--engine=onnx: {options.weights} is no ONNX file; `python -m jaxdet.convert "
                f"export --format=onnx {options.weights} NAME.onnx` makes one of it"
            )
        return open_detector(options.weights, *chosen.values())
    if is_onnx(options.weights):
        raise UserError(f"--weights={options.weights}: an ONNX file; give --engine=onnx")
    weights = find_weights(options.weights, accept_licence=options.accept_licence)
    return open_detector(weights, *chosen.values())


def read_scoring(options: argparse.Namespace) -> tuple[AnyDetector, Scoring, list[str]]:
    """Returns the detector, how images are to be scored and judged, and lines that tell of both.

    Nothing is logged here: a mistake may still be found, and is then the only line.
    """
    detector, notes = open_asked(options)
    names = ("crop", "resize", "threshold", "raw", "error_rate", "max_pixels", "exif")
    scoring = Scoring.of(detector, **{name: getattr(options, name) for name in names})
    other = "" if scoring.protocol == detector.protocol else f", here by {scoring.protocol}"
    # What the calibration was measured by is not what is done here, or it is not wanted.
    plain = ", probabilities not calibrated" if detector.card.calibration else ""
    lines = [
        *notes,
        f"scoring with {detector!r}{other}{'' if scoring.judgement.temperature else plain}",
        str(scoring.judgement),
    ]
    side = scoring.protocol.least_side
    if other and 0 < side < _SMALL:
        lines.append(
            f"warning: {side} pixels show little of a generator, and verdicts of them mean little; "
            f"give a --crop or --resize of {_SMALL} or more"
        )
    return detector, scoring, lines
