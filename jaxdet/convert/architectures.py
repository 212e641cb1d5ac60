"""Which table of rules an architecture follows, and which architecture a state dict is of."""

import functools
from collections.abc import Mapping

import jax
import numpy as np

from jaxdet.config import Model
from jaxdet.convert.resnet import RESNET
from jaxdet.convert.rules import Table, flatten, ignored
from jaxdet.convert.vgg import VGG11, VGG11_BN
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector

TABLES: dict[str, Table] = {
    "resnet18": RESNET,
    "resnet34": RESNET,
    "resnet50": RESNET,
    "vgg11": VGG11,
    "vgg11_bn": VGG11_BN,
}
# Parameters do not depend on the image's size; small is fast to trace.
_SIZE = 64


def get_table(arch: str) -> Table:
    """The rules of an architecture.

    Raises:
      UserError: where there are none.
    """
    if arch not in TABLES:
        raise UserError(f"--arch={arch} is not one of {', '.join(TABLES)}")
    return TABLES[arch]


@functools.lru_cache
def shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Every place of the detector's variables and its shape."""
    tree = jax.eval_shape(lambda: get_detector(model).init(jax.random.key(0), size=_SIZE))
    return {place: tuple(leaf.shape) for place, leaf in flatten(tree).items()}


def width(state_dict: Mapping[str, np.ndarray], arch: str, *, source: str) -> int:
    """`model.width` of the network that the weights are of.

    Raises:
      UserError: where the first layer is missing or is no convolution.
    """
    stem = get_table(arch).stem
    if stem not in state_dict:
        names = ", ".join(sorted(state_dict)[:3]) or "nothing"
        raise UserError(f"{source}: not the weights of {arch}: no {stem} in it, but {names}")
    shape = state_dict[stem].shape
    # A width is a multiplier of all shapes: an absurd one is refused before anything is traced.
    if len(shape) != 4 or not 1 <= shape[0] <= 1024:
        raise UserError(f"{source}: {stem} has shape {shape}, which is no first layer of {arch}")
    return shape[0]


def infer(state_dict: Mapping[str, np.ndarray], *, source: str) -> str:
    """The architecture whose keys these are.

    Raises:
      UserError: where it is none that we know.
    """
    given = {key for key in state_dict if ignored(key) is None}
    for arch, table in TABLES.items():
        if {table.key(place) for place in shapes(Model(name=arch))} == given:
            return arch
    names = ", ".join(sorted(given)[:3]) or "nothing"
    raise UserError(
        f"{source}: {len(given)} arrays ({names}, ...) are the weights of none of "
        f"{', '.join(TABLES)}; name the nearest with --arch=NAME to see what differs"
    )
