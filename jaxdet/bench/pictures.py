"""Makes pictures to measure on, where nobody names their own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.data.table.parquet import write_rows
from jaxdet.datasets.makers.photos import built_in_photographs, load_view
from jaxdet.datasets.pack.listing import Listing, set_of

# Images in a row group, as Hugging Face's datasets writes them.
_GROUP = 100


def write_pictures(root: Path, *, count: int, size: int = 256) -> None:
    """Writes crops of the built-in photographs as PNG, `count` under each label of one class."""
    for label in LABEL_FOLDERS:
        _write_crops(root / "train" / "photographs" / label, [(size, size)] * count)


def write_mixed(folder: Path, *, count: int) -> None:
    """Writes crops as PNG whose sizes spread as those of the Deepfake test set do.

    291 +- 33 by 260 +- 14 pixels, the figures that are told of that set; `count` crops, half of
    them under each label.
    """
    rng = np.random.default_rng(1)
    sizes = np.maximum(rng.normal((291, 260), (33, 14), (count, 2)).round().astype(int), 64)
    for number, label in enumerate(LABEL_FOLDERS):
        _write_crops(folder / label, sizes[number::2].tolist())


def write_jpegs(root: Path, *, count: int) -> None:
    """Writes JPEGs of mixed sizes, `count` under each label of one class.

    The built-in photographs with 400 to 1,200 pixels on the shorter side, at qualities from 75 to
    96: sizes as in GenImage and Community Forensics.
    """
    rng = np.random.default_rng(2)
    views = _views(256)
    for label in LABEL_FOLDERS:
        folder = root / "train" / "photographs" / label
        folder.mkdir(parents=True)
        for number in range(count):
            view = views[number % len(views)]
            factor = rng.integers(400, 1201) / min(view.size)
            picture = view.resize((round(view.width * factor), round(view.height * factor)))
            picture.save(folder / f"{number:05d}.jpg", quality=int(rng.integers(75, 97)))


def write_table(listing: Listing, path: Path) -> None:
    """Writes the images of a folder as one Parquet file, in their order: sorted by label."""
    columns = {"image": "bytes", "label": "number", "split": "text"}
    write_rows(path, columns, _portions(listing), {})


def _portions(listing: Listing) -> Iterator[dict[str, list[Any]]]:
    for first in range(0, len(listing.files), _GROUP):
        numbers = range(first, min(first + _GROUP, len(listing.files)))
        folders = [listing.folders[listing.files[number][0]] for number in numbers]
        yield {
            "image": [listing.content(number)[0] for number in numbers],
            "label": [LABEL_FOLDERS.index(folder.rpartition("/")[2]) for folder in folders],
            "split": [set_of(folder) for folder in folders],
        }


def _write_crops(folder: Path, sizes: Sequence[Sequence[int]]) -> None:
    """Writes one crop of each (width, height), pixels, from the photographs in turn."""
    rng = np.random.default_rng(0)
    views = _views(max(side for size in sizes for side in size))
    folder.mkdir(parents=True)
    for number, size in enumerate(sizes):
        view = views[number % len(views)]
        left, top = (int(rng.integers(0, w - s + 1)) for w, s in zip(view.size, size, strict=True))
        crop = view.crop((left, top, left + size[0], top + size[1]))
        crop.save(folder / f"{number:05d}.png")


def _views(size: int) -> list[Image.Image]:
    """Returns the built-in photographs that have at least `size` pixels a side."""
    views = [load_view(one.views[0]) for part in built_in_photographs().values() for one in part]
    return [view for view in views if min(view.size) >= size]
