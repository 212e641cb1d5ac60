"""The table of detectors: each name's network, what it looks at, and what sides it takes."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import jax

from jaxdet.config import Model
from jaxdet.config.dotted import look_up
from jaxdet.errors import UserError
from jaxdet.models import pixels, resnet, vgg
from jaxdet.models.cooccurrence_cnn import CooccurrenceCNN
from jaxdet.models.dcgan import Discriminator
from jaxdet.models.forensic_transfer import ForensicTransfer
from jaxdet.models.frontends.scaling import MinMax, Standard
from jaxdet.models.probes import LinearProbe, Rine
from jaxdet.models.towers import read_tower


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """Describes one architecture of the table.

    Attributes:
      build: the model's options to a network.
      pixels: u8 [B, H, W, 3] and a dtype to what the network takes.
      any_size: whether images of any size are scored, several sizes in one array too; else square
        crops alone.
      fixed_size: whether crops must have the side that the network was trained on.
      smallest: side of the smallest image, pixels.
      multiple: what the side of a crop must be a multiple of, pixels.
      extent: i32 [B, 2], sizes of images to sizes of what the network takes.
      objective: the loss, a name of `train/losses.py`.
      located: whether places of the last feature map are places in the image.
      backbone: the torchvision network whose weights it can start from; "" where only its own fit.
      measured: whether its inputs are measured over the training images before training.
      side: the model's options to the side of the only crops that it takes, pixels; 0 where it is
        no option.
    """

    build: Callable[[Model], nn.Module]
    pixels: Callable[[jax.Array, Any], jax.Array] = pixels.normalise
    any_size: bool = True
    fixed_size: bool = False
    smallest: int = 1
    multiple: int = 1
    extent: Callable[[jax.Array], jax.Array] = lambda size: size
    objective: str = "cross_entropy"
    located: bool = True
    measured: bool = False
    backbone: str = ""
    side: Callable[[Model], int] = lambda model: 0


class Scaled(nn.Module):
    """Applies a network behind a front-end that learns a scale for each place of its input.

    Attributes:
      scaler: `MinMax` or `Standard`.
      network: float [B, H, W, C] to logits [B].
    """

    scaler: nn.Module
    network: nn.Module

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns logits, float [B], of float [B, H, W, C]; H and W are those of the first call."""
        logits: jax.Array = self.network(self.scaler(x, train=train), train=train)
        return logits

    def measure(self, x: jax.Array, valid: jax.Array) -> None:
        """Adds the rows of x, float [B, H, W, C], that are valid, bool [B], to the statistics."""
        self.scaler(x, measured=valid)


def _resnet(network: Callable[..., nn.Module], **changes: Any) -> Callable[[Model], nn.Module]:
    return lambda model: network(
        **_norm(model),
        zero_init_residual=model.zero_init_residual,
        head_deviation=model.head_deviation,
        **changes,
    )


def _vgg(network: Callable[..., nn.Module]) -> Callable[[Model], nn.Module]:
    return lambda model: network(**_norm(model), head_deviation=model.head_deviation)


def _norm(model: Model) -> dict[str, Any]:
    return {
        "width": model.width,
        "unbiased": model.running_variance == "unbiased",
        "norm_groups": model.norm_groups,
    }


def _dct(
    scaler: type[nn.Module], network: Callable[..., nn.Module], view: Callable[..., jax.Array],
    *, measured: bool = False,
) -> Architecture:  # fmt: skip
    build = _resnet(network)
    return Architecture(
        build=lambda model: Scaled(scaler=scaler(), network=build(model)),
        pixels=view,
        any_size=False,
        fixed_size=True,
        located=False,
        measured=measured,
    )


_VGG = partial(Architecture, smallest=32)
_PROBE = partial(
    Architecture, pixels=pixels.levels, any_size=False, fixed_size=True, located=False,
    side=lambda model: read_tower(model.tower).size,
)  # fmt: skip

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        # Wang et al., CVPR 2020, and Frank and Holz 2020
        "resnet18": Architecture(build=_resnet(resnet.resnet18)),
        "resnet34": Architecture(build=_resnet(resnet.resnet34)),
        "resnet50": Architecture(build=_resnet(resnet.resnet50)),
        "vgg11": _VGG(build=_vgg(vgg.vgg11)),
        "vgg11_bn": _VGG(build=_vgg(vgg.vgg11_bn)),
        "dct_resnet18": _dct(MinMax, resnet.resnet18, pixels.dct_of_levels),
        "dct_resnet50": _dct(MinMax, resnet.resnet50, pixels.dct_of_levels),
        # Frank et al., ICML 2020
        "dct_log_resnet18": _dct(
            Standard, resnet.resnet18, pixels.log_dct_of_levels, measured=True
        ),
        # Xuan et al. 2019
        "dcgan": Architecture(
            build=lambda model: Discriminator(**_norm(model)),
            pixels=pixels.symmetric,
            any_size=False,
            fixed_size=True,
            smallest=16,
            multiple=16,
        ),
        # Zhang et al., WIFS 2019
        "image_resnet34": Architecture(
            build=_resnet(resnet.resnet34), pixels=pixels.symmetric_bgr, backbone="resnet34"
        ),
        "spectrum_resnet34": Architecture(
            build=_resnet(resnet.resnet34),
            pixels=pixels.spectrum_bgr,
            any_size=False,
            located=False,
            backbone="resnet34",
        ),
        # Nataraj et al. 2019
        "cooccurrence": Architecture(
            build=lambda model: CooccurrenceCNN(width=model.width),
            pixels=pixels.pairs_of_levels,
            any_size=False,
            located=False,
            smallest=2,
        ),
        # Cozzolino et al. 2018
        "forensic_transfer": Architecture(
            build=lambda model: ForensicTransfer(width=model.width),
            pixels=pixels.third_order,
            any_size=False,
            smallest=16,
            multiple=16,
            objective="forensic_transfer",
            located=False,
        ),
        # Tan et al., CVPR 2024
        "npr": Architecture(
            build=_resnet(resnet.npr_resnet),
            pixels=pixels.npr,
            smallest=2,
            extent=lambda size: size // 2 * 2,
        ),
        # Gragnaniello et al., ICME 2021
        "resnet50_nodown": Architecture(
            build=_resnet(resnet.resnet50, downsample_early=False), backbone="resnet50"
        ),
        # Ojha et al., CVPR 2023, and others
        "linear_probe": _PROBE(
            build=lambda model: LinearProbe(read_tower(model.tower), model.head_deviation)
        ),
        # Koutlis and Papadopoulos, ECCV 2024
        "rine": _PROBE(
            build=lambda model: Rine(
                read_tower(model.tower), model.width, model.projection_layers
            )
        ),
    }
)  # fmt: skip


def architecture_of(name: str) -> Architecture:
    """Returns the architecture of a name of the table, or of a module outside.

    Raises:
      UserError: where there is no such module, or it has another thing of that name.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    found = look_up("model.name", name)
    if isinstance(found, Architecture):
        return found
    if not callable(found):
        raise UserError(f"model.name: {name} is neither an Architecture nor a function")
    return Architecture(build=found, any_size=False, located=False)


def rematerialised(network: nn.Module) -> nn.Module:
    """Returns the same network, but one that recomputes its blocks in the backward pass.

    Raises:
      UserError: where it has no residual blocks.
    """
    if isinstance(network, Scaled):
        return network.clone(network=rematerialised(network.network))
    if not isinstance(network, resnet.ResNet):
        name = type(network).__name__
        raise UserError(f"rematerialise: the network {name} has no residual blocks")
    return network.clone(rematerialise=True)


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
