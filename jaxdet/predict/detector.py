"""A detector with its weights, ready to score images of any size."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.convert.load import load_weights
from jaxdet.data.buckets import batch_pixels, batches, bucket, exact
from jaxdet.data.pieces import Crop, Piece, cut
from jaxdet.errors import UserError
from jaxdet.models.architectures import ARCHITECTURES, check_sides
from jaxdet.models.detector import Variables, get_detector
from jaxdet.results import RunFolder
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.start import digest, restore_variables


class LoadedDetector:
    """Scores images by logits: above 0 the detector holds an image for generated.

    Attributes:
      model: the network.
      crop: side of the centre crop that the detector was trained on, pixels.
    """

    def __init__(self, model: schema.Model, variables: Variables, *, crop: int = 224):
        """Takes variables {"params", "batch_stats"} of the model, on the host."""
        self.model, self.crop = model, crop
        self._variables = jax.device_put(variables)
        self._any_size = ARCHITECTURES[model.name].any_size
        self._apply = jax.jit(get_detector(model).apply)

    @property
    def variables(self) -> Variables:
        """{"params", "batch_stats"} on the host."""
        return jax.device_get(self._variables)

    @functools.cached_property
    def digest(self) -> str:
        """16 hex digits over all of `variables`, as `results.json` has them."""
        return digest(self.variables)

    def check_crop(self, crop: Crop) -> None:
        """Sees that the detector can score such parts of an image.

        Raises:
          UserError: where it takes other crops alone.
        """
        name = self.model.name
        if not isinstance(crop, int) and not self._any_size:
            raise UserError(
                f"--crop={crop}: {name} scores square crops alone; give --crop={self.crop}"
            )
        if isinstance(crop, int):
            check_sides(name, trained=self.crop, scored=crop, whole=False)

    def score(
        self, images: np.ndarray | Sequence[np.ndarray], *, crop: Crop = "none"
    ) -> np.ndarray:
        """Logits f32 [B] of u8 [B, H, W, 3] or of a list of u8 [H, W, 3] of any sizes.

        An image's score does not depend on the others or their order, up to rounding.

        Args:
          images: RGB.
          crop: side of a centre crop in pixels (smaller images are padded with black), "none"
            for whole images (those above `pieces.MAX_WHOLE_PIXELS` in tiles), or "tiles": the
            mean of the tiles' logits, each by its area.

        Raises:
          ValueError: where an image is not u8 [H, W, 3] with at least one pixel.
          UserError: where the detector does not take such a crop.
        """
        self.check_crop(crop)
        checked = [_checked(image) for image in images]
        logits = np.zeros(len(checked), np.float64)
        pieces = (
            piece
            for owner, image in enumerate(checked)
            for piece in self.cut(image, owner=owner, crop=crop)
        )
        for piece, logit in self.score_pieces(pieces):
            logits[piece.owner] += piece.share * logit
        return logits.astype(np.float32)

    def cut(self, image: np.ndarray, *, owner: int, crop: Crop) -> list[Piece]:
        """The parts of an image, u8 [H, W, 3], that are scored; see `data.pieces.cut`."""
        smallest = ARCHITECTURES[self.model.name].smallest
        return cut(image, owner=owner, crop=crop, smallest=smallest)

    def score_pieces(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, float]]:
        """Each piece with its logit, in the order in which batches fill up."""
        pixels = batch_pixels(jax.default_backend())
        for batch in batches(pieces, pixels=pixels, find=bucket if self._any_size else exact):
            # Crops fill their arrays, and not every network takes sizes.
            sizes = (batch.size,) if self._any_size else ()
            logits = jax.device_get(self._apply(self._variables, batch.image, *sizes))
            yield from zip(batch.pieces, logits[: len(batch.pieces)].tolist(), strict=True)


def load_detector(path: str | Path, *, weights: str = "best") -> LoadedDetector:
    """The detector of a run folder, a converted folder, or a .pth or .safetensors file.

    Args:
      path: where it lies.
      weights: which checkpoint of a run: "best", "best_of_last_phase" or "latest".

    Raises:
      UserError: where it cannot be read as a detector.
    """
    path = Path(path)
    run = RunFolder(path)
    if run.config.is_file():
        trained = schema.read_config(run.config)
        variables = restore_variables(run, trained, weights, make_mesh(1))
        return LoadedDetector(trained.model, variables, crop=trained.eval_crop)
    loaded = load_weights(path)
    return LoadedDetector(loaded.model, loaded.variables)


def _checked(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"an image must be uint8 [H, W, 3], not {image.dtype} {image.shape}")
    return image
