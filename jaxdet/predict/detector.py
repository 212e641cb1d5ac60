"""Holds a detector with its weights, ready to score images of any size by JAX."""

import functools
import math
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.convert.card import Card
from jaxdet.errors import UserError
from jaxdet.models.architectures import architecture_of, check_sides
from jaxdet.models.detector import Variables, get_detector
from jaxdet.predict.base import AnyDetector
from jaxdet.runtime.memory import device_memory
from jaxdet.runtime.mesh import one_device_mesh, platform, put_replicated
from jaxdet.scoring.batches import SHAPES
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.protocol import Crop, Protocol
from jaxdet.scoring.scorer import Scorer
from jaxdet.train.weights import digest


class LoadedDetector(AnyDetector):
    """Scores images by JAX, on a CPU or an accelerator; see `AnyDetector` for its calls."""

    def __init__(self, model: schema.Model, variables: Variables, *, card: Card | None = None):
        """Takes variables {"params", "batch_stats"} of the model, on the host."""
        self.model, self.card = model, card or Card()
        detector, mesh = get_detector(model), one_device_mesh()
        # Maps grow with the width; what a batch takes is known for one of 64.
        limit = device_memory(mesh.devices.flat[0])
        memory = limit and limit * 64 // max(64, model.width)
        self.platform = platform(mesh)
        placed = put_replicated(mesh, variables)
        self._scorer = Scorer(detector, placed, mesh, lone=True, memory=memory)
        self._evidence = jax.jit(detector.evidence)

    @property
    def variables(self) -> Variables:
        """Returns the variables {"params", "batch_stats"} on the host."""
        return jax.device_get(self._scorer.variables)

    @functools.cached_property
    def digest(self) -> str:
        """Returns 16 hex digits over all of `variables`, as `results.json` has them."""
        return self.card.digest or digest(self.variables)

    @property
    def shows_evidence(self) -> bool:
        """Returns whether `evidence` has a place in the image."""
        return architecture_of(self.model.name).located

    @property
    def smallest(self) -> int:
        """Returns the side that whole images are padded to where they are smaller, pixels."""
        return architecture_of(self.model.name).smallest

    def check(self, protocol: Protocol) -> None:
        """Checks that the network takes the parts of an image that a protocol names.

        Raises:
          UserError: where it does not.
        """
        name = self.model.name
        if protocol.in_crops:
            check_sides(
                self.model,
                trained=self.protocol.crop,
                scored=protocol.crop,
                whole=False,
                options=("augment.crop", "--crop"),
            )
        elif not architecture_of(name).any_size:
            asked = "none" if protocol.parts == "full" else protocol.parts
            raise UserError(
                f"--crop={asked}: {name} scores square crops alone; give --crop={protocol.crop}"
            )

    def crop_evidence(self, crop: np.ndarray) -> np.ndarray:
        """Returns the map of `evidence`, f32 [h, w], of a crop u8 [H, W, 3] as it is scored.

        Raises:
          UserError: as `evidence`.
        """
        if not self.shows_evidence:
            raise UserError(f"{self.model.name}: its evidence has no place in the image")
        _, maps = jax.device_get(self._evidence(self._scorer.variables, crop[None]))
        return np.asarray(maps[0], np.float32)

    def warm_up(self, *, crop: Crop | None = None) -> None:
        """Compiles beforehand what `score` needs for any image under a protocol.

        Whole images are then scored by these programs alone, however many of one size come.

        Args:
          crop: as in `score`.
        """
        protocol = self.choose(crop)
        side = (protocol.crop, protocol.crop)
        for height, width in [side] if protocol.in_crops else SHAPES:
            image = np.zeros((height, width, 3), np.uint8)
            for count in (1, 2) if protocol.in_crops else (1,):
                pieces = (Piece(owner, image) for owner in range(count))
                for _ in self.score_pieces(pieces, protocol=protocol):
                    pass
        if not protocol.in_crops and self._scorer.find is not None:
            self._scorer.find.often = math.inf

    def warm_up_few(self) -> None:
        """Compiles batches of one crop and of `few`, as the detector was measured.

        From then on one image, and up to `few` that come together, need no compilation.
        """
        side = self.protocol.crop
        image = np.zeros((side, side, 3), np.uint8)
        self._scorer.lengths = (self.few,)
        for count in (1, self.few):
            pieces = (Piece(owner, image) for owner in range(count))
            for _ in self._scorer(pieces, in_crops=True):
                pass

    def score_pieces(
        self, pieces: Iterable[Piece], *, protocol: Protocol
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches of pieces as they fill up, each piece with its logit."""
        return self._scorer(pieces, in_crops=protocol.in_crops)
