"""`python -m jaxdet.convert to-jax | to-torch | check | export | page`: converts weights.

to-jax [--arch=NAME] SRC DST   a torch file into a folder; of a head alone with --tower=W
to-torch SRC DST               weights into a .pth or .safetensors file
check SRC DST                  whether two are the same detector
export SRC DST                 one program with the weights in it: for JAX alone, or an ONNX file
page NAME.onnx DST             a folder with a page that scores images in a browser

--state-dict=NAME chooses one of several state dicts in a torch file.
"""

import argparse
import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdet.config.evaluation import CHECKPOINTS
from jaxdet.config.model import ACTIVATIONS, Model
from jaxdet.convert.onnx import VARIANTS
from jaxdet.errors import Parser, guard
from jaxdet.ranges import SEED, SIDE, number, whole_number
from jaxdet.streams import answer


def main(arguments: Sequence[str] | None = None) -> None:
    """Does what the command line says."""
    with guard():
        options = _parser().parse_args(arguments)
        # Imported late: a mistake on the command line is answered without waiting for JAX.
        from jaxdet.conversion import commands

        work = {
            "to-jax": commands.to_jax,
            "to-torch": commands.to_torch,
            "check": commands.check,
            "export": commands.export,
            "page": _write_page,
        }
        work[options.name](options)


def _write_page(options: argparse.Namespace) -> None:
    from jaxdet.serve.browser_page import write_browser_page

    write_browser_page(options.src, options.dst, package=options.onnxruntime_web)
    folder = shlex.quote(str(options.dst))
    answer(f"{options.dst}: see it with `python -m http.server --bind 127.0.0.1 -d {folder}`")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m jaxdet.convert",
        description="Carries weights between PyTorch and JAX; SRC is a .pth or .safetensors file, "
        "a folder of this command, or a run. Nothing is overwritten, no file can run code. "
        "See docs/conversion.md.",
    )
    commands = parser.add_subparsers(required=True, dest="name", metavar="COMMAND")
    _add_tower(_command(commands, "to-jax", "a torch file into a folder"))
    to_torch = _command(commands, "to-torch", "weights into a .pth or .safetensors file")
    check = _command(commands, "check", "compare bits and logits of two; exit 1 where they differ")
    export = _command(commands, "export", "one program with the weights in it, for JAX or ONNX")
    for command in (to_torch, check, export):
        command.add_argument(
            "--checkpoint",
            choices=CHECKPOINTS,
            help="checkpoint of a run (default: the one it was measured with)",
        )
    for command in (check, export):
        command.add_argument(
            "--size",
            type=whole_number(SIDE),
            default=0,
            metavar="PIXELS",
            help="side of the images (224, or what the run or program was made with)",
        )
    _add_format(export)
    _add_comparison(check)
    _add_page(commands)
    return parser


def _add_page(commands: Any) -> None:
    text = "a page that scores images in a browser by an ONNX file of export"
    page = commands.add_parser("page", help=text, description=text)
    page.add_argument(
        "--onnxruntime-web",
        type=Path,
        default=Path("node_modules/onnxruntime-web"),
        metavar="DIR",
        help="the npm package of this name, unpacked (%(default)s)",
    )
    page.add_argument("src", type=Path, metavar="NAME.onnx")
    page.add_argument("dst", type=Path, metavar="DST")


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        type=whole_number("[1, 10000]"),
        default=2,
        metavar="N",
        help="random images (%(default)s)",
    )
    parser.add_argument(
        "--seed", type=whole_number(SEED), default=0, help="of the random images (0)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the comparison here")
    parser.add_argument(
        "--tolerance", type=number("[0, 1e6]"), default=1e-4, help="between logits (%(default)s)"
    )


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("stablehlo", "onnx"),
        default="stablehlo",
        help="stablehlo: DST is a folder, for JAX (default); onnx: DST is a file, NAME.onnx",
    )
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        default=VARIANTS[0],
        help="how an ONNX file keeps its kernels: float16 takes half the space, int8 a quarter; "
        "their logits are others (default %(default)s)",
    )


def _add_tower(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("vision towers")
    group.add_argument(
        "--tower",
        type=Path,
        metavar="W",
        help="tower of SRC, a head alone: a file, or a folder of this command",
    )
    group.add_argument(
        "--heads",
        type=whole_number("[1, 1024]"),
        metavar="N",
        help="heads of the tower's attention (width / 64, where it is no tower of docs/systems.md)",
    )
    group.add_argument(
        "--normalisation",
        metavar="NAME",
        help="of its pixels: clip, imagenet, half (all .5), or six numbers, .5/.5/.5/.5/.5/.5",
    )
    group.add_argument(
        "--normalise",
        action="store_true",
        help="its linear head takes features divided by their L2 norm, as ClipBased's does: no "
        "file says so",
    )
    group.add_argument(
        "--size",
        type=whole_number(SIDE),
        metavar="PIXELS",
        help="side of its images, other than its own: its table of positions is interpolated",
    )


def _command(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument(
        "--arch",
        metavar="NAME",
        help="architecture of a torch file, found from its keys where they fit one alone: "
        + ", ".join(_choices()),
    )
    command.add_argument(
        "--state-dict",
        metavar="NAME",
        help="of several state dicts in SRC, a torch file, the one under this name",
    )
    command.add_argument(
        "--activation", choices=ACTIVATIONS, help="of a tower whose file does not say it"
    )
    command.add_argument("src", type=Path, metavar="SRC")
    command.add_argument("dst", type=Path, metavar="DST")
    return command


def _choices() -> tuple[str, ...]:
    field = next(field for field in dataclasses.fields(Model) if field.name == "name")
    choices: tuple[str, ...] = field.metadata["choices"]
    return choices
