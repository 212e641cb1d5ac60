"""A detector: uint8 images in, logits out, everything between on the device."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdet.config import Model
from jaxdet.models import resnet, vgg
from jaxdet.models.evidence import evidence

# {"params": ..., "batch_stats": ...}, nested dicts of arrays.
Variables = dict[str, Any]

# The means and deviations of ImageNet's training images, RGB in 0..1 (torchvision).
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])

_ARCHITECTURES: dict[str, Callable[..., Any]] = {
    "resnet18": resnet.resnet18,
    "resnet34": resnet.resnet34,
    "resnet50": resnet.resnet50,
    "vgg11": vgg.vgg11,
    "vgg11_bn": vgg.vgg11_bn,
}


@dataclasses.dataclass(frozen=True)
class Detector:
    """A network behind its front-end, as functions of `variables`.

    Attributes:
      network: normalised floats to logits.
      dtype: of the maps between the layers; None: that of the variables.
    """

    network: Any
    dtype: Any = None

    def init(self, rng: jax.Array, *, size: int) -> Variables:
        """Random variables for images of `size` x `size` pixels."""
        image = jnp.zeros((self.network.norm_groups, size, size, 3), jnp.uint8)
        variables: Variables = self.network.init(rng, normalise(image), train=True)
        # VGG-11 has no statistics: an empty dict keeps one form for all.
        return {name: variables.get(name, {}) for name in ("params", "batch_stats")}

    def apply(
        self, variables: Variables, image: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Logits float [B] of u8 [B, H, W, 3], by the running statistics.

        Args:
          variables: of the network.
          image: images, each in the upper left corner where they are of unlike sizes.
          size: i32 [B, 2], height and width of each; None where all fill the array.
        """
        cast, pixels = self._prepare(variables, image)
        logits: jax.Array = self.network.apply(cast, pixels, size, train=False)
        return logits

    def evidence(self, variables: Variables, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Logits float [B] of u8 [B, H, W, 3], and where in each image they come from.

        The maps are float [B, h, w], a place of the last feature map each, above 0 where it
        speaks for fake. Those of a ResNet and the head's bias add up to the logit (with bfloat16
        maps, to its rounding); those of a VGG are the logit's first-order part, see
        `models/evidence.py`.
        """
        return evidence(self.network, *self._prepare(variables, image))

    def apply_train(
        self, variables: Variables, image: jax.Array, *, rng: jax.Array
    ) -> tuple[jax.Array, dict[str, Any]]:
        """Logits [B] of u8 [B, H, W, 3] by the batch's statistics, and the new `batch_stats`.

        Args:
          variables: of the network.
          image: images that fill the array.
          rng: key of this step's dropout (VGG); the ResNets draw nothing.
        """
        cast, pixels = self._prepare(variables, image)
        logits, updated = self.network.apply(
            cast,
            pixels,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": rng},
        )
        return logits, updated.get("batch_stats", {})

    def _prepare(self, variables: Variables, image: jax.Array) -> tuple[Variables, jax.Array]:
        """Variables and pixels in the dtype that the network computes in."""
        pixels = normalise(image, jax.tree.leaves(variables)[0].dtype)
        if self.dtype is None:
            return variables, pixels
        cast = {**variables, "params": _cast_layers(variables["params"], self.dtype)}
        return cast, pixels.astype(self.dtype)


def get_detector(model: Model) -> Detector:
    """The detector that the config names."""
    options: dict[str, Any] = {
        "width": model.width,
        "unbiased": model.running_variance == "unbiased",
        "norm_groups": model.norm_groups,
    }
    if model.name.startswith("resnet"):
        options["zero_init_residual"] = model.zero_init_residual
    dtype = jnp.bfloat16 if model.dtype == "bfloat16" else None
    return Detector(_ARCHITECTURES[model.name](**options), dtype)


def _cast_layers(params: Any, dtype: Any) -> Any:
    """The kernels and biases of all layers but the last in another dtype.

    Normalisations (which have no kernel) and the last layer stay: their float32 makes that of
    the statistics and the logits.
    """
    if not isinstance(params, dict):
        return params
    if "kernel" in params and params["kernel"].shape[-1] != 1:
        return {name: value.astype(dtype) for name, value in params.items()}
    return {name: _cast_layers(value, dtype) for name, value in params.items()}


def normalise(image: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
    """u8 [B, H, W, 3] to floats with ImageNet's mean at 0 and deviation at 1."""
    scale = (1 / (255 * IMAGENET_STD)).astype(dtype)
    shift = (-IMAGENET_MEAN / IMAGENET_STD).astype(dtype)
    return image.astype(dtype) * scale + shift
