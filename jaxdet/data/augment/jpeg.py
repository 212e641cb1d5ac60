"""Compresses images by JPEG."""

import dataclasses

import numpy as np

from jaxdet.config.augment import Augment
from jaxdet.data import ops
from jaxdet.data.order import Streams


@dataclasses.dataclass(frozen=True, kw_only=True)
class Jpeg:
    """Compresses an image and decodes it again.

    Attributes:
      quality: 1..100.
      codec: the encoder: "cv2" or "pil".
    """

    quality: int
    codec: str = "pil"
    margin = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns what the compression leaves of an image."""
        return ops.jpeg(image, quality=self.quality, codec=self.codec, order="bgr")


def sample(augment: Augment, streams: Streams) -> Jpeg | None:
    """Returns the operation with quality and encoder drawn, or None by its coin or the blur's."""
    joint = augment.coupling == "joint"
    probability = augment.blur_probability if joint else augment.jpeg_probability
    if not probability:
        return None
    coin, drawn, encoder = streams.shared("jpeg").random(3)
    if joint:
        coin = streams.shared("blur").random(1)[0]
    if coin >= probability:
        return None
    low, high = augment.jpeg_quality
    quality = min(augment.jpeg_quality_cap, low + int(drawn * (high - low + 1)))
    codec = augment.jpeg_codecs[int(encoder * len(augment.jpeg_codecs))]
    # The same bits as Pillow's where both have the same libjpeg.
    return Jpeg(quality=quality, codec="cv2" if augment.backend == "fast" else codec)
