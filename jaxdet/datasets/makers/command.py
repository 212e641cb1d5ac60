"""Runs `python -m jaxdet.data synth`: its flags, and what it makes."""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxdet.errors import UserError
from jaxdet.ranges import SEED, SIDE, number, whole_number
from jaxdet.streams import answer
from jaxdet.workdir.files import check_apart

HELP = "make a dataset of photographs: the built-in one, or training data by a published method"
BUILT_IN = "builtin"
METHODS = (BUILT_IN, "dip", "autogan", "dcgan", "wgan_gp")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of all methods; those left out have the defaults of the method's settings."""
    left_out = argparse.SUPPRESS
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="where to make it")
    parser.add_argument(
        "--method", choices=METHODS, default=BUILT_IN, help="what makes the fakes (default builtin)"
    )
    parser.add_argument(
        "--photos",
        type=Path,
        default=left_out,
        metavar="DIR",
        help="your own photographs, at least 6",
    )
    for flag, text in NUMBERS.items():
        within = whole_number(_WITHIN.get(flag, "[0, 1e7]"))
        parser.add_argument(f"--{flag}", type=within, default=left_out, metavar="N", help=text)
    parser.add_argument(
        "--identity-weight",
        type=number("[0, 1e6]"),
        default=left_out,
        metavar="W",
        help="autogan (default 0.5)",
    )
    parser.add_argument(
        "--network",
        default=left_out,
        metavar="NAME",
        help="dip: progan (default), the generator that Wang et al. used, or hourglass",
    )
    parser.add_argument(
        "--upsampling",
        default=left_out,
        metavar="NAME",
        help="hourglass of dip: bilinear (default) or nearest; autogan: transposed (default) or "
        "nearest",
    )


def run(arguments: argparse.Namespace) -> None:
    """Makes the dataset that the flags ask for."""
    given = {k: v for k, v in vars(arguments).items() if k not in ("command", "root", "method")}
    if "photos" in given:
        check_apart(arguments.root, given["photos"], instead="--root")
        given["photos"] = str(given["photos"].expanduser().resolve())
    if arguments.method == BUILT_IN:
        _make_built_in(arguments.root, given=given)
    else:
        _make_by_method(arguments.root, method=arguments.method, given=given)


def _make_built_in(root: Path, *, given: Mapping[str, Any]) -> None:
    # Imported here because the other commands of `python -m jaxdet.data` start without JAX.
    import jax

    from jaxdet.datasets.makers.synth import SynthSettings, synthesise
    from jaxdet.runtime.memory import keep_freed_memory

    # The same images with and without an accelerator, and none of its memory taken.
    jax.config.update("jax_platforms", "cpu")
    _refuse_foreign(given, kind=SynthSettings, method=BUILT_IN)
    settings = SynthSettings(**given)
    keep_freed_memory()
    synthesise(root, settings=settings, say=answer)


def _make_by_method(root: Path, *, method: str, given: Mapping[str, Any]) -> None:
    from jaxdet.datasets.makers.methods import MAKERS, make_dataset
    from jaxdet.runtime.memory import keep_freed_memory

    kind = MAKERS[method].settings
    _refuse_foreign(given, kind=kind, method=method)
    settings = kind(**given)
    keep_freed_memory()
    make_dataset(root, settings=settings, say=answer)


def _refuse_foreign(given: Mapping[str, Any], *, kind: Any, method: str) -> None:
    known = [field.name for field in dataclasses.fields(kind) if field.name != "method"]
    for name in given:
        if name not in known:
            flags = ", ".join("--" + k.replace("_", "-") for k in known)
            flag = "--" + name.replace("_", "-")
            raise UserError(f"{flag}: --method={method} has no such option; it has {flags}")


# The settings of each method know the least values; beyond these no machine goes.
_WITHIN: Mapping[str, str] = MappingProxyType(
    {"seed": SEED, "size": SIDE, "width": "[0, 1024]", "levels": "[0, 14]", "at-once": "[0, 4096]"}
)
# Defaults in brackets: the built-in dataset's first.
NUMBERS: Mapping[str, str] = MappingProxyType(
    {
        "seed": "everything is a function of it (default 0)",
        "size": "pixels a side (default 72, a multiple of 4; by a method 128)",
        "train-images": "per label (default 1200; dip 200, times six snapshots)",
        "val-images": "per label (default 200; dip 40)",
        "test-images": "per label and generator (default 200; dip 40)",
        "steps": "builtin: updates per round of a generator's training (default 300); "
        "dcgan, wgan_gp: updates of the generator (default 20000)",
        "width": "channels of the first layers (default 64; dip 512, its hourglass 128)",
        "batch-size": "autogan, dcgan, wgan_gp (default 8, 128, 64)",
        "iterations": "dip: per image (default 6000)",
        "levels": "dip: halvings of the hourglass (default 5)",
        "at-once": "dip: images trained at once, spread over the devices (default 8)",
        "epochs": "autogan (default 200)",
        "blocks": "autogan: residual blocks (default 9)",
        "critic-steps": "wgan_gp: of the critic for one of the generator (default 5)",
    }
)
