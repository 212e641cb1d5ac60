"""Carries out the subcommands of `python -m jaxdet.convert`."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from jaxdet.config.dotted import is_dotted
from jaxdet.config.model import PROBES
from jaxdet.convert import rules
from jaxdet.convert.architectures import CONVERTIBLE, table_of
from jaxdet.convert.card import (
    Card,
    beside,
    network_name,
    network_options,
    read_beside,
    read_model,
    write_beside,
)
from jaxdet.convert.check import Side, compare, print_comparison, program_side, weights_side
from jaxdet.convert.export import CARD, export_program, is_export, read_export
from jaxdet.convert.files import read_state_dict, write_safetensors
from jaxdet.convert.folder import COVERAGE, Source, is_detector, write_detector
from jaxdet.convert.heads import convert_head, normalised
from jaxdet.convert.load import ConvertedFile, LoadedWeights, convert_file
from jaxdet.convert.onnx import is_onnx
from jaxdet.convert.onnx.export import check_format, export_onnx
from jaxdet.convert.onnx.run import read_onnx
from jaxdet.convert.rules import flatten
from jaxdet.convert.snapshots import published_weights
from jaxdet.convert.state_dicts import shorten
from jaxdet.convert.torch_write import write_torch
from jaxdet.convert.towers import check_facts, resized
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.architectures import architecture_of, check_sides
from jaxdet.streams import answer
from jaxdet.train.weights import find_run, open_weights
from jaxdet.workdir.drafts import new_folder, refuse_existing, replacing
from jaxdet.workdir.files import check_apart, check_writable, read_json, sha256, write_json

# What an earlier result of `check` begins with.
JSON = r'\{\n  "first": "[^\n]*",\n  "second": '
# Side of the images that are scored where nothing says another, pixels.
_SIZE = 224


def to_jax(options: argparse.Namespace) -> None:
    """Brings a torch file into a folder."""
    options.src = published_weights(options.src) or options.src
    _check_place(options)
    card = read_beside(options.src)
    file = _convert(options, card)
    model, side = file.network.model, file.network.side
    converted, notes = file.converted, file.notes
    card = card if card is not None and network_name(card) == model.name else None
    model = read_model(card) if card else model
    if options.size:
        model, arrays, note = resized(model, converted.arrays, options.size)
        converted, side = dataclasses.replace(converted, arrays=arrays), options.size
        notes = (*notes, note) if note else notes
        card = card and card.of_another_size(side)
    with new_folder(options.dst) as draft:
        write_detector(
            draft,
            converted.arrays,
            model=model,
            source=Source(file=options.src.name, sha256=sha256(options.src)),
            coverage=converted.coverage,
            spelling=file.network.spelling,
            crop=side,
            resize=file.network.resize if side == file.network.side else 0,
            card=card,
        )
    _print_notes(options.src, notes)
    crops = f", crops of {side} pixels" if side else ""
    is_tower = bool(converted.coverage.replaced) and model.name in PROBES
    title = f"tower {model.tower}" if is_tower else model.title
    answer(f"{options.dst}: {title}{crops}, {len(converted.arrays)} arrays")
    if is_tower:
        answer(
            "without a head: the folder gives features (jaxdet.load_tower) and can start a "
            "training, which draws a head, but answers nothing"
        )
    elif converted.coverage.replaced:
        answer(
            f"head of another size: {', '.join(converted.coverage.replaced)} left open; the folder "
            "can start a training, which draws them anew, but answers nothing"
        )


def _convert(options: argparse.Namespace, card: Card | None) -> ConvertedFile:
    """Returns the weights of SRC in our form, of a head by itself with those of its tower."""
    facts = {name: getattr(options, name) for name in ("activation", "heads", "normalisation")}
    choice = {"arch": options.arch, "state_dict": options.state_dict}
    if options.tower:
        tower, _ = open_weights(options.tower, facts=facts, headless=True)
        if tower.model.name not in PROBES:
            raise UserError(f"--tower={options.tower}: a {tower.model.title}, which has no tower")
        return convert_head(options.src, tower, normalise=options.normalise, **choice)
    choice["arch"] = options.arch or network_name(card)
    file = convert_file(options.src, facts=facts, **choice)
    check_facts(file.network.model, facts, source=str(options.src))
    return normalised(file, card, options.src) if options.normalise else file


def _check_place(options: argparse.Namespace) -> None:
    """Raises UserError where DST is taken, or lies in SRC or in the run that SRC is a step of."""
    refuse_existing(options.dst)
    run, _ = find_run(options.src)
    check_apart(options.dst, run.path if run else options.src, instead="DST")


def _print_notes(path: Path, notes: tuple[str, ...]) -> None:
    for note in notes:
        answer(f"{path}: {note}")


def to_torch(options: argparse.Namespace) -> None:
    """Writes weights into a file for torch, read again before it takes its name."""
    _check_place(options)
    write = _WRITERS.get(options.dst.suffix)
    if write is None:
        raise UserError(f"{options.dst}: name it .pth or .safetensors, to say which to write")
    loaded, card = _load(options.src, options)
    if loaded.model.name not in CONVERTIBLE:
        raise UserError(
            f"{options.src}: no table has torch's names of {loaded.model.name}; "
            "`python -m jaxdet.convert export` gives a program of it"
        )
    table = table_of(loaded.model, loaded.spelling or card.spelling)
    state_dict = rules.to_torch(flatten(loaded.variables), table=table)
    with replacing(options.dst, new=True) as file:
        write(draft := Path(file.name), state_dict)
        _read_again(draft, state_dict)
        write_beside(options.dst, _about(loaded, card, state_dict, digest=sha256(draft)))
    counters = any(key.endswith("num_batches_tracked") for key in state_dict)
    more = "; counters of batches are 0" if counters else ""
    answer(f"{options.dst}: {loaded.model.name}, {len(state_dict)} arrays{more}")


_WRITERS = {".pth": write_torch, ".pt": write_torch, ".safetensors": write_safetensors}


def _about(
    loaded: LoadedWeights, card: Card, state_dict: dict[str, Any], *, digest: str
) -> dict[str, Any]:
    """Returns what is known of weights for torch, whose file has this SHA-256."""
    card = dataclasses.replace(card, model=network_options(loaded.model))
    source = {"file": card.source, "sha256": card.file_sha256 or None, "digest": card.digest}
    keys = [{"key": k, "shape": list(v.shape), "dtype": str(v.dtype)}
            for k, v in state_dict.items()]  # fmt: skip
    return {"model": loaded.model.name, "source": source, "sha256": digest,
            "card": dataclasses.asdict(card), "replaced": loaded.replaced,
            "written": keys}  # fmt: skip


def _read_again(path: Path, state_dict: dict[str, Any]) -> None:
    """Reads it again before it takes its name."""
    read = read_state_dict(path)
    if read.keys() != state_dict.keys() or any(
        read[key].tobytes() != value.tobytes() for key, value in state_dict.items()
    ):
        raise RunFailedError(f"{path}: what was written is not what is read; is the disk damaged?")


def check(options: argparse.Namespace) -> None:
    """Compares two detectors.

    Raises:
      RunFailedError: where they differ.
    """
    check_writable((options.json, JSON))
    _refuse_idle(options)
    first, size = _side(options.src, options, options.size)
    second, size = _side(options.dst, options, size)
    if first.model.title != second.model.title:
        raise RunFailedError(
            f"{first.name} is a {first.model.title}, {second.name} a {second.model.title}"
        )
    found = compare(first, second, size=size or _SIZE, count=options.images, seed=options.seed)
    print_comparison(found, options.images)
    figures = {"first": first.name, "second": second.name, "images": options.images,
               **dataclasses.asdict(found)}  # fmt: skip
    if options.json:
        write_json(options.json, figures)
    _note(options.dst, figures)
    if found.differing or not found.within(options.tolerance):
        raise RunFailedError(f"{first.name} and {second.name} differ")


def _refuse_idle(options: argparse.Namespace) -> None:
    """Raises UserError for an option of `check` that no side of it would take."""
    sides = (options.src, options.dst)
    if options.checkpoint and not any(find_run(side)[0] for side in sides):
        raise UserError(f"--checkpoint={options.checkpoint}: neither side is a run; leave it out")
    arch_of_file = options.arch and not is_dotted(options.arch)
    if arch_of_file and all(side.is_dir() for side in sides):
        raise UserError(f"--arch={shorten(options.arch)}: neither side is a file; leave it out")
    if options.state_dict is not None and options.src.is_dir():
        raise UserError(
            f"--state-dict={shorten(options.state_dict)}: chooses within a file, and {options.src} "
            "is none; leave it out"
        )


def _note(path: Path, figures: dict[str, Any]) -> None:
    """Keeps the newest check of a result in the report that we wrote beside it, if we did."""
    if is_export(path):
        report = path / CARD
    else:
        report = path / COVERAGE if is_detector(path) else beside(path)
        # A file of this name may be anyone's: ours says of which weights it is.
        if path.is_file() and read_beside(path) is None:
            return
    if report.is_symlink() or not report.is_file():
        return
    known = read_json(report)
    if not isinstance(known, dict) or "source" not in known:
        return
    try:
        write_json(report, {**known, "check": figures})
    except UserError as error:
        answer(f"the check is not noted: {error}")


def export(options: argparse.Namespace) -> None:
    """Turns weights into a program, run against them before it takes its name."""
    _check_place(options)
    check_format(options.dst, options.format, options.variant)
    loaded, card = _load(options.src, options)
    size = _size(loaded, options.size) or _SIZE
    if options.format == "onnx":
        _export_onnx(options, loaded, card, size)
        return
    found = export_program(options.dst, loaded, size=size, card=card.of_crops(size))
    print_comparison(found, 2)
    answer(f"{options.dst}: takes uint8 [b, {size}, {size}, 3], gives float32 [b]")


def _export_onnx(options: argparse.Namespace, loaded: LoadedWeights, card: Card, size: int) -> None:
    """Writes an ONNX file; of a network that takes any size, with what its own crops taught."""
    if not architecture_of(loaded.model.name).any_size:
        card = card.of_crops(size)
    program, comparisons = export_onnx(
        options.dst, loaded, size=size, card=card, variant=options.variant
    )
    for count, found in enumerate(comparisons, start=2):
        print_comparison(found, count)
    sides = f"{program.size}, {program.size}" if program.size else "h, w"
    answer(f"{options.dst}: takes uint8 [b, {sides}, 3], gives float32 [b]; {program.variant}")


def _side(path: Path, options: argparse.Namespace, size: int) -> tuple[Side, int]:
    """Opens one side of a check, and returns the size of images for it too: 0 for any."""
    if is_onnx(path):
        program = read_onnx(path)
        side, own = program_side(program), program.size
    elif is_export(path):
        side, own = read_export(path)
    else:
        loaded, _ = _load(path, options)
        return weights_side(loaded), _size(loaded, size)
    if own and size and size != own:
        raise UserError(f"{path}: takes images of {own} pixels, not {size}; see --size")
    return side, own or size


def _size(loaded: LoadedWeights, asked: int) -> int:
    """Returns the side of a detector's images: as asked for, or that of its crops; 0 for any."""
    size = asked or loaded.crop or 0
    model = loaded.model
    if architecture_of(model.name).fixed_size and size != loaded.crop:
        raise UserError(
            f"{loaded.source}: its {model.name} takes images of {loaded.crop} pixels alone, not "
            f"{size}; see --size"
        )
    if size:
        check_sides(model, trained=size, scored=size, whole=False, options=("--size", "--size"))
    return size


def _load(path: Path, options: argparse.Namespace) -> tuple[LoadedWeights, Card]:
    """Loads the weights of anything with what is known of them, and prints both."""
    given = {name: getattr(options, name) for name in ("checkpoint", "arch", "state_dict")}
    facts = {"activation": options.activation}
    headless = options.name == "to-torch"
    if options.name == "check":
        # Each option is for the side that it fits.
        is_run = find_run(path)[0] is not None
        others = ["arch", "state_dict"] if is_run else ["checkpoint"]
        if is_dotted(options.arch or ""):
            others = ["state_dict"] if is_run else ["checkpoint", "arch"]
        if path == options.dst:
            others.append("state_dict")
        given |= dict.fromkeys(others)
    loaded, card = open_weights(path, **given, facts=facts, headless=headless)
    _print_notes(path, loaded.notes)
    answer(f"{path}: {loaded.model.title}, {card.origin}")
    return loaded, card
