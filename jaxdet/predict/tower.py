"""Holds a vision tower with its weights, ready to turn images into features."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.convert.rules import flatten, nest
from jaxdet.convert.towers import resized
from jaxdet.errors import BadArgumentError, UserError
from jaxdet.models.detector import get_detector
from jaxdet.models.towers import Tower, read_tower
from jaxdet.predict.arguments import check_arguments
from jaxdet.progress import say
from jaxdet.runtime.mesh import one_device_mesh, put_replicated
from jaxdet.train.weights import digest, open_weights

# Images that the device works through at once.
_BATCH = 64


class LoadedTower:
    """Turns images into features, as the tower's publisher does after his own preprocessing.

    Attributes:
      tower: what it is: its sizes, activation, normalisation and the rest.
    """

    def __init__(self, model: schema.Model, params: dict[str, Any]):
        """Takes the detector that the tower is of, and the tower's parameters, on the host."""
        self.tower: Tower = read_tower(model.tower)
        variables = {"params": {"vit": params}, "batch_stats": {}}
        self._variables = put_replicated(one_device_mesh(), variables)
        detector = get_detector(model)
        self._features = jax.jit(detector.features, compiler_options=detector.compiler_options)

    def __repr__(self) -> str:
        """Names the tower and its weights."""
        return f"<{self.tower.text}, {self.dim} features, digest {self.digest}>"

    @property
    def size(self) -> int:
        """Returns the side of the images, pixels."""
        return self.tower.size

    @property
    def dim(self) -> int:
        """Returns the number of features of an image."""
        return self.tower.dim

    @functools.cached_property
    def digest(self) -> str:
        """Returns 16 hex digits over all of its weights."""
        return digest(jax.device_get(self._variables))

    def features(self, images: np.ndarray) -> np.ndarray:
        """Returns the features, f32 [B, D]: of CLIP the projected embedding, not normalised.

        Of DINOv2, DINOv3 and plain towers it is the normalised class token, of SigLIP what its
        attention pools.

        Args:
          images: RGB, u8 [B, S, S, 3], S the tower's size; with rotary positions (DINOv3) any
            sides that the patch divides. The pixels are normalised here.

        Raises:
          BadArgumentError: where they are no such array.
          UserError: where they are of another size.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
            raise BadArgumentError(
                f"features takes images u8 [B, S, S, 3], not {images.dtype} {images.shape}"
            )
        parts = [self._of(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *parts])

    def _of(self, images: np.ndarray) -> np.ndarray:
        # A batch is filled to the next power of two: few shapes are compiled.
        filled = np.zeros((1 << (len(images) - 1).bit_length(), *images.shape[1:]), np.uint8)
        filled[: len(images)] = images
        features = jax.device_get(self._features(self._variables, filled))
        return np.asarray(features[: len(images)], np.float32)


def load_tower(
    path: str | Path,
    activation: str | None = None,
    *,
    heads: int | None = None,
    normalisation: str | None = None,
    size: int | None = None,
    dtype: str = "float32",
    state_dict: str | None = None,
) -> LoadedTower:
    """Returns the vision tower of a file, of a folder of `jaxdet.convert`, or of a detector's run.

    Args:
      path: where it lies, a folder from the hub of Hugging Face, too; what `config.json` and
        `preprocessor_config.json` beside a file say counts.
      activation: of a CLIP whose file does not say it, "quick_gelu" or "gelu".
      heads: of its attention, where they are neither a named tower's nor its width / 64.
      normalisation: of its pixels, where its kind does not say it: "clip", "imagenet", "half" or
        six numbers with / between them.
      size: side of the images, pixels, if other than its own: the table of positions is then
        interpolated, which is logged.
      dtype: "bfloat16" for maps of half the bytes; softmax and normalisations stay float32.
      state_dict: name of the state dict in a file that holds several.

    Raises:
      BadArgumentError: where an argument is of a wrong kind; a ValueError and TypeError, too.
      UserError: where it cannot be read as a tower.
    """
    check_arguments(
        "load_tower", path, activation=activation, normalisation=normalisation,
        state_dict=state_dict,
    )  # fmt: skip
    for name, count in (("heads", heads), ("size", size)):
        if count is not None and (type(count) is not int or count < 1):
            raise BadArgumentError(f"{name}={count!r:.40}: give a whole number from 1 on")
    if dtype not in ("float32", "bfloat16"):
        raise BadArgumentError(f"dtype={dtype!r:.40}: float32 or bfloat16")
    facts = {"activation": activation, "heads": heads, "normalisation": normalisation}
    loaded, _ = open_weights(Path(path), state_dict=state_dict, facts=facts, headless=True)
    model, notes = loaded.model, loaded.notes
    if model.name not in schema.PROBES:
        raise UserError(f"{path}: a {model.title}, which has no vision tower")
    arrays = flatten(loaded.variables)
    if size:
        model, arrays, note = resized(model, arrays, size)
        notes = (*notes, note)
    for note in filter(None, notes):
        say(f"{path}: {note}")
    params = nest(arrays)["params"]["vit"]
    return LoadedTower(dataclasses.replace(model, dtype=dtype), params)
