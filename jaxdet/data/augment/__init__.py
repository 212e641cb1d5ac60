"""Augments training images by a list of operations, each with random numbers of its own.

`augment.operations` names them in their order. Each is a file here: a frozen dataclass that does
one thing at given values, and `sample`, which draws these values for an image. Order, ranges and
coins of the default are CNNDetection's (data/datasets.py): resize, blur, JPEG on the whole image,
then crop, then flip. Rescaling and noise, which CNNDetection has not, come before the blur and
after the crop.
"""

from jaxdet.data.augment.blur import Blur
from jaxdet.data.augment.crop import Crop, TooSmallError
from jaxdet.data.augment.flip import Flip
from jaxdet.data.augment.jpeg import Jpeg
from jaxdet.data.augment.noise import Noise
from jaxdet.data.augment.operation import Operation
from jaxdet.data.augment.outside import Outside
from jaxdet.data.augment.recipe import Recipe, apply_all, published_validation
from jaxdet.data.augment.rescale import Rescale, Scale
from jaxdet.data.augment.resize import Resize

__all__ = [
    "Blur",
    "Crop",
    "Flip",
    "Jpeg",
    "Noise",
    "Operation",
    "Outside",
    "Recipe",
    "Rescale",
    "Resize",
    "Scale",
    "TooSmallError",
    "apply_all",
    "published_validation",
]
