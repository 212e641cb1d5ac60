"""Finds the table of rules of an architecture, and the architectures of a state dict."""

import dataclasses
import difflib
import functools
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxdet.config import Model
from jaxdet.convert.resnet import DCT, DCT_LOG, NPR, RESNET
from jaxdet.convert.rules import Table, flatten, ignored, match
from jaxdet.convert.small_networks import COOCCURRENCE, DCGAN, FORENSIC_TRANSFER
from jaxdet.convert.state_dicts import shorten
from jaxdet.convert.vgg import VGG11, VGG11_BN
from jaxdet.errors import UserError
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import get_detector

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        "resnet18": RESNET,
        "resnet34": RESNET,
        "resnet50": RESNET,
        "vgg11": VGG11,
        "vgg11_bn": VGG11_BN,
        "dct_resnet18": DCT,
        "dct_resnet50": DCT,
        "dct_log_resnet18": DCT_LOG,
        "dcgan": DCGAN,
        "image_resnet34": RESNET,
        "spectrum_resnet34": RESNET,
        "cooccurrence": COOCCURRENCE,
        "forensic_transfer": FORENSIC_TRANSFER,
        "npr": NPR,
        "resnet50_nodown": RESNET,
    }
)
# Where parameters do not depend on the image's size, small is fast to trace.
_SIZE = 64
# A larger one is no crop of pixels, and would take memory to trace.
_LARGEST_SIDE = 4096


def get_table(arch: str) -> Table:
    """Returns the rules of an architecture.

    Raises:
      UserError: where there is no such architecture.
    """
    if arch not in TABLES:
        nearest = difflib.get_close_matches(arch, TABLES, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise UserError(f"--arch={shorten(arch)} is not one of {', '.join(TABLES)}{hint}")
    return TABLES[arch]


@functools.lru_cache
def shapes(model: Model, *, side: int | None = None) -> dict[str, tuple[int, ...]]:
    """Returns every place of the detector's variables and its shape.

    Args:
      model: the detector.
      side: of the crops, in pixels, where the shapes depend on it.
    """
    backbone = architecture_of(model.name).backbone
    if backbone:
        # The same network behind another front-end.
        return shapes(dataclasses.replace(model, name=backbone), side=side)
    size = side or _SIZE
    tree = jax.eval_shape(lambda: get_detector(model).init(jax.random.key(0), size=size))
    return {place: tuple(leaf.shape) for place, leaf in flatten(tree).items()}


def identify(
    state_dict: Mapping[str, np.ndarray], arch: str | None, *, source: str
) -> tuple[Model, int | None]:
    """Says which network weights are of, and which crops it takes where it takes one side alone.

    Args:
      state_dict: by torch's key.
      arch: the name of the network, which the keys must fit; None to find it from them.
      source: what errors call the weights.

    Raises:
      UserError: where they fit none, or several and none is named.
    """
    given = [key for key in state_dict if ignored(key) is None]
    name = arch or _only(fitting(given), given, source=source)
    table = get_table(name)
    others = [] if set(given) == keys_of(name) else fitting(given)
    also = f"{name} but of {' or '.join(others)}" if others else name
    match(keys_of(name), given, source=source, network=also)
    width = _width(state_dict[table.stem], name, source=source)
    return Model(name=name, width=width), _side(state_dict, name, width, source=source)


def fitting(keys: Collection[str]) -> list[str]:
    """Returns the architectures that have exactly these keys."""
    given = {key for key in keys if ignored(key) is None}
    return [arch for arch, t in TABLES.items() if t.stem in given and keys_of(arch) == given]


@functools.cache
def keys_of(arch: str) -> frozenset[str]:
    """Returns torch's keys of an architecture, the same at any width and for any crops."""
    table = TABLES[arch]
    return frozenset(table.key(place) for place in shapes(Model(name=arch)))


def check_side(arch: str, side: Any, *, source: str) -> int:
    """Returns the side of the crops that weights were trained on.

    Raises:
      UserError: where the network takes no crops of that side.
    """
    takes = architecture_of(arch)
    is_possible = type(side) is int and takes.smallest <= side <= _LARGEST_SIDE
    if not is_possible or side % takes.multiple:
        raise UserError(f"{source}: {arch} takes no crops of {side!r:.20} pixels")
    return side


def _only(names: list[str], given: Collection[str], *, source: str) -> str:
    """Returns the only one of the architectures that keys fit; raises UserError otherwise."""
    if len(names) == 1:
        return names[0]
    if names:
        raise UserError(
            f"{source}: the weights fit {' and '.join(names)}, which look at an image in "
            "different ways; say which they are of with --arch=NAME"
        )
    near = [arch for arch, table in TABLES.items() if table.stem in given]
    if near:
        nearest = min(near, key=lambda arch: len(keys_of(arch).symmetric_difference(given)))
        match(keys_of(nearest), [*given], source=source, network=f"{nearest}, which is nearest")
    shown = ", ".join(map(shorten, sorted(given)[:3])) or "nothing"
    raise UserError(
        f"{source}: {len(given)} arrays ({shown}, ...) are the weights of none of "
        f"{', '.join(TABLES)}; name the nearest with --arch=NAME to see what differs"
    )


def _width(stem: np.ndarray, arch: str, *, source: str) -> int:
    """Returns `model.width` of the network whose first kernel has torch's shape."""
    # A width is a multiplier of all shapes: an absurd one is refused before anything is traced.
    if stem.ndim != 4 or not 1 <= stem.shape[0] <= 1024:
        raise UserError(
            f"{source}: {TABLES[arch].stem} has shape {stem.shape}, no first layer of {arch}"
        )
    return stem.shape[0]


def _side(
    state_dict: Mapping[str, np.ndarray], arch: str, width: int, *, source: str
) -> int | None:
    table = TABLES[arch]
    if not table.sized:
        return None
    shape = state_dict[table.sized].shape
    if len(shape) < 2:
        raise UserError(f"{source}: {table.sized} has shape {shape}, which is none of {arch}")
    return check_side(arch, table.side(shape, width), source=f"{source}: {table.sized}")
