"""A small detector and a mass of small images, some of them broken."""

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.rules import to_torch
from tests.golden import torchvision


def write_weights(path, *, width=4):
    """A ResNet-18 with values that make logits of different images differ."""
    model = Model(name="resnet18", width=width)
    empty = {place: np.zeros(shape, np.float32) for place, shape in shapes(model).items()}
    state_dict = to_torch(empty, table=TABLES["resnet18"])
    save_file({key: torchvision.fill(key, one.shape) for key, one in state_dict.items()}, path)
    return path


def write_images(folder, count, *, broken_every=0, sides=(32, 65), seed=0):
    """PNG and JPEG in turn, `count` files; the broken ones are text, empty, or cut off in turn."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"{number:05d}.{'jpg' if number % 2 else 'png'}"
        height, width = rng.integers(*sides, 2)
        noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(noise // (1 + number % 5)).save(path)
        if broken_every and number % broken_every == broken_every // 2:
            kept = (b"no image", b"", path.read_bytes()[:200])
            path.write_bytes(kept[number // broken_every % 3])
    return folder
