"""Defines a detector: uint8 images in, logits out, everything between on the device."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdet.config.model import Model
from jaxdet.errors import UserError
from jaxdet.models.architectures import Architecture, architecture_of
from jaxdet.models.evidence import evidence
from jaxdet.models.platform import forward_options

# {"params": ..., "batch_stats": ...}, nested dicts of arrays.
Variables = dict[str, Any]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Transferred:
    """Holds what the training objective of ForensicTransfer is made of.

    Attributes:
      activation: float [B, 2], mean magnitude of the latent maps for real and for fake.
      reconstruction: float [B, H, W, C], of the residual.
    """

    activation: jax.Array
    reconstruction: jax.Array

    @property
    def logit(self) -> jax.Array:
        """Returns the logit, float [B], above 0 where the maps for fake are the more active."""
        return self.activation[:, 1] - self.activation[:, 0]


@dataclasses.dataclass(frozen=True)
class Detector:
    """Combines a network with its preprocessing, as functions of `variables`.

    Attributes:
      architecture: what pixels become before the network, and what sides they may have.
      network: floats to logits.
      norm_groups: parts of the batch that are normalised apart.
      dtype: of the maps between the layers; None: that of the variables.
    """

    architecture: Architecture
    network: Any
    norm_groups: int = 1
    dtype: Any = None

    def init(self, rng: jax.Array, *, size: int) -> Variables:
        """Returns random variables for images of `size` x `size` pixels."""
        image = jnp.zeros((self.norm_groups, size, size, 3), jnp.uint8)
        pixels = self.architecture.pixels(image, jnp.float32)
        variables: Variables = self.network.init(rng, pixels, train=True)
        # VGG-11 has no statistics: an empty dict keeps one form for all.
        return {name: variables.get(name, {}) for name in ("params", "batch_stats")}

    def random(self, seed: int, *, size: int) -> Variables:
        """Returns the variables of `init` as NumPy arrays, the same bits wherever JAX has a CPU.

        A CPU makes them: for a card, their program takes more than twice as long to compile.
        """
        with jax.default_device(host()):
            made = jax.jit(self.init, static_argnames="size")(jax.random.key(seed), size=size)
        variables: Variables = jax.tree.map(np.asarray, made)
        return variables

    def apply(
        self, variables: Variables, image: jax.Array, size: jax.Array | None = None
    ) -> jax.Array:
        """Returns the logits, float [B], of u8 [B, H, W, 3], by the running statistics.

        Args:
          variables: of the network.
          image: images, each in the upper left corner where they are of unlike sizes.
          size: i32 [B, 2], height and width of each; None where all fill the array, which an
            architecture that does not take any size asks for.
        """
        cast, pixels = self._prepare(variables, image)
        sizes = () if size is None else (self.architecture.extent(size),)
        logits: jax.Array = self.network.apply(cast, pixels, *sizes, train=False)
        return logits

    def evidence(self, variables: Variables, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the logits, float [B], of u8 [B, H, W, 3], and each image's activation map (CAM).

        The maps are float [B, h, w], a place of the last feature map each, above 0 where it
        speaks for fake. Those of a ResNet and the head's bias add up to the logit (with bfloat16
        maps, to its rounding); those of a VGG are the logit's first-order part, see
        `models/evidence.py`. A network that looks at no image but at its transform has none: NaN
        in maps of one place.
        """
        if not self.architecture.located:
            return self.apply(variables, image), jnp.full((len(image), 1, 1), jnp.nan)
        return evidence(self.network, *self._prepare(variables, image))

    def apply_train(
        self, variables: Variables, image: jax.Array, *, rng: jax.Array
    ) -> tuple[jax.Array, dict[str, Any]]:
        """Returns logits [B] of u8 [B, H, W, 3] by the batch's statistics, and new `batch_stats`.

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

    def contrast(
        self, variables: Variables, image: jax.Array, *, rng: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns logits [B] of u8 [B, H, W, 3], and the embeddings [B, D] that a loss compares.

        Args:
          variables: of the network.
          image: images that fill the array.
          rng: key of this step's dropout.
        """
        cast, pixels = self._prepare(variables, image)
        logits, embedding = self.network.apply(
            cast, pixels, method="contrast", rngs={"dropout": rng}
        )
        return logits, embedding.astype(jnp.float32)

    def collect(
        self, variables: Variables, image: jax.Array, label: jax.Array
    ) -> tuple[jax.Array, jax.Array, dict[str, Any]]:
        """Returns logits [B] of u8 [B, H, W, 3], and `batch_stats` that have taken these in.

        In between, whether the logits are to be learned from, 0 or 1.
        """
        cast, pixels = self._prepare(variables, image)
        (logits, counts), updated = self.network.apply(
            cast, pixels, label, method="collect", mutable=["batch_stats"]
        )
        return logits, counts, updated["batch_stats"]

    def transfer(self, variables: Variables, image: jax.Array, label: jax.Array) -> Transferred:
        """Returns what ForensicTransfer is trained by, of u8 [B, H, W, 3] and labels i32 [B]."""
        cast, pixels = self._prepare(variables, image)
        transferred: Transferred = self.network.apply(cast, pixels, label, method="transfer")
        return transferred

    def features(self, variables: Variables, image: jax.Array) -> jax.Array:
        """Returns the tower's features, float [B, D], of u8 [B, H, W, 3]; a probe has a tower."""
        cast, pixels = self._prepare(variables, image)
        features: jax.Array = self.network.apply(cast, pixels, method="features")
        return features

    def see(self, variables: Variables, image: jax.Array) -> jax.Array:
        """Returns what the head looks at, float [B, ...], of u8 [B, H, W, 3]; probes have one."""
        cast, pixels = self._prepare(variables, image)
        seen: jax.Array = self.network.apply(cast, pixels, method="see")
        return seen

    @property
    def compiler_options(self) -> dict[str, bool] | None:
        """Returns what XLA is told of its programs that differentiate nothing, for `jax.jit`."""
        has_tower = bool(self.architecture.sees)
        return forward_options() if has_tower and self.dtype == jnp.bfloat16 else None

    def on_features(self) -> "Detector":
        """Returns the same detector, but one that takes what `see` gives in place of images."""
        return dataclasses.replace(self, network=_Head(self.network))

    def residual(self, variables: Variables, image: jax.Array) -> jax.Array:
        """Returns the network's input, float [B, H', W', C], of u8 [B, H, W, 3]."""
        return self._prepare(variables, image)[1]

    def measure(self, variables: Variables, image: jax.Array, valid: jax.Array) -> Variables:
        """Returns variables whose input statistics include the images where `valid`, bool [B].

        Only of architectures that are `measured`.
        """
        cast, pixels = self._prepare(variables, image)
        _, updated = self.network.apply(
            cast, pixels, valid, method="measure", mutable=["batch_stats"]
        )
        return {**variables, **updated}

    def rematerialised(self) -> "Detector":
        """Returns the same detector, but one that recomputes its blocks in the backward pass.

        Raises:
          UserError: where its network has no residual blocks.
        """
        if not hasattr(self.network, "rematerialised"):
            name = type(self.network).__name__
            raise UserError(f"rematerialise: the network {name} has no residual blocks")
        return dataclasses.replace(self, network=self.network.rematerialised())

    def _prepare(self, variables: Variables, image: jax.Array) -> tuple[Variables, jax.Array]:
        """Returns variables and pixels in the dtype that the network computes in."""
        pixels = self.architecture.pixels(image, jax.tree.leaves(variables)[0].dtype)
        if self.dtype is None:
            return variables, pixels
        cast = {**variables, "params": _cast_layers(variables["params"], self.dtype)}
        return cast, pixels.astype(self.dtype)


@dataclasses.dataclass(frozen=True)
class _Head:
    """Applies the head of a network alone; its variables are those of the whole network."""

    network: Any

    def init(self, rng: jax.Array, pixels: jax.Array, *, train: bool) -> Any:
        """Returns random variables of the whole network, for pixels."""
        return self.network.init(rng, pixels, train=train)

    def apply(
        self, variables: Variables, seen: jax.Array, *more: Any, method: str = "", **others: Any
    ) -> Any:
        """Returns what the network gives behind its tower: logits, or what a method does there."""
        behind = f"{method}_seen" if method else "score"
        return self.network.apply(variables, seen, *more, method=behind, **others)


def get_detector(model: Model) -> Detector:
    """Returns the detector that the config names."""
    architecture = architecture_of(model.name)
    dtype = jnp.bfloat16 if model.dtype == "bfloat16" else None
    return Detector(architecture, architecture.build(model), model.norm_groups, dtype)


def host() -> jax.Device:
    """Returns a CPU, or the first device where JAX may use cards alone."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return jax.local_devices()[0]


def _cast_layers(params: Any, dtype: Any) -> Any:
    """Casts the kernels and biases of all layers but one of a single output to another dtype.

    Normalisations (which have no kernel) and the layer of the logit stay: their float32 makes that
    of the statistics and the logits. `forensic_transfer` has no such layer: its logit is a
    difference of maps in the other dtype.
    """
    if not isinstance(params, dict):
        return params
    if "kernel" in params and params["kernel"].shape[-1] != 1:
        return {name: value.astype(dtype) for name, value in params.items()}
    return {name: _cast_layers(value, dtype) for name, value in params.items()}
