"""Disturbs a picture as its way to a detector may: blur, JPEG, another size, noise, chains.

Each is a pure function of the image and, for noise, of (seed, place in the set): scores of
disturbed images do not depend on workers, batches or the order in which they are computed.
"""

import dataclasses
import math

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

    @property
    def enlarges(self) -> float:
        """Returns the factor by which it enlarges the sides of an image; 1 where it does not."""
        return max(1.0, self.level) if self.kind == "scale" else 1.0

    def operations(self, index: int) -> list[Operation]:
        """Returns what happens to the image at a place in the set; see `operation`."""
        return [self.operation(index)]

    def operation(self, index: int) -> Operation:
        """Returns what happens to the image at a place in the set.

        Raises:
          ValueError: where the kind is unknown.
        """
        if self.kind == "noise":
            stream = order.Stream(self.seed, order.NOISE, 0, index)
            return Noise(sigma=self.level, stream=stream)
        return degradation(self.kind, self.level)


@dataclasses.dataclass(frozen=True)
class Chain:
    """Disturbs every image of a set in several ways, one after the other.

    Attributes:
      steps: in their order.
    """

    steps: tuple[Disturbance, ...]
    kind = "chain"
    level = None

    @property
    def enlarges(self) -> float:
        """Returns the factor by which no image becomes larger on the way."""
        return math.prod(step.enlarges for step in self.steps)

    def operations(self, index: int) -> list[Operation]:
        """Returns what happens to the image at a place in the set, in its order."""
        return [step.operation(index) for step in self.steps]
