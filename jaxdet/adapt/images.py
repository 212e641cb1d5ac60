"""The images that a detector is adapted to, kept by, and checked on."""

import dataclasses
from collections.abc import Iterator
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
_SEED = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """Names the image files of a real and a fake folder.

    Attributes:
      paths: real ones first.
      label: i32 [N], 1 = fake.
    """

    paths: list[Path]
    label: np.ndarray


def find_pair(real: Path, fake: Path, options: tuple[str, str], *, most: int | None = None) -> Pair:
    """Returns the image files of two folders.

    Args:
      real: folder of real images.
      fake: folder of fake ones.
      options: what messages call the two.
      most: images of each, at most; None for any number.

    Raises:
      UserError: where one is no folder, or holds too few or too many.
    """
    found = []
    for option, folder in zip(options, (real, fake), strict=True):
        with listing(folder):
            if not folder.is_dir():
                raise UserError(f"{option}={folder}: no such folder")
        images, _ = find_images([folder])
        if len(images) < FEWEST:
            raise UserError(
                f"{option}={folder}: holds {len(images)} image{'s' * (len(images) > 1)}; give "
                f"{FEWEST} or more, better 50"
            )
        if most is not None and len(images) > most:
            raise UserError(
                f"{option}={folder}: holds {len(images)} images; give {most} at most, or train on "
                "them with model.init"
            )
        found.append(images)
    label = np.repeat(np.array([0, 1], np.int32), [len(one) for one in found])
    return Pair(paths=[*found[0], *found[1]], label=label)


def look_at_pair(look: Looker, pair: Pair, title: str) -> Seen:
    """Returns a row for each file of two folders.

    Raises:
      BadImageError: naming a file that cannot be read.
      UserError: where two files show the same image.
    """

    def pieces() -> Iterator[Piece]:
        images = read_ahead(pair.paths, max_pixels=schema.Data.max_pixels)
        with ProgressLine(title, total=len(pair.paths), unit="images") as progress:
            for number, (path, image) in enumerate(zip(pair.paths, images, strict=True)):
                if isinstance(image, Exception):
                    why = reason(image, option="the limit")
                    raise BadImageError(f"{path}: {why}; mend or remove it")
                for piece in cut(
                    image.pixels, owner=number, protocol=look.protocol, smallest=look.smallest
                ):
                    sharpness = laplacian_variance(piece.pixels)
                    yield dataclasses.replace(piece, sharpness=sharpness)
                progress.advance()

    seen = look(pieces(), pair.label)
    _refuse_equal(pair, seen)
    return seen


def _refuse_equal(pair: Pair, seen: Seen) -> None:
    first: dict[str, int] = {}
    for place, mark in enumerate(seen.mark.tolist()):
        other = first.setdefault(mark, place)
        if other != place:
            raise UserError(
                f"{pair.paths[place]}: the same image as {pair.paths[other]}; remove one of them"
            )


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
        raise UserError(f"{error} (--check=DATA names other data, --check=none none)") from None
    return [read(one) for one in tests], read(kept) if kept is not None and len(kept) else None


def _val(data: schema.Data) -> ImageSet | None:
    root = open_root(data.root, reading=reading_of(data))
    return root.load("val", name="val") if root.has("val") else None


def drawn(read: Reader, most: int) -> Reader:
    """Returns a reader of at most so many images of each label, always the same ones."""
    images = read.images
    places: list[np.ndarray] = []
    for label in (0, 1):
        rng = order.random_generator(_SEED, stream=order.SUBSET, index=label)
        rows = np.flatnonzero(images.labels == label)
        places.append(rows if len(rows) <= most else np.sort(rng.permutation(rows)[:most]))
    return dataclasses.replace(read, images=images.take(np.sort(np.concatenate(places))))


def look_at_set(look: Looker, read: Reader, *, without: np.ndarray) -> Seen:
    """Returns a row for each image of a set, but for those with the marks `without`, str [n].

    Raises:
      BadImageError: for an unreadable image that is not to be passed over.
    """
    load = PieceLoader(read=read, protocol=look.protocol, smallest=look.smallest)
    name, total = read.images.name, len(read.images)

    def pieces() -> Iterator[Piece]:
        ahead = in_order(load, range(total), cost=load.cost, budget=AHEAD_PIXELS)
        with ProgressLine(f"look at {name}", total=total, unit="images") as progress:
            for made in ahead:
                yield from made
                progress.advance()

    seen = look(pieces(), read.images.labels)
    is_other = ~np.isin(seen.mark, without)
    if count := int((~is_other).sum()):
        say(f"{name}: {count} images left out, which are among those given")
    return seen.take(is_other)
