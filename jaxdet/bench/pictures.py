"""Pictures to measure on, where nobody names their own."""

from pathlib import Path

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.generators.photos import built_in_photographs, load_view


def write_pictures(root: Path, *, count: int, size: int = 256) -> None:
    """Writes crops of the built-in photographs as PNG, `count` under each label of one class."""
    rng = np.random.default_rng(0)
    views = [load_view(one.views[0]) for part in built_in_photographs().values() for one in part]
    views = [view for view in views if min(view.size) >= size]
    for label in LABEL_FOLDERS:
        folder = root / "train" / "photographs" / label
        folder.mkdir(parents=True)
        for number in range(count):
            view = views[number % len(views)]
            left, top = (int(rng.integers(0, side - size + 1)) for side in view.size)
            crop = view.crop((left, top, left + size, top + size))
            crop.save(folder / f"{number:05d}.png")
