"""Defines the options of `bench roofline`."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from jaxdet import config
from jaxdet.config import Config, Model, Optim
from jaxdet.config.model import ARCHITECTURES
from jaxdet.errors import UserError
from jaxdet.ranges import SIDE, number, whole_number
from jaxdet.streams import printable

ROOFLINE = (
    "no measurement: a step compiled for a described card, on a machine that needs none; its "
    "operations by kind of work, bytes, FLOPs, memory, and the least time at the card's ceilings"
)
_TARGETS = ("h100", "h200")


def add_roofline(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a parser."""
    parser.add_argument("--target", choices=_TARGETS, default="h100", help="default h100")
    for flag, kind, text in (
        ("cards", whole_number("[1, 1024]"), "that share the batch (default 1)"),
        ("link", number("(0, 1e30]"), "bytes/s from a card to another (default 4.5e11, NVLink 4)"),
        ("width", whole_number("[1, 1024]"), "channels of the first layer (default 64)"),
        ("size", whole_number(SIDE), "pixels a side (default 224)"),
        ("batch-size", whole_number("[1, 1e6]"), "over all cards (default 256, or the preset's)"),
    ):
        parser.add_argument(f"--{flag}", type=kind, metavar="N", help=text)
    parser.add_argument(
        "--config", metavar="FILE[:ARG]", help="a preset, in place of --arch, --width and --size"
    )
    parser.add_argument(
        "--arch", choices=ARCHITECTURES, metavar="NAME", help="a detector (default resnet50)"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), help="default float32, or the preset's"
    )
    parser.add_argument(
        "--score", action="store_true", help="the step that scores crops, not the one that trains"
    )
    parser.add_argument(
        "--deterministic", action="store_true", help="compiled as runtime.deterministic has it"
    )
    parser.set_defaults(cards=1, table=roofline_table)


def roofline_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the one row."""
    preset = _preset(options)
    size = preset.eval_crop if options.score else preset.augment.crop
    # What training works through at once.
    batch_size = preset.optim.batch_size // preset.optim.accumulate
    if options.score and not options.batch_size:
        batch_size = preset.eval_batch_size
    if batch_size % options.cards:
        raise UserError(f"--cards={options.cards} does not divide {batch_size} images")
    # Before it: a mistake is answered without waiting for JAX.
    from jaxdet.bench.roofline import RooflinePlan, measure_roofline
    from jaxdet.models.architectures import check_sides

    check_sides(preset.model, trained=size, scored=size, whole=False, options=("--size", "--size"))
    plan = RooflinePlan(
        target=options.target,
        cards=options.cards,
        model=preset.model,
        optim=preset.optim,
        batch_size=batch_size,
        size=size,
        scoring=options.score,
        link=options.link,
        deterministic=options.deterministic or preset.runtime.deterministic,
    )
    return [measure_roofline(plan)]


def _preset(options: argparse.Namespace) -> Config:
    """Returns the config that the options name.

    Raises:
      UserError: where a preset stands beside what it settles, or is a table.
    """
    if options.config is None:
        model = Model(name=options.arch or "resnet50", width=options.width or 64)
        preset = Config(model=model, optim=Optim(batch_size=256))
        crop = options.size or 224
        preset = dataclasses.replace(preset, augment=dataclasses.replace(preset.augment, crop=crop))
    else:
        for name in ("arch", "width", "size"):
            if getattr(options, name) is not None:
                raise UserError(f"--{name} beside --config={options.config}, which settles it")
        loaded = config.load_file(options.config)
        if not isinstance(loaded, ConfigDict):
            raise UserError(f"--config={options.config}: a table of experiments; name one config")
        preset = config.from_config_dict(loaded)
    if options.dtype:
        model = dataclasses.replace(preset.model, dtype=options.dtype)
        preset = dataclasses.replace(preset, model=model)
    if options.batch_size:
        optim = dataclasses.replace(preset.optim, batch_size=options.batch_size, accumulate=1)
        preset = dataclasses.replace(preset, optim=optim)
    config.validate(preset)
    return preset


def roofline_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the rows as they are shown: the whole in three lines, then each kind of work."""
    lines = []
    for row in rows:
        rates = {name: f"{rate / 1e12:.0f}" for name, rate in row["flop_rates"].items()}
        lines += [
            row["what"],
            f"{row['operations']:,} operations ({row['below_a_mebibyte']:,} below 1 MiB), "
            f"{row['gib']:.1f} GiB moved, {row['tflop']:.2f} TFLOP, "
            f"{row['memory_gib']:.2f} GiB of memory a card",
            f"at {row['bandwidth'] / 1e12:.1f} TB/s and {rates['bf16']} TFLOP/s (float32: "
            f"{rates['f32']}) at least {row['least_ms']:.3g} ms, at most "
            f"{row['images_per_second']:,.0f} images/s",
            "",
            f"{'kind of work':<52}{'operations':>12}{'GiB':>8}{'TFLOP':>8}{'least ms':>10}  share",
        ]
        for kind in row["kinds"]:
            lines.append(
                f"{kind['kind']:<52}{kind['operations']:>12,}{kind['gib']:>8.2f}"
                f"{kind['tflop']:>8.3f}{kind['least_ms']:>10.3f}"
                f"{kind['least_ms'] / row['least_ms']:>7.1%}"
            )
    return "\n".join(map(printable, lines))
