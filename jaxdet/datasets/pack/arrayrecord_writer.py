"""Writes a folder as a dataset of tensorflow_datasets in ArrayRecord files, without TensorFlow.

A record is the file's bytes, its label and its path. Order, labels and pixels are those of the
folder it was made from; `jaxdet/data/arrayrecord.py` reads it.
"""

import contextlib
import io
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxdet.data.arrayrecord import ids_path
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.datasets.pack.listing import Listing, set_of
from jaxdet.errors import RunFailedError, UserError
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import LARGEST_LISTING, read_json, write_json
from jaxdet.workdir.lock import claimed
from jaxdet.workdir.utf8 import check_utf8

_VERSION = "1.0.0"


class Forensics(tfds.core.GeneratorBasedBuilder):
    """Builds a tfds dataset of a folder in ForenSynths layout: the splits train, val and test."""

    VERSION = tfds.core.Version(_VERSION)

    def __init__(self, *, listing: Listing, name: str, **options: Any):
        """Takes what to write and how the dataset is called; the rest as tfds has it."""
        self.name, self._listing = name, listing
        super().__init__(file_format="array_record", **options)

    def _info(self) -> tfds.core.DatasetInfo:
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["real", "fake"]),
                "id": tfds.features.Text(),
            }
        )
        # In the order of the folder source, so that a run sees the same images in the same steps.
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager
        return {split: self._generate_examples(split) for split in _splits(self._listing)}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        wanted = (n for n in range(len(self._listing.files)) if self._split_of(n) == split)
        for place, number in enumerate(wanted):
            path = self._listing.path(number).partition("/")[2]
            yield (
                place,
                {
                    "image": self._listing.content(number)[0],
                    "label": LABEL_FOLDERS.index(path.split("/")[-2]),
                    "id": path,
                },
            )

    def _split_of(self, number: int) -> str:
        return self._listing.path(number).partition("/")[0]


def write_tfds(listing: Listing, data_dir: Path, *, name: str) -> Path:
    """Writes the dataset `name` below `data_dir`; gives the folder of its version.

    Raises:
      UserError: where it is there already with other files, or tfds cannot keep what is listed.
      RunFailedError: where it cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"--name={name}: a name for tfds has small letters, digits and _ alone")
    if listing.shared:
        raise UserError(
            f"{listing.root}: generators share real images, which tfds cannot keep; pack a store"
        )
    for one in _sets_of_one_label(listing):
        raise UserError(
            f"{listing.root}: {one} has images of one label, which tfds cannot keep; pack a store"
        )
    splits, folder = _splits(listing), data_dir / name / _VERSION
    check_utf8(folder, "records")
    _check_names(listing, splits)
    about = {"source": listing.fingerprint, "splits": splits}
    try:
        with claimed(folder, instead="DST or --name"):
            _check_same(listing, folder, about)
            _clear_unfinished(folder)
            write_json(ids_path(folder), about)
            _build(listing, data_dir, name)
    except (OSError, RuntimeError) as error:
        # array_record raises RuntimeError where a disk is full.
        raise RunFailedError(f"{folder}: cannot be written: {error}; free disk space") from None
    return folder


def _sets_of_one_label(listing: Listing) -> Iterator[str]:
    """Yields the sets that a dataset of tfds, which knows none of one label, would refuse."""
    labels: dict[str, set[str]] = {}
    for path in listing.folders:
        labels.setdefault(set_of(path), set()).add(path.rpartition("/")[2])
    return (one for one, of_set in labels.items() if len(of_set) == 1)


def _check_same(listing: Listing, folder: Path, about: dict[str, Any]) -> None:
    """Sees that a dataset which is there already is of the same files."""
    if not folder.is_dir():
        return
    ids = ids_path(folder)
    if not ids.is_file() or read_json(ids, most=LARGEST_LISTING) != about:
        raise UserError(
            f"{folder}: exists and holds other files than {listing.root} holds now; give another "
            "folder or --name"
        )


def _clear_unfinished(folder: Path) -> None:
    """Removes what a start that was killed left beside the folder, tfds's as well as ours."""
    clear_leftovers(folder.parent)
    for left in folder.parent.glob(f"incomplete.*_{folder.name}"):
        shutil.rmtree(left)


def _build(listing: Listing, data_dir: Path, name: str) -> None:
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    # It tells of a download, and there is none.
    with contextlib.redirect_stdout(io.StringIO()):
        Forensics(listing=listing, name=name, data_dir=data_dir).download_and_prepare()


def _check_names(listing: Listing, splits: Mapping[str, Sequence[str]]) -> None:
    for split, paths in splits.items():
        for path in paths:
            if not path.isprintable():
                raise UserError(
                    f"{listing.root / split / path}: tfds cannot keep this name; rename the file"
                )


def _splits(listing: Listing) -> dict[str, list[str]]:
    """Returns the paths below each split, in order, by split."""
    splits: dict[str, list[str]] = {}
    for number in range(len(listing.files)):
        split, path = listing.path(number).split("/", 1)
        splits.setdefault(split, []).append(path)
    return splits
