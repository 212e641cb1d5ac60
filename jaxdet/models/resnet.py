"""Defines ResNet-18, -34 and -50 with torchvision's names, geometry and initialisation.

He et al., CVPR 2016, in the "v1.5" form of torchvision: a bottleneck strides in its 3x3
convolution. Layer names are torchvision's with `layer1.0` written `layer1_0`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import flax.linen as nn
import jax

from jaxdet.config.model import Model
from jaxdet.models import pixels
from jaxdet.models.architectures import Architecture, norm_options
from jaxdet.models.conv import Kernel, conv, flax_conv
from jaxdet.models.evidence import last_map
from jaxdet.models.extent import halve, keep_inside, mean_inside
from jaxdet.models.folded_norm import FoldedNorm
from jaxdet.models.norm import BatchNorm
from jaxdet.models.platform import is_cpu
from jaxdet.models.pooled_norm import PooledNorm
from jaxdet.models.pooling import MaxPool, max_pool

# The place of `train` among a block's arguments, counted from self: no array for nn.remat.
_TRAIN = (3,)


class BasicBlock(nn.Module):
    """Applies two 3x3 convolutions and a shortcut."""

    features: int
    stride: int
    conv: Any
    norm: Any
    last_scale: nn.initializers.Initializer
    folded: Any = None
    expansion = 1

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None, train: bool) -> jax.Array:
        """Transforms float [B, H, W, C] to [B, H/stride, W/stride, features].

        `size` is the input's.
        """
        after = halve(size) if self.stride == 2 else size
        y = self.conv(self.features, 3, stride=self.stride, name="conv1")(x)
        y = keep_inside(nn.relu(self.norm(name="bn1")(y, train=train)), after)
        y = self.conv(self.features, 3, name="conv2")(y)
        y = self.norm(name="bn2", scale_init=self.last_scale)(y, train=train)
        return keep_inside(nn.relu(y + _shortcut(self, x, y, train=train)), after)


class Bottleneck(nn.Module):
    """Applies 1x1, 3x3 and 1x1 convolutions and a shortcut, with 4 * features channels out."""

    features: int
    stride: int
    conv: Any
    norm: Any
    last_scale: nn.initializers.Initializer
    folded: Any = None
    expansion = 4

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None, train: bool) -> jax.Array:
        """Transforms float [B, H, W, C] to [B, H/stride, W/stride, 4 * features].

        `size` is the input's.
        """
        after = halve(size) if self.stride == 2 else size
        folded = self.folded and train and size is None
        # A copy of its own for the first convolution: else the gradient of the shortcut, with
        # zeros between its rows, is written before the convolution's is added to it.
        own = jax.lax.optimization_barrier(x) if folded and self.stride == 2 else x
        y = self.conv(self.features, 1, name="conv1")(own)
        y = keep_inside(nn.relu(self.norm(name="bn1")(y, train=train)), size)
        y = self.conv(self.features, 3, stride=self.stride, name="conv2")(y)
        y = nn.relu(self.norm(name="bn2")(y, train=train))
        wide = self.features * self.expansion
        if folded:
            kernel = Kernel(wide, name="conv3")(y.shape[-1])
            norm = self.folded(name="bn3", scale_init=self.last_scale)
            folded_y: jax.Array = norm(y, kernel, self._folded_shortcut(x, wide))
            return folded_y
        y = self.conv(wide, 1, name="conv3")(y)
        y = self.norm(name="bn3", scale_init=self.last_scale)(y, train=train)
        return keep_inside(nn.relu(y + _shortcut(self, x, y, train=train)), after)

    def _folded_shortcut(self, x: jax.Array, features: int) -> jax.Array:
        if x.shape[-1] == features and self.stride == 1:
            return x
        kernel = Kernel(features, name="downsample_0")(x.shape[-1])
        norm = self.folded(name="downsample_1")
        y: jax.Array = norm(x[:, :: self.stride, :: self.stride], kernel)
        return y


def _shortcut(
    block: BasicBlock | Bottleneck, x: jax.Array, y: jax.Array, *, train: bool
) -> jax.Array:
    """Returns the block's input, brought to the shape of its output where they differ."""
    if x.shape == y.shape:
        return x
    x = block.conv(y.shape[-1], 1, stride=block.stride, name="downsample_0")(x)
    return block.norm(name="downsample_1")(x, train=train)


class ResNet(nn.Module):
    """Scores a batch of images with one logit each.

    Attributes:
      block: `BasicBlock` or `Bottleneck`.
      stages: blocks in each of the four stages.
      width: channels of the first stage.
      unbiased, norm_groups: see `BatchNorm`.
      zero_init_residual: whether each block starts as its shortcut alone (Goyal et al. 2017,
        arXiv 1706.02677). Without it gradients grow a thousandfold from the last block to the
        first, and with them rounding: losses on 1 and 4 devices part in the third digit after
        one step of Adam, with it they agree in the seventh.
      head_deviation: of the normal weights that the last layer starts with.
      stem_size: side of the first kernel, pixels.
      conv, max_pool: make a convolution as `models.conv.conv` does, and pool.
      downsample_early: whether the first convolution and the pool halve the map; without, maps are
        16 times as large (Gragnaniello et al., ICME 2021, "NoDown").
      folded: whether training computes normalisations with their neighbours, the same function in
        fewer passes over memory (`FoldedNorm`, `PooledNorm`); None: on accelerators, where the
        whole batch is normalised as one.
      rematerialise: whether training keeps no more of a block than its input, and computes its maps
        again on the way back (Chen et al. 2016, arXiv 1604.06174).
    """

    block: type[BasicBlock] | type[Bottleneck]
    stages: Sequence[int]
    width: int = 64
    unbiased: bool = True
    norm_groups: int = 1
    zero_init_residual: bool = True
    head_deviation: float = 0.02
    stem_size: int = 7
    downsample_early: bool = True
    folded: bool | None = None
    rematerialise: bool = False
    conv: Callable[..., nn.Module] = conv
    max_pool: MaxPool = max_pool

    @nn.compact
    def __call__(self, x: jax.Array, size: jax.Array | None = None, *, train: bool) -> jax.Array:
        """Returns the logits, float [B], of normalised float [B, H, W, 3].

        For `size` see `models/extent.py`.
        """
        norm = partial(BatchNorm, unbiased=self.unbiased, groups=self.norm_groups)
        last_scale = nn.initializers.zeros if self.zero_init_residual else nn.initializers.ones
        stride = 2 if self.downsample_early else 1
        stem = self.conv(self.width, self.stem_size, stride=stride, name="conv1")
        x = stem(keep_inside(x, size))
        size = halve(size) if stride == 2 else size
        is_folded = self._is_folded() and train
        if is_folded and size is None and stride == 2 and not (x.shape[1] % 2 or x.shape[2] % 2):
            x = PooledNorm(self.unbiased, name="bn1")(x)
        else:
            x = keep_inside(nn.relu(norm(name="bn1")(x, train=train)), size)
            x = self.max_pool(x, (3, 3), strides=(stride, stride), padding=((1, 1), (1, 1)))
        # The pool looks one pixel beyond the image: zeros there never win over a ReLU's output,
        # but the pool's own outputs beyond it must go.
        size = halve(size) if stride == 2 else size
        x = keep_inside(x, size)
        # Not where parameters are drawn: they are the same with and without.
        is_remade = self.rematerialise and train and not self.is_initializing()
        block = nn.remat(self.block, static_argnums=_TRAIN) if is_remade else self.block
        for stage, blocks in enumerate(self.stages):
            for number in range(blocks):
                stride = 2 if stage > 0 and number == 0 else 1
                x = block(
                    features=self.width * 2**stage,
                    stride=stride,
                    conv=self.conv,
                    norm=norm,
                    last_scale=last_scale,
                    folded=partial(FoldedNorm, self.unbiased) if is_folded else None,
                    name=f"layer{stage + 1}_{number}",
                )(x, size, train)
                size = halve(size) if stride == 2 else size
            self.sow("intermediates", f"layer{stage + 1}", x)
        x = mean_inside(last_map(self, x), size)
        head_init = nn.initializers.normal(self.head_deviation)
        return nn.Dense(1, kernel_init=head_init, name="fc")(x)[:, 0]

    @nn.nowrap
    def rematerialised(self) -> "ResNet":
        """Returns the same network, but one that computes the maps of its blocks twice."""
        return self.clone(rematerialise=True)

    def _is_folded(self) -> bool:
        if self.folded is None:
            return self.norm_groups == 1 and not is_cpu()
        return self.folded


# As Flax has them, to measure ours against.
FLAX_LAYERS: Mapping[str, Any] = MappingProxyType(
    {"conv": flax_conv, "max_pool": nn.max_pool, "folded": False}
)

resnet18 = partial(ResNet, block=BasicBlock, stages=(2, 2, 2, 2))
resnet34 = partial(ResNet, block=BasicBlock, stages=(3, 4, 6, 3))
resnet50 = partial(ResNet, block=Bottleneck, stages=(3, 4, 6, 3))
# Tan et al., CVPR 2024 (NPR, networks/resnet.py): two stages of ResNet-50 behind a 3x3 kernel.
npr_resnet = partial(ResNet, block=Bottleneck, stages=(3, 4), stem_size=3)


def _build(network: Callable[..., ResNet], **changes: Any) -> Callable[[Model], ResNet]:
    return lambda model: network(
        **norm_options(model),
        zero_init_residual=model.zero_init_residual,
        head_deviation=model.head_deviation,
        **changes,
    )


_architecture = partial(Architecture, any_size=True, located=True)

RESNET18 = _architecture(build=_build(resnet18))
RESNET34 = _architecture(build=_build(resnet34))
RESNET50 = _architecture(build=_build(resnet50))
# Zhang et al., WIFS 2019
IMAGE_RESNET34 = _architecture(
    build=_build(resnet34), pixels=pixels.symmetric_bgr, backbone="resnet34"
)
SPECTRUM_RESNET34 = Architecture(
    build=_build(resnet34), pixels=pixels.spectrum_bgr, backbone="resnet34"
)
NPR = _architecture(
    build=_build(npr_resnet), pixels=pixels.npr, smallest=2, extent=lambda size: size // 2 * 2
)
# Gragnaniello et al., ICME 2021
RESNET50_NODOWN = _architecture(build=_build(resnet50, downsample_early=False), backbone="resnet50")
