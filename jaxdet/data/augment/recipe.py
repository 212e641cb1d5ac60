"""Samples the operations of a config for an image, and applies them."""

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxdet.config.augment import OPERATIONS, Augment
from jaxdet.config.dotted import look_up_operation
from jaxdet.config.views import TrainingView, read_views
from jaxdet.data.augment.crop import Crop
from jaxdet.data.augment.fixed import degradation
from jaxdet.data.augment.operation import Operation, apply_each
from jaxdet.data.augment.outside import Outside
from jaxdet.data.augment.resize import Resize
from jaxdet.data.opencv import cv2
from jaxdet.data.order import Streams
from jaxdet.errors import UserError

Sample = Callable[[Augment, Streams], Operation | None]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Samples the operations on an image, and applies them.

    Attributes:
      augment: the settings.

    Raises:
      UserError: where an operation outside cannot be looked up.
    """

    augment: Augment
    _samples: tuple[Sample, ...] = dataclasses.field(init=False, repr=False)
    _views: tuple[TrainingView, ...] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_samples", tuple(map(_sample_of, self.augment.operations)))
        object.__setattr__(self, "_views", read_views(self.augment.views))

    def view_number(self, *, epoch: int, image: Any) -> Any:
        """Returns the number of the view that an epoch shows: all in turn, one an epoch.

        Args:
          epoch: of the training.
          image: `Streams.image`, or an array of them.
        """
        return (epoch + image) % len(self._views)

    def sample(self, streams: Streams) -> list[Operation]:
        """Returns the operations on one image, in their order, without those that coins leave out.

        Args:
          streams: of the image.
        """
        if self._views:
            view = self._views[self.view_number(epoch=streams.epoch, image=streams.image)]
            if view.draw is None:
                return self._degraded(view)
            streams = streams._replace(epoch=view.draw, deal=None)
        sampled = (sample(self.augment, streams) for sample in self._samples)
        return [operation for operation in sampled if operation is not None]

    def _degraded(self, view: TrainingView) -> list[Operation]:
        """Returns what happens to each image of a view in which nothing is drawn."""
        augment = self.augment
        resizing = [Resize(augment.resize, augment.resize_kernel)] if augment.resize else []
        degrading = [degradation(kind, level) for kind, level in view.degradations]
        return [*degrading, *resizing, Crop(side=augment.crop)]

    def __call__(self, image: np.ndarray, streams: Streams, *, out: np.ndarray) -> None:
        """Writes the image after its operations; see `apply_all`."""
        apply_all(self.sample(streams), image, out=out)


def published_validation(augment: Augment) -> Augment:
    """Returns what CNNDetection's validation does (train.py:17-33), as settings.

    The coins fall as in training, but sigma and quality are the middle of their ranges, the
    encoder is Pillow's and the crop is the centre.
    """
    sigma = sum(augment.blur_sigma) / 2
    quality = sum(augment.jpeg_quality) // 2
    kernels = augment.blur_kernels
    return dataclasses.replace(
        augment,
        operations=("resize", "blur", "jpeg", "crop"),
        views=(),
        blur_sigma=(sigma, sigma),
        blur_kernels=(kernels[len(kernels) // 2],),
        jpeg_quality=(quality, quality),
        jpeg_quality_cap=100,
        jpeg_codecs=("pil",),
        scope="image",
        corner="centre",
    )


def apply_all(operations: Sequence[Operation], image: np.ndarray, *, out: np.ndarray) -> None:
    """Writes an image after operations, one of which is a crop.

    Pixels stand in OpenCV's order until they are written: its JPEG takes no other, and the copy
    into the batch turns them on the way.

    Args:
      operations: in their order.
      image: u8 [H, W, 3] in BGR; left as it is.
      out: u8 [side, side, 3] in RGB, to write into.

    Raises:
      TooSmallError: where a random corner is drawn in an image smaller than the crop.
      UserError: where an operation after the crop changes its size.
    """
    place = next(i for i, one in enumerate(operations) if isinstance(one, Crop))
    first = place
    while first and operations[first - 1].margin is not None:
        first -= 1
    cropping = operations[place]
    assert isinstance(cropping, Crop)
    image = apply_each(operations[:first], image)
    image = cropping.apply_after(operations[first:place], image)
    image = apply_each(operations[place + 1 :], image)
    # Where shapes differ, OpenCV would write elsewhere and leave this row black.
    if image.shape != out.shape:
        height, width = image.shape[:2]
        raise UserError(
            f"augment.operations: what follows the crop leaves {width}x{height} pixels of it"
        )
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)


def _sample_of(name: str) -> Sample:
    """Returns what samples an operation of `OPERATIONS`, or one outside."""
    if name in OPERATIONS:
        sample: Sample = importlib.import_module(f"jaxdet.data.augment.{name}").sample
        return sample
    operation = look_up_operation(name)
    return lambda _, streams: Outside(name=name, operation=operation, stream=streams.own(name))
