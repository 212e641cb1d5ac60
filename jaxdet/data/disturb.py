"""What may happen to a picture on its way to a detector: blur, JPEG, another size, noise.

Each is a pure function of the image and, for noise, of (seed, place in the set): scores of
disturbed images do not depend on workers, batches or the order in which they are computed.
"""

import dataclasses

from jaxdet.data import order
from jaxdet.data.augment import Noise, Operation
from jaxdet.data.augment.fixed import degradation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disturbance:
    """Disturbs every image of a set in one way and by the same amount.

    Attributes:
      kind: one of `augment.fixed`, or "noise" (Gaussian, each channel of each pixel by itself,
        rounded and clipped).
      level: sigma in pixels, quality 1..100, factor, sigma in grey levels.
      seed: of the noise.
    """

    kind: str
    level: float
    seed: int = 0

    def operation(self, index: int) -> Operation:
        """Returns what happens to the image at a place in the set.

        Raises:
          ValueError: where the kind is unknown.
        """
        if self.kind == "noise":
            stream = order.Stream(self.seed, order.NOISE, 0, index)
            return Noise(sigma=self.level, stream=stream)
        return degradation(self.kind, self.level)
