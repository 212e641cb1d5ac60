"""Puts detectors of ONNX files behind the calls of `AnyDetector`, scored by onnxruntime."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.convert.onnx import VARIANTS
from jaxdet.convert.onnx.run import OnnxProgram, read_onnx
from jaxdet.errors import UserError
from jaxdet.predict.base import AnyDetector
from jaxdet.scoring.batches import batch_pixels, batches
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.protocol import Crop, Protocol


class OnnxDetector(AnyDetector):
    """Scores the parts of images that a detector of JAX does, by onnxruntime's logits."""

    def __init__(self, program: OnnxProgram):
        """Takes what onnxruntime has loaded."""
        self.model, self.card, self._program = program.model, program.card, program
        self.platform = "cpu"

    def __repr__(self) -> str:
        """Names the network and all else as any detector, and how its kernels are kept."""
        return f"{super().__repr__()[:-1]}; ONNX in {self._program.variant}>"

    @property
    def variables(self) -> dict[str, Any]:
        """Raises UserError: an ONNX file has them in another form."""
        raise UserError(f"{self._program.source}: an ONNX file gives logits alone, no variables")

    @property
    def digest(self) -> str:
        """Returns the digest of the weights that it was made from, and how it keeps them."""
        variant = self._program.variant
        return self.card.digest if variant == VARIANTS[0] else f"{self.card.digest}-{variant}"

    @property
    def smallest(self) -> int:
        """Returns the side that whole images are padded to where they are smaller, pixels."""
        return self._program.smallest

    def check(self, protocol: Protocol) -> None:
        """Checks that the file takes the parts of an image that a protocol names.

        Raises:
          UserError: where it does not.
        """
        size = self._program.size
        if protocol.in_crops and protocol.crop < self.smallest:
            raise UserError(
                f"--crop={protocol.crop}: {self._program.source} takes crops of {self.smallest} "
                "pixels or more"
            )
        if size and (not protocol.in_crops or protocol.crop != size):
            other = f", or export one with --size={protocol.crop}" if protocol.in_crops else ""
            raise UserError(
                f"{self._program.source}: takes crops of {size} pixels alone, and not "
                f"{protocol}; give predict --crop={size}{other}"
            )

    @property
    def shows_evidence(self) -> bool:
        """Returns False: an ONNX file has no maps."""
        return False

    def crop_evidence(self, crop: np.ndarray) -> np.ndarray:
        """Raises UserError: an ONNX file has no maps."""
        raise UserError(f"{self._program.source}: an ONNX file gives logits alone, no evidence")

    def warm_up(self, *, crop: Crop | None = None) -> None:
        """Does nothing: images of any size need no compilation."""

    def warm_up_few(self) -> None:
        """Does nothing: batches of any length need no compilation."""

    def score_pieces(
        self, pieces: Iterable[Piece], *, protocol: Protocol
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches of pieces as they fill up, each piece with its logit.

        Whole images are of any size, and go one by one.
        """
        pixels = batch_pixels("cpu") if protocol.in_crops else 0
        for scored, batch in batches(pieces, pixels=pixels, sizes=False):
            logits = self._program.score(batch["image"][: len(scored)])
            yield list(zip(scored, logits.tolist(), strict=True))


def load_onnx(path: Path) -> OnnxDetector:
    """Returns the detector of a file that `export --format=onnx` wrote.

    Raises:
      UserError: where onnxruntime is missing, or the file is damaged or of somebody else.
    """
    return OnnxDetector(read_onnx(path))
