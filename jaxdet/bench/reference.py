"""Loads images the published way, to measure against: one at a time, float pictures out.

The work of CNNDetection's data set (data/datasets.py) with the same libraries: Pillow decodes,
SciPy blurs channel by channel in place, OpenCV or Pillow compresses, Pillow crops and mirrors, and
the picture becomes a normalised float32 [3, H, W] as torchvision's ToTensor and Normalize make it.
The words are our own; the random draws are those of our plans, so that both do equal work.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from jaxdet.config.augment import Augment
from jaxdet.data import order
from jaxdet.data.augment import Blur, Crop, Flip, Jpeg, Operation, Recipe
from jaxdet.data.folder import FolderSet
from jaxdet.data.formats import FORMATS
from jaxdet.data.opencv import cv2

# What training images meet, and how many processes make them: CNNDetection's own numbers.
AUGMENT = Augment(crop=224, blur_probability=0.5, jpeg_probability=0.5)
WORKERS = 4
# Batches, more than are ever measured.
ENDLESS = 2**31 - 1

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
_STD = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedDataset:
    """Maps a place in a shuffled, endless order to f32 [3, crop, crop] and its label."""

    images: FolderSet
    augment: Augment
    seed: int
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        n = len(self.images)
        epoch, place = divmod(place, n)
        index = int(order.epoch_order(n, seed=self.seed, epoch=epoch, batch_size=1)[place, 0])
        picture = Image.open(self.images.path(index), formats=tuple(FORMATS)).convert("RGB")
        if size := self.augment.resize:
            kernel = Image.Resampling[self.augment.resize_kernel.upper()]
            picture = _resized(picture, size, kernel)
        streams = order.Streams(self.seed, "train", epoch, index)
        for operation in Recipe(dataclasses.replace(self.augment, resize=0)).sample(streams):
            picture = _applied(operation, picture)
        return _tensor(picture), self.images.labels[index]


def _applied(operation: Operation, picture: Image.Image) -> Image.Image:
    """Returns the picture after an operation, as CNNDetection applies it."""
    match operation:
        case Blur(sigma=sigma) if sigma is not None:
            return _blurred(picture, sigma)
        case Jpeg(quality=quality, codec=codec):
            return _compressed(picture, quality, codec)
        case Crop(side=side, corner=(y, x)):
            left, top = int(x * (picture.width - side + 1)), int(y * (picture.height - side + 1))
            return picture.crop((left, top, left + side, top + side))
        case Flip():
            return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    raise AssertionError(operation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReferenceLoader:
    """Maps a step to a batch of floats, put together as PyTorch's DataLoader does it."""

    dataset: PublishedDataset
    batch_size: int

    @property
    def batch_bytes(self) -> int:
        """Returns the size of one batch of floats, bytes."""
        return self.batch_size * self.dataset.augment.crop**2 * 3 * 4

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Returns the images, f32 [b, 3, crop, crop], and the labels, i64 [b], of a step."""
        first = step * self.batch_size
        rows = [self.dataset[place] for place in range(first, first + self.batch_size)]
        pictures, labels = zip(*rows, strict=True)
        return {"image": np.stack(pictures), "label": np.array(labels, np.int64)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedImages:
    """Maps a step to whole images or centre crops in the order of the set, as eval.py loads.

    Attributes:
      images: the set.
      crop: side of the centre crop, pixels; 0: whole images, which then must be alone in a batch
        or of one size.
      batch_size: images a batch; the last one is filled from the beginning, so that the shape
        stays.
    """

    images: FolderSet
    crop: int
    batch_size: int

    @property
    def batch_bytes(self) -> int:
        """Returns the size of one batch of floats, bytes."""
        width, height = self.images.size(0) or (0, 0)
        pixels = self.crop**2 if self.crop else width * height
        return self.batch_size * pixels * 3 * 4

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Returns the images of a step, f32 [b, 3, H, W]."""
        first, n = step * self.batch_size, len(self.images)
        places = [place % n for place in range(first, first + self.batch_size)]
        return {"image": np.stack([self._tensor(place) for place in places])}

    def _tensor(self, place: int) -> np.ndarray:
        picture = Image.open(self.images.path(place), formats=tuple(FORMATS)).convert("RGB")
        if self.crop:
            left, top = (round((side - self.crop) / 2) for side in picture.size)
            picture = picture.crop((left, top, left + self.crop, top + self.crop))
        return _tensor(picture)


def has_torch() -> bool:
    """Returns whether PyTorch is installed, whose DataLoader the published code runs on."""
    return importlib.util.find_spec("torch") is not None


@contextlib.contextmanager
def open_torch_batches(load: ReferenceLoader, *, workers: int) -> Iterator[Iterator[Any]]:
    """Yields the batches of the reference by PyTorch's DataLoader with worker processes."""
    # By name: nothing of jaxdet needs PyTorch, and the import rules hold that.
    data = importlib.import_module("torch.utils.data")
    loader = data.DataLoader(load.dataset, batch_size=load.batch_size, num_workers=workers)
    batches = iter(loader)
    try:
        yield ({"image": image.numpy(), "label": label.numpy()} for image, label in batches)
    finally:
        # Its iterator ends the workers when it goes.
        del batches


def _resized(picture: Image.Image, shorter: int, kernel: Image.Resampling) -> Image.Image:
    """Resizes as torchvision does, which truncates the longer side."""
    least = min(picture.size)
    width, height = (int(shorter * side / least) for side in picture.size)
    return picture.resize((width, height), kernel)


def _blurred(picture: Image.Image, sigma: float) -> Image.Image:
    levels = np.array(picture)
    for channel in range(3):
        plane = levels[:, :, channel]
        ndimage.gaussian_filter(plane, sigma=sigma, output=plane)
    return Image.fromarray(levels)


def _compressed(picture: Image.Image, quality: int, codec: str) -> Image.Image:
    if codec == "pil":
        file = io.BytesIO()
        picture.save(file, format="jpeg", quality=quality)
        return Image.open(file)
    bgr = np.array(picture)[:, :, ::-1]
    _, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None  # it was encoded a line above
    return Image.fromarray(decoded[:, :, ::-1])


def _tensor(picture: Image.Image) -> np.ndarray:
    floats = np.asarray(picture).transpose(2, 0, 1).astype(np.float32) / 255
    tensor: np.ndarray = (floats - _MEAN) / _STD
    return np.ascontiguousarray(tensor)
