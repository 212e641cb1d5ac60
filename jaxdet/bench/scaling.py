"""Reckons how long a run takes on how many devices, from speeds that were measured.

An epoch is its steps, a validation and a checkpoint. A step is computing, then the sum of the
gradients over all devices (a ring sends 2 (N - 1) / N of them over each link), and it cannot be
faster than the input. What overlaps in fact (the sum of one layer's gradients with the next
layer's computing) is not counted, so links cost at most what is told here.
"""

import argparse
from typing import Any

from jaxdet.errors import UserError
from jaxdet.ranges import COUNT, number, whole_number
from jaxdet.streams import answer

SCALING = (
    "no measurement: hours and cost of a run on 1 to 512 devices, reckoned from speeds that were "
    "measured; see docs/evidence/scaling.md"
)
_COUNT, _SCORED = whole_number(COUNT), whole_number("[0, 1e9]")
_RATE, _BOUNDLESS = number("(0, 1e30]"), float("inf")


def add_scaling(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `bench scaling`."""
    for flag, kind, default, text in (
        ("images", _COUNT, 720_000, "of training"),
        ("epochs", _COUNT, 20, "passes over them"),
        ("validation", _SCORED, 8_000, "images scored after each epoch"),
        ("test", _SCORED, 90_000, "images scored at the end"),
        ("batch-size", _COUNT, 512, "images a step over all devices"),
        ("parameters", _RATE, 23.5e6, "of the network"),
        ("step-rate", _RATE, None, "images/s that one device trains on: bench step"),
        ("input-rate", _RATE, None, "images/s of one host's input: bench input"),
        ("eval-rate", _RATE, _BOUNDLESS, "images/s that one device scores: bench eval"),
        ("link", _RATE, _BOUNDLESS, "bytes/s between two devices"),
        ("disk", _RATE, _BOUNDLESS, "bytes/s that checkpoints are written with"),
        ("price", number("[0, 1e30]"), 0.0, "of one device for an hour"),
        ("devices-per-host", whole_number("[1, 1e6]"), 8, "that share its input"),
    ):
        shown = text if default in (None, _BOUNDLESS) else f"{text} (default {default:g})"
        parser.add_argument(
            f"--{flag}",
            type=kind,
            default=default,
            required=default is None,
            metavar="N",
            help=shown,
        )
    parser.add_argument(
        "--shared-cores", action="store_true", help="steps and input on the same CPU cores"
    )
    counts = [1, 8, 16, 64, 128, 512]
    kind = whole_number("[1, 1e6]")
    parser.add_argument("--devices", type=kind, nargs="+", default=counts, metavar="N")


def scaling_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns a row for each number of devices, and prints it in words too."""
    if options.images < options.batch_size:
        raise UserError(f"--images={options.images}: less than --batch-size={options.batch_size}")
    uneven = [n for n in options.devices if options.batch_size % n]
    if uneven:
        raise UserError(f"--devices={uneven[0]} does not divide --batch-size={options.batch_size}")
    rows = [reckon(options, devices) for devices in options.devices]
    for row in rows:
        ratio = row["images_per_second"] / rows[0]["images_per_second"]
        row["ratio_to_reference"] = round(ratio, 2)
        answer(
            f"{row['what']}: {row['hours']:.2f} h, cost {row['cost']:.2f}, limited by "
            f"{row['limit']}, {row['waiting']:.0%} of a step waiting for input"
        )
    return rows


def reckon(run: argparse.Namespace, devices: int) -> dict[str, Any]:
    """Returns speed, hours, cost, what limits training, and the share of a step that waits for it.

    Args:
      run: the options of `add_scaling`.
      devices: a number that divides the batch.
    """
    compute = run.batch_size / devices / run.step_rate
    links = 2 * (devices - 1) / devices * 4 * run.parameters / run.link
    hosts = -(-devices // run.devices_per_host)
    reading = run.batch_size / (run.input_rate * hosts)
    # On accelerators they overlap: whichever ends last is what bounds the step.
    waited = reading if run.shared_cores else max(reading - compute - links, 0.0)
    step = compute + links + waited
    parts = {"compute": compute, "links": links}
    parts["input"] = reading if run.shared_cores or waited else 0.0
    scored = (run.epochs * run.validation + run.test) / (run.eval_rate * devices)
    # Adam keeps parameters and two moments, of 4 bytes each.
    epoch = run.images // run.batch_size * step + 12 * run.parameters / run.disk
    hours = (run.epochs * epoch + scored) / 3600
    return {
        "what": f"predicted, {devices} devices",
        "devices": devices,
        "images_per_second": run.batch_size / step,
        "hours": hours,
        "cost": hours * devices * run.price,
        "limit": max(parts, key=lambda part: parts[part]),
        "waiting": waited / step,
    }
