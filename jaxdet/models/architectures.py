"""Describes what a detector is made of: its network, what it looks at, and what sides it takes."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxdet.config.dotted import look_up, running
from jaxdet.config.model import ARCHITECTURES, Model
from jaxdet.errors import UserError
from jaxdet.models.normalise import normalise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """Describes a detector; `ARCHITECTURES` of config/model.py names those of jaxdet.

    Attributes:
      build: the model's options to a network.
      pixels: u8 [B, H, W, 3] and a dtype to what the network takes.
      any_size: whether images of any size are scored, several sizes in one array too: the network
        takes their sizes, see `models/extent.py`; else square crops alone.
      fixed_size: whether crops must have the side that the network was trained on.
      smallest: side of the smallest image, pixels.
      multiple: what the side of a crop must be a multiple of, pixels.
      extent: i32 [B, 2], sizes of images to sizes of what the network takes.
      objective: the loss, a name of `train/losses.py`.
      located: whether places of the last feature map, which the network passes through
        `models.evidence.last_map`, are places in the image.
      backbone: the torchvision network whose weights it can start from; "" where only its own fit.
      measured: whether its inputs are measured over the training images before training.
      side: the model's options to the side of the only crops that it takes, pixels; 0 where it is
        no option.
      sees: what its network has of an image between `see` and `score`, its tower and its head; ""
        where there is no tower.
    """

    build: Callable[[Model], nn.Module]
    pixels: Callable[[jax.Array, Any], jax.Array] = normalise
    any_size: bool = False
    fixed_size: bool = False
    smallest: int = 1
    multiple: int = 1
    extent: Callable[[jax.Array], jax.Array] = lambda size: size
    objective: str = "cross_entropy"
    located: bool = False
    measured: bool = False
    backbone: str = ""
    side: Callable[[Model], int] = lambda model: 0
    sees: str = ""


def norm_options(model: Model) -> dict[str, Any]:
    """Returns the arguments that networks with batch normalisation take from the options."""
    return {
        "width": model.width,
        "unbiased": model.running_variance == "unbiased",
        "norm_groups": model.norm_groups,
    }


def architecture_of(name: str) -> Architecture:
    """Returns the architecture of a name of `ARCHITECTURES`, or of a module outside.

    Raises:
      UserError: where there is no such module, or it has another thing of that name.
    """
    found = look_up("model.name", ARCHITECTURES.get(name, name))
    if not isinstance(found, Architecture):
        if not callable(found):
            raise UserError(f"model.name: {name} is neither an Architecture nor a function")
        found = Architecture(build=found)
    if name in ARCHITECTURES:
        return found
    return dataclasses.replace(found, build=partial(_build_outside, name, found.build))


def _build_outside(name: str, build: Callable[[Model], nn.Module], model: Model) -> nn.Module:
    with running(f"model.name: {name} fails"):
        return build(model)


def check_sides(
    model: Model,
    *,
    trained: int,
    scored: int,
    whole: bool,
    options: tuple[str, str] = ("augment.crop", "evaluation.crop"),
) -> None:
    """Sees that a detector can be trained and score what is asked for.

    Args:
      model: its options.
      trained: side of the crops in training, pixels.
      scored: side of the crops that are scored, pixels.
      whole: whether whole images of any size are to be scored.
      options: what messages call the first two.

    Raises:
      UserError: naming the option that does not fit.
    """
    name, takes = model.name, architecture_of(model.name)
    own = takes.side(model)
    for option, side in zip(options, (trained, scored), strict=True):
        if side < takes.smallest or side % takes.multiple:
            multiples = f"multiples of {takes.multiple}, " if takes.multiple > 1 else ""
            raise UserError(
                f"{option}={side}: {name} takes crops of {multiples}{takes.smallest} pixels or more"
            )
        if own not in (0, side):
            raise UserError(f"{option}={side}: {model.title} takes crops of {own} pixels alone")
    if takes.fixed_size and trained != scored:
        raise UserError(
            f"{options[1]}={scored}: {name} scores crops of the side it is trained on alone, "
            f"{options[0]}={trained}"
        )
    if whole and not takes.any_size:
        raise UserError(f"evaluation.protocols: {name} scores square crops alone; leave out 'full'")
