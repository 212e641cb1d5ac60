"""Writes and reads a converted detector: a folder with its arrays and what they are."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet import config as schema
from jaxdet.convert.architectures import check_side, shapes, table_of
from jaxdet.convert.card import Card, network_options, read_card
from jaxdet.convert.files import read_safetensors, write_safetensors
from jaxdet.convert.rules import Coverage
from jaxdet.errors import UserError
from jaxdet.models.architectures import architecture_of
from jaxdet.models.towers import read_tower
from jaxdet.workdir.files import check_schema, read_json, sha256, within, write_json

SCHEMA_VERSION = 1
KIND = "jaxdet-detector"
COVERAGE = "coverage.json"
_ABOUT, _ARRAYS = "detector.json", "variables.safetensors"
_LARGEST_SIDE = 16384
# All that `write_detector` writes; the first says what the others are.
FILES = (_ABOUT, _ARRAYS, COVERAGE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Names the file that weights came from, with its SHA-256."""

    file: str
    sha256: str


def is_detector(path: Path) -> bool:
    """Returns whether a path is a folder that `write_detector` wrote."""
    return (path / _ABOUT).is_file()


def write_detector(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    model: schema.Model,
    source: Source,
    coverage: Coverage,
    spelling: str = "",
    crop: int | None = None,
    resize: int = 0,
    card: Card | None = None,
) -> None:
    """Writes a detector into an empty folder.

    Args:
      folder: where.
      arrays: f32 by place, without those in `coverage.replaced`.
      model: the network.
      source: where the weights came from.
      coverage: what became of the source's keys.
      spelling: whose names a tower's arrays had; "" where there is no tower.
      crop: side of the only crops that the network takes, in pixels; None where it takes any.
      resize: shorter side to which its images are resized before, pixels; 0 for none.
      card: what else is known of the weights.
    """
    write_safetensors(folder / _ARRAYS, arrays)
    write_json(
        folder / COVERAGE, {"source": dataclasses.asdict(source), **dataclasses.asdict(coverage)}
    )
    about = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "model": network_options(model),
        "tower": _tower(model),
        "spelling": spelling,
        "crop": crop,
        "resize": resize,
        "card": card and dataclasses.asdict(card),
        "source": dataclasses.asdict(source),
        "coverage": {
            "used": len(coverage.used),
            "ignored": len(coverage.ignored),
            "replaced": list(coverage.replaced),
        },
        "variables_sha256": sha256(folder / _ARRAYS),
    }
    write_json(folder / _ABOUT, about)


def _tower(model: schema.Model) -> dict[str, Any] | None:
    """Returns all that there is to know of a detector's tower; `model.tower` has it in short."""
    if model.name not in schema.PROBES:
        return None
    tower = read_tower(model.tower)
    mean, std = tower.mean_and_deviation
    return {**dataclasses.asdict(tower), "mean": mean, "std": std}


def read_detector(folder: Path) -> tuple[schema.Model, dict[str, np.ndarray], dict[str, Any]]:
    """Reads the network, its arrays by place, and all that `detector.json` says.

    The arrays are those of the network but for its last layer, where "replaced" in "coverage" names
    that as left open.

    Raises:
      UserError: where a file is missing or damaged, or they do not fit each other.
    """
    about = read_json(within(folder, _ABOUT))
    model = _model(folder / _ABOUT, about)
    about["crop"] = _crop(folder / _ABOUT, model, about.get("crop"))
    about["resize"] = _resize(folder / _ABOUT, about)
    about["spelling"] = str(about.get("spelling") or "")
    path = within(folder, _ARRAYS)
    if not path.is_file():
        raise UserError(f"{path}: no such file; the folder is not whole")
    if sha256(path) != about.get("variables_sha256"):
        raise UserError(f"{path}: is not the file that {_ABOUT} was written for: SHA-256 differs")
    ours = shapes(model, side=about["crop"])
    left_open = _left_open(folder / _ABOUT, model, about.get("coverage"))
    arrays = {p: a for p, a in read_safetensors(path).items() if p not in left_open}
    found = {place: tuple(value.shape) for place, value in arrays.items()}
    if found != {place: shape for place, shape in ours.items() if place not in left_open}:
        raise UserError(f"{path}: its arrays are not those of {model.title}")
    return model, arrays, about


def _crop(path: Path, model: schema.Model, crop: Any) -> int | None:
    """Returns the side of the only crops that the network takes; None where it takes any."""
    own = architecture_of(model.name).side(model)
    if own or not table_of(model).sized:
        return own or None
    return check_side(model.name, crop, source=str(path))


def _resize(path: Path, about: dict[str, Any]) -> int:
    """Returns the shorter side to which images are resized before they are cropped; 0 for none."""
    side = about.get("resize", 0)
    if type(side) is not int or (side and not (about["crop"] or 1) <= side <= _LARGEST_SIDE):
        raise UserError(f"{path}: resizes images to {side!r:.20} pixels")
    return side


def _left_open(path: Path, model: schema.Model, coverage: Any) -> list[str]:
    """Returns the places of the last layer that the source had no values for."""
    places = coverage.get("replaced") if isinstance(coverage, dict) else None
    head = table_of(model).head
    known = {place for place in shapes(model) if head and place.startswith(head)}
    if not isinstance(places, list) or not all(isinstance(p, str) and p in known for p in places):
        raise UserError(f"{path}: coverage.replaced is no list of places of the last layer")
    return places


def detector_card(folder: Path) -> Card:
    """Returns what a folder of `write_detector` says of its weights.

    Raises:
      UserError: where `detector.json` is damaged.
    """
    path = within(folder, _ABOUT)
    about = read_json(path)
    model = _model(path, about)
    if about.get("card"):
        return dataclasses.replace(
            read_card(about["card"], place=path), model=network_options(model)
        )
    source = about.get("source")
    if not isinstance(source, dict) or not all(isinstance(one, str) for one in source.values()):
        raise UserError(f"{path}: does not say where the weights came from")
    return Card(source=source.get("file", ""), file_sha256=source.get("sha256", ""),
                spelling=str(about.get("spelling") or ""))  # fmt: skip


def _model(path: Path, about: Any) -> schema.Model:
    if not isinstance(about, dict) or about.get("kind") != KIND:
        raise UserError(f"{path}: does not describe a detector")
    check_schema(path, about.get("schema_version"), known=SCHEMA_VERSION)
    try:
        config = schema.from_json_dict({"model": about.get("model")})
        schema.validate(config)
        architecture_of(config.model.name).side(config.model)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return config.model
