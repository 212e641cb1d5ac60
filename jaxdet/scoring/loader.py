"""Makes the pieces of one image of a set, disturbed where asked."""

import dataclasses

import numpy as np

from jaxdet.data import ops, order
from jaxdet.data.augment.operation import Operation, apply_each
from jaxdet.data.disturb import Chain, Disturbance
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.readers import Reader
from jaxdet.scoring.pieces import Box, Piece, cut_boxes, find_boxes, random_boxes, with_mirrored
from jaxdet.scoring.protocol import Protocol


@dataclasses.dataclass(frozen=True, kw_only=True)
class PieceLoader:
    """Makes the pieces of the image at a place in a set, in RGB, with their sharpness.

    Attributes:
      read: the images.
      protocol: what of an image is scored.
      disturb: what happens to the whole image before.
      smallest: side that whole images are padded to with black, where they are smaller, pixels.
      random_crops: number of crops of the protocol's side at random places of the image as it is,
        instead of the protocol's; 0 for none.
      seed: of the random crops.
    """

    read: Reader
    protocol: Protocol
    disturb: Disturbance | Chain | None = None
    smallest: int = 1
    random_crops: int = 0
    seed: int = 0

    def __call__(self, index: int) -> list[Piece]:
        """Returns the pieces of an image; none of an unreadable one under the policy "skip".

        Raises:
          BadImageError: for an unreadable image under another policy.
        """
        image = self.read(index)
        if image is None:
            return []
        try:
            return self._pieces(image, index)
        except RefusedSizeError as error:  # too large once it is enlarged or padded
            self.read.pass_over(index, error)
            return []

    def cost(self, index: int) -> int:
        """Returns the pixels that an image takes by its header; 0 where it has none.

        The image counts enlarged where the disturbance enlarges it.
        """
        width, height = self.read.images.size(index) or (0, 0)
        factor = self.disturb.enlarges if self.disturb else 1.0
        return int(width * height * factor**2)

    def _pieces(self, image: np.ndarray, index: int) -> list[Piece]:
        image, left = self._disturbed(image, index)
        if not self.random_crops:
            image = self.protocol.reduce(image)
        image = ops.pad_to(image, size=self.protocol.padded_side(self.smallest))
        height, width = image.shape[:2]
        boxes = self._boxes(height, width, index)
        pieces = cut_boxes(image, boxes, owner=index, operations=left)
        if self.protocol.parts == "ten_crops" and not self.random_crops:
            pieces = with_mirrored(pieces)
        return list(map(_finished, pieces))

    def _disturbed(self, image: np.ndarray, index: int) -> tuple[np.ndarray, list[Operation]]:
        """Returns the disturbed image, and what is left to be done to its pieces.

        Piece by piece takes less memory, but not where the disturbed image is reduced, or black is
        put around it.
        """
        if self.disturb is None:
            return image, []
        operations = self.disturb.operations(self.read.images.number_of(index))
        is_padded = min(image.shape[:2]) < self.protocol.padded_side(self.smallest)
        is_reduced = not self.random_crops and self.protocol.reduces
        needs_whole = any(operation.margin is None for operation in operations)
        if needs_whole or is_padded or is_reduced:
            return apply_each(operations, image), []
        return image, operations

    def _boxes(self, height: int, width: int, index: int) -> list[Box]:
        if not self.random_crops:
            return find_boxes(height, width, self.protocol)
        return random_boxes(
            height,
            width,
            size=self.protocol.crop,
            count=self.random_crops,
            rng=order.random_generator(self.seed, stream=order.RANDOM_CROPS, index=index),
        )


def _finished(piece: Piece) -> Piece:
    """Returns a piece in BGR as one in RGB, with its sharpness."""
    rgb = ops.swap_channels(piece.pixels)
    return dataclasses.replace(piece, pixels=rgb, sharpness=ops.laplacian_variance(rgb))
