"""One image of a set -> the pieces of it that a protocol scores, disturbed where asked."""

import dataclasses

import numpy as np

from jaxdet.data import ops, order
from jaxdet.data.augment.operation import Operation, apply_within
from jaxdet.data.disturb import Disturbance
from jaxdet.data.loaders import Reader
from jaxdet.data.ops.sides import RefusedSizeError
from jaxdet.data.pieces import Box, Piece, areas, five_boxes, random_boxes, whole_boxes


@dataclasses.dataclass(frozen=True, kw_only=True)
class PieceLoader:
    """Makes the pieces of the image at a place in a set, in RGB, with their sharpness.

    Attributes:
      read: the images.
      parts: "full" (the whole, in tiles where it is too large), "five_crops", or "random_crops".
      crop: side of the crops, pixels; smaller images are padded with black around them.
      disturb: what happens to the whole image before.
      smallest: side that whole images are padded to with black, where they are smaller, pixels.
      count: of the random crops.
      seed: of the random crops.
    """

    read: Reader
    parts: str
    crop: int
    disturb: Disturbance | None = None
    smallest: int = 1
    count: int = 0
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
        except RefusedSizeError as error:  # too large once it is resized or padded
            self.read.pass_over(index, error)
            return []

    def _pieces(self, image: np.ndarray, index: int) -> list[Piece]:
        image, left = self._disturbed(image, index)
        image = ops.pad_to(image, size=self._least)
        height, width = image.shape[:2]
        boxes = self._boxes(height, width, index)
        return [
            _piece(apply_within(left, image, *box), index, share, number, len(boxes))
            for number, (box, share) in enumerate(zip(boxes, areas(boxes), strict=True))
        ]

    def cost(self, index: int) -> int:
        """Returns the pixels that an image takes by its header; 0 where it has none.

        The image counts enlarged where the disturbance enlarges it.
        """
        width, height = self.read.images.size(index) or (0, 0)
        scaled = self.disturb is not None and self.disturb.kind == "scale"
        factor = max(1.0, self.disturb.level) if self.disturb and scaled else 1.0
        return int(width * height * factor**2)

    @property
    def _least(self) -> int:
        """Returns the side that an image is padded to, pixels."""
        return self.smallest if self.parts == "full" else self.crop

    def _disturbed(self, image: np.ndarray, index: int) -> tuple[np.ndarray, list[Operation]]:
        """Returns the disturbed image, and what is left to be done to its pieces.

        Piece by piece takes less memory, but not where black is put around the disturbed image.
        """
        if self.disturb is None:
            return image, []
        operation = self.disturb.operation(index)
        is_padded = min(image.shape[:2]) < self._least
        if operation.margin is not None and not is_padded:
            return image, [operation]
        return operation.apply(image), []

    def _boxes(self, height: int, width: int, index: int) -> list[Box]:
        if self.parts == "full":
            return whole_boxes(height, width)
        if self.parts == "five_crops":
            return five_boxes(height, width, size=self.crop)
        rng = order.random_generator(self.seed, stream=order.RANDOM_CROPS, index=index)
        return random_boxes(height, width, size=self.crop, count=self.count, rng=rng)


def _piece(pixels: np.ndarray, owner: int, share: float, number: int, of: int) -> Piece:
    """Returns the piece in RGB, in memory of its own.

    So none that waits keeps its whole image.
    """
    rgb = ops.swap_channels(np.ascontiguousarray(pixels))
    return Piece(owner, rgb, share, number, of, ops.laplacian_variance(rgb))
