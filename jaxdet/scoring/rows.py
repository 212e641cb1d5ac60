"""Keeps scores as they come in, a row for each piece, and puts them together at the end."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxdet.data.images import ImageSet
from jaxdet.errors import RunFailedError, Stopped, UserError
from jaxdet.results.arrays import Predictions, read_arrays, write_arrays
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.identity import fingerprint_of

# Seconds between two savings: what a kill loses at most.
KEEP_EVERY = 30.0

# A piece of an image: its number among `of`, its share of the image's logit and sharpness.
ROW = np.dtype(
    [
        ("image", "<i8"),  # place in the set
        ("piece", "<i4"),
        ("of", "<i4"),
        ("share", "<f8"),
        ("logit", "<f4"),
        ("sharpness", "<f4"),
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartialScores:
    """Describes what of a set was scored when it was last saved.

    Attributes:
      rows: ROW [n].
      position: how many images from the first on were looked at; only where they go in order.
      fingerprint: of the scores that are being computed.
    """

    rows: np.ndarray
    position: int
    fingerprint: str


class RowKeeper:
    """Collects rows, and saves them beside the file that they will end in.

    Attributes:
      position: how many images from the first on were looked at; 0 where they go in no order.
    """

    def __init__(self, path: Path | None = None, fingerprint: str = ""):
        """Begins with what an earlier start saved for the same scores; saves nothing without path.

        Args:
          path: where the scores will go in the end.
          fingerprint: what they follow from.
        """
        # Each host writes what it gathered. Hidden: any visible name may be that of a set.
        name = f".{path.stem}.part-{jax.process_index()}.npz" if path else ""
        self._path = path.with_name(name) if path else None
        self._fingerprint, self._saved_at = fingerprint, time.monotonic()
        self._chunks, self.position = [np.zeros(0, ROW)], 0
        saved = self._read()
        if saved is not None:
            self._chunks, self.position = [saved.rows], saved.position

    @property
    def rows(self) -> np.ndarray:
        """Returns all rows so far, ROW [n]."""
        self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0]

    def add(self, rows: np.ndarray, *, position: int = 0) -> None:
        """Takes rows ROW [n], and saves all of them where it is time."""
        self._chunks.append(rows)
        self.position = position
        if self._path is not None and time.monotonic() - self._saved_at >= KEEP_EVERY:
            self._save(self._path)

    def go_back(self, position: int) -> None:
        """Forgets the images from a place on."""
        self._chunks = [self.rows[self.rows["image"] < position]]
        self.position = position

    def stop(self, signum: int, *, together: bool) -> NoReturn:
        """Saves all rows and ends the work, as a signal asked; on all hosts `together` or here.

        Raises:
          Stopped: in any case.
        """
        if self._path is not None:
            self._save(self._path)
        done = "the scores so far are saved" if self._path else ""
        raise Stopped(signum, done, together=together)

    def _save(self, path: Path) -> None:
        partial = PartialScores(
            rows=self.rows, position=self.position, fingerprint=self._fingerprint
        )
        write_arrays(path, partial)
        self._saved_at = time.monotonic()

    def remove(self) -> None:
        """Ends the keeping: the scores have their own file now."""
        if self._path is None:
            return
        # Drafts of savings during which an earlier start was killed lie beside it.
        clear_leftovers(self._path.parent, self._path.name)
        self._path.unlink(missing_ok=True)

    def _read(self) -> PartialScores | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            partial = read_arrays(self._path, PartialScores)
        except UserError:
            # Not worth a stop: everything in it can be computed again.
            return None
        are_rows = partial.rows.dtype == ROW and partial.rows.ndim == 1 and partial.position >= 0
        return partial if are_rows and partial.fingerprint == self._fingerprint else None


def on_all_hosts(flag: bool) -> bool:
    """Returns whether the flag is set on every host; at a collective all must go the same way."""
    if jax.process_count() == 1:
        return flag
    return bool(np.all(multihost_utils.process_allgather(np.array([flag]))))


def gather(rows: np.ndarray) -> np.ndarray:
    """Gathers the rows of all hosts, ROW [n], on each of them."""
    if jax.process_count() == 1:
        return rows
    counts = np.asarray(multihost_utils.process_allgather(np.array([len(rows)], np.int32)))
    # As bytes: JAX would cut 64-bit numbers to 32, and rows of all hosts must be as many.
    raw = np.zeros((int(counts.max()), ROW.itemsize), np.uint8)
    raw[: len(rows)] = rows.view(np.uint8).reshape(len(rows), ROW.itemsize)
    counts = counts.reshape(-1)
    every = np.asarray(multihost_utils.process_allgather(raw)).reshape(len(counts), *raw.shape)
    shards = [shard[:count] for shard, count in zip(every, counts, strict=True)]
    return np.frombuffer(np.concatenate(shards).tobytes(), ROW)


def to_predictions(
    images: ImageSet, rows: np.ndarray, *, skip_bad: bool, fingerprint: str
) -> Predictions:
    """Returns predictions with one row for each image, in the order of the set.

    Args:
      images: what was scored.
      rows: ROW [n], in any order.
      skip_bad: whether images without rows are unreadable ones that may be left out.
      fingerprint: goes into the result.

    Raises:
      RunFailedError: where a logit is not finite, or an image was scored twice, in part or never.
    """
    rows = np.sort(rows, order=("image", "piece"))
    scored = _scored_places(images, rows, skip_bad=skip_bad)
    broken = np.flatnonzero(~np.isfinite(rows["logit"]))
    if len(broken):
        first = images.ids[int(rows["image"][broken[0]])]
        raise RunFailedError(f"{images.name}: the score of {first} is not finite")
    ids = np.array(images.ids)
    return Predictions(
        id=ids[scored],
        label=images.labels[scored],
        logit=_sums(rows, "logit"),
        sharpness=_sums(rows, "sharpness"),
        skipped=np.delete(ids, scored),
        fingerprint=fingerprint,
        numbering=images.numbering,
        group=_group_numbers(images)[scored],
    )


def _group_numbers(images: ImageSet) -> np.ndarray:
    """Returns a number for the group of each image, i64 [N], equal in all sets; -1 for none."""
    names, numbers = images.group_names(), {"": -1}
    for name in names:
        if name not in numbers:
            numbers[name] = int(fingerprint_of(name)[:15], 16)
    return np.array([numbers[name] for name in names], np.int64)


def _scored_places(images: ImageSet, rows: np.ndarray, *, skip_bad: bool) -> np.ndarray:
    """Returns the places i64 [N] of the images of which each piece was scored exactly once."""
    scored, first, counts = np.unique(rows["image"], return_index=True, return_counts=True)
    numbers = np.arange(len(rows)) - np.repeat(first, counts)
    if not (np.array_equal(counts, rows["of"][first]) and np.array_equal(numbers, rows["piece"])):
        raise RunFailedError(f"{images.name}: an image was not scored exactly once")
    if len(scored) and not 0 <= scored[0] <= scored[-1] < len(images):
        raise RunFailedError(f"{images.name}: {len(scored)} scores for {len(images)} images")
    missing = len(images) - len(scored)
    if missing and not skip_bad:
        raise RunFailedError(f"{images.name}: {missing} images were not scored")
    return scored


def _sums(rows: np.ndarray, column: str) -> np.ndarray:
    """Returns each image's mean weighted by shares, f32 [N], of rows sorted by image."""
    if not len(rows):
        return np.zeros(0, np.float32)
    starts = np.flatnonzero(np.diff(rows["image"], prepend=-1))
    return np.add.reduceat(rows[column] * rows["share"], starts).astype(np.float32)


def finished_images(rows: np.ndarray) -> Iterator[int]:
    """Yields the places of the images of which every piece has its row."""
    images, first, counts = np.unique(rows["image"], return_index=True, return_counts=True)
    yield from images[counts == rows["of"][first]].tolist()
