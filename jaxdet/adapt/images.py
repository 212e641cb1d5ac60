"""Finds and looks at the images that a detector is adapted to, kept by, and checked on."""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from jaxdet import config as schema
from jaxdet.adapt.features import Looker, Seen
from jaxdet.config.benchmarks import TFDS
from jaxdet.convert.card import Card
from jaxdet.data import order, splits
from jaxdet.data.images import ImageSet
from jaxdet.data.ops import laplacian_variance
from jaxdet.data.readers import Reader, evaluation_reader
from jaxdet.data.regular import listing, reason
from jaxdet.data.sources import open_root, reading_of
from jaxdet.errors import BadImageError, UserError
from jaxdet.predict.files import find_images, read_ahead
from jaxdet.progress import ProgressLine, say
from jaxdet.scoring.ahead import AHEAD_PIXELS, in_order
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import Piece, cut

# Of each label: with fewer, a fold would have none of it; with more, training does better.
FEWEST, MOST = 5, 1000
# Images of each label and old set that are looked at, at most.
_DRAWN, _SEED = 500, 0


def find_pair(label: str, folder: Path) -> list[Path]:
    """Returns the image files of the folder that an option such as "real" names.

    Raises:
      UserError: where it is no folder, or holds too few images or too many.
    """
    with listing(folder):
        if not folder.is_dir():
            raise UserError(f"--{label}={folder}: no such folder")
    images, _ = find_images([folder])
    if FEWEST <= len(images) <= MOST:
        return images
    mend = f"give {FEWEST} or more, better 50"
    if len(images) > MOST:
        mend = f"give {MOST} at most, or train on them with model.init"
    count = len(images)
    raise UserError(f"--{label}={folder}: holds {count} image{'s'[: count - 1]}; {mend}")


def look_at_files(look: Looker, real: list[Path], fake: list[Path], *, title: str) -> Seen:
    """Returns a row for each image file, read as `predict` reads it.

    Raises:
      BadImageError: naming a file that cannot be read.
      UserError: where two files show the same image.
    """
    paths = [*real, *fake]
    label = np.repeat(np.array([0, 1], np.int32), [len(real), len(fake)])

    def pieces() -> Iterator[Piece]:
        images = read_ahead(paths, max_pixels=schema.Data.max_pixels)
        with ProgressLine(title, total=len(paths), unit="images") as progress:
            for number, (path, image) in enumerate(zip(paths, images, strict=True)):
                if isinstance(image, Exception):
                    why = reason(image, option="the limit")
                    raise BadImageError(f"{path}: {why}; mend or remove it")
                parts = cut(
                    image.pixels, owner=number, protocol=look.protocol, smallest=look.smallest
                )
                for piece in parts:
                    sharpness = laplacian_variance(piece.pixels)
                    yield dataclasses.replace(piece, sharpness=sharpness)
                progress.advance()

    seen = look(pieces(), label)
    first: dict[str, Path] = {}
    for path, mark in zip(paths, seen.mark.tolist(), strict=True):
        if (other := first.setdefault(mark, path)) != path:
            raise UserError(f"{path}: the same image as {other}; remove one of them")
    return seen


def old_sets(card: Card, check: str | None) -> tuple[list[Reader], Reader | None]:
    """Returns the test sets of old generators, and images to keep; None where there are none.

    Kept are those that validated a run, or `val/` of other data.

    Args:
      card: of the detector; without `check` the data are those of its run.
      check: a data root, or "none".

    Raises:
      UserError: where the data are not there, or nothing says where they lie.
    """
    if check == "none":
        return [], None
    if check is not None and not check.startswith(TFDS) and not Path(check).exists():
        raise UserError(f"--check={check}: no such folder or table")
    if check is None and not card.config:
        raise UserError(
            "--check=DATA is missing: these weights name no data of theirs; give a data root with "
            "test/ (and val/) of the generators that they know, or --check=none to check nothing"
        )
    config = schema.Config(data=schema.Data(root=check or ""))
    if check is None:
        config = schema.from_json_dict(card.config)
    read = partial(evaluation_reader, config.data)
    try:
        tests = splits.load_test_sets(config)
        kept = splits.load_train_and_val(config)[1] if check is None else _val(config.data)
    except UserError as error:
        raise UserError(
            f"{error} (give other data with --check=DATA, or --check=none to check nothing)"
        ) from None
    return [read(one) for one in tests], read(kept) if kept is not None and len(kept) else None


def _val(data: schema.Data) -> ImageSet | None:
    root = open_root(data.root, reading=reading_of(data))
    return root.load("val", name="val") if root.has("val") else None


def look_at_set(look: Looker, read: Reader, *, without: Iterable[str]) -> tuple[Seen, Reader]:
    """Looks at some images of a set, always the same ones, but for those with given marks.

    Returns:
      A row for each of them, and a reader of the images before any are left out.

    Raises:
      BadImageError: for an unreadable image that is not to be passed over.
    """
    read = _drawn(read)
    load = PieceLoader(read=read, protocol=look.protocol, smallest=look.smallest)
    name, total = read.images.name, len(read.images)

    def pieces() -> Iterator[Piece]:
        ahead = in_order(load, range(total), cost=load.cost, budget=AHEAD_PIXELS)
        with ProgressLine(f"look at {name}", total=total, unit="images") as progress:
            for made in ahead:
                yield from made
                progress.advance()

    seen = look(pieces(), read.images.labels)
    is_given = np.isin(seen.mark, list(without))
    if is_given.any():
        say(f"{name}: {is_given.sum()} images left out, which are among those given")
    return seen.take(~is_given), read


def _drawn(read: Reader) -> Reader:
    places: list[np.ndarray] = []
    for label in (0, 1):
        rng = order.random_generator(_SEED, stream=order.SUBSET, index=label)
        places.append(rng.permutation(np.flatnonzero(read.images.labels == label))[:_DRAWN])
    return dataclasses.replace(read, images=read.images.take(np.sort(np.concatenate(places))))
