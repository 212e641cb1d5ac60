"""Reads ArrayRecord files through tensorflow_datasets, without TensorFlow.

For those who keep their data as tfds datasets. Of one that `pack` wrote, `ids-VERSION.json` beside
the version's folder lists the paths, since a run needs all of them before it reads the first image.
"""

import functools
import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from jaxdet.data.builders import ImageFolderRoot, paths_of_records
from jaxdet.data.images import ImageSet
from jaxdet.data.ops import decode_bgr
from jaxdet.data.ops.opening import size_by_header
from jaxdet.data.path_table import PathTable
from jaxdet.data.regular import file_mark, reason
from jaxdet.data.store.layout import is_label_path
from jaxdet.errors import UserError, first_line
from jaxdet.workdir.files import LARGEST_LISTING, check_regular, read_json, within


class TfdsSet(ImageSet):
    """Holds some records of one split of a dataset in ArrayRecord files."""

    def __init__(
        self, folder: Path, split: str, records: np.ndarray, files: Sequence[str], *, name: str
    ):
        """Takes records i64 [N] of the split and the ids of them all."""
        self.folder, self.split, self.name = folder, split, name
        self._records, self._files = records, files

    @property
    def ids(self) -> Sequence[str]:
        """Returns the path of each image below its set; see ImageSet."""
        return self._files

    @functools.cached_property
    def _source(self) -> Any:
        builder = _builder(self.folder)
        return builder.as_data_source(self.split, decoders={"image": tfds.decode.SkipDecoding()})

    def __getstate__(self) -> dict[str, Any]:
        # Each process opens the files for itself.
        return {key: value for key, value in vars(self).items() if key != "_source"}

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns the file in the record; see ImageSet."""
        del max_pixels  # its size is bounded by the record
        try:
            content = self._source[int(self._records[index])]["image"]
        except Exception as error:  # array_record, protobuf and tfds raise many kinds
            raise ValueError(f"damaged ArrayRecord file: {first_line(error):.200}") from None
        if not isinstance(content, bytes):
            raise ValueError("damaged ArrayRecord file: no image in its record")
        return content

    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the decoded file; see ImageSet."""
        content = self.content(index, max_pixels=max_pixels)
        return decode_bgr(content, max_pixels=max_pixels, least_side=least_side)

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns the size by the file's header; see ImageSet."""
        try:
            return size_by_header(io.BytesIO(self.content(index, max_pixels=0)))
        except ValueError:
            return None

    def marks(self) -> np.ndarray:
        """Returns zeros: records tell nothing without being read; see ImageSet."""
        return np.zeros((len(self), 2), np.uint64)

    def content_marks(self) -> bytes:
        """Returns which files the dataset was written from, and the sizes of its files, bytes."""
        sizes = [(name, size) for name, size, _ in _files_of(self.folder)]
        written = ids_path(self.folder).is_file()
        return repr((read_ids(self.folder)["source"] if written else "", sizes)).encode()

    @property
    def numbering(self) -> str:
        """Returns a digest of the records of others, whose ids are numbers; see ImageSet."""
        return "" if _is_ours(self.folder) else self.content_fingerprint

    def file_marks(self, compare: str) -> str:
        """Returns the mark of each file of records; see ImageSet."""
        return " ".join(file_mark(path, compare) for path in sorted(self.folder.iterdir()))

    def where(self, index: int) -> str:
        """Returns the dataset and the path that was written."""
        return f"{self.place}/{self._files[index]}"

    @property
    def place(self) -> str:
        """Returns the dataset and the split."""
        return f"{self.folder}:{self.split}"

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "TfdsSet":
        """Returns the images at the given places, in their order."""
        chosen = np.asarray(indices, np.int64)
        files = [self._files[i] for i in chosen]
        name = name or self.name
        return TfdsSet(self.folder, self.split, self._records[chosen], files, name=name)


def open_dataset(name: str) -> "TfdsRoot | ImageFolderRoot":
    """Opens the dataset of this name below TFDS_DATA_DIR, or in this folder.

    Raises:
      UserError: where there is none, or it holds no real and generated images.
    """
    if not name:
        raise UserError("data.root=tfds: names no dataset; give tfds:NAME or tfds:FOLDER")
    path = Path(name)
    if path.is_dir() and not (path / "dataset_info.json").exists():
        return ImageFolderRoot(path)
    return TfdsRoot(name)


class TfdsRoot(PathTable):
    """Reads a dataset in the place of a folder of data; see `sources.Root`."""

    def __init__(self, name: str):
        """Opens the dataset of this name, as tfds finds it, or in this folder.

        Raises:
          UserError: where there is none, or no label of it says real or fake.
        """
        self._folder = _find(name)
        self.place = f"tfds:{name}"
        # By the folder that a split's paths lie below: tfds's name of the split, and the paths.
        self._splits: dict[str, tuple[str, list[str]]] = {}
        if ids_path(self._folder).is_file() or _is_ours(self._folder):
            for split, paths in read_ids(self._folder)["splits"].items():
                self._splits[split] = split, paths
        else:
            self._splits = _paths_of(self._folder, _files_of(self._folder), self.place)
        super().__init__(
            dict.fromkeys(
                f"{top}/{path}".rsplit("/", 1)[0]
                for top, (_, paths) in self._splits.items()
                for path in paths
            )
        )

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns "": a dataset keeps no record of it; see `sources.Root`."""
        return ""

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> TfdsSet:
        """Returns the images of a folder, of the named categories only where any are named."""
        chosen = set(self.label_folders(folder, categories))
        top = max((t for t in self._splits if f"{folder}/".startswith(f"{t}/")), key=len)
        split, paths = self._splits[top]
        records = [n for n, i in enumerate(paths) if f"{top}/{i}".rsplit("/", 1)[0] in chosen]
        cut = len(folder) - len(top)
        files = [paths[record][cut:] for record in records]
        return TfdsSet(self._folder, split, np.array(records, np.int64), files, name=name)


def ids_path(folder: Path) -> Path:
    """Returns the path of the list of paths, beside a version's folder, which is tfds's own."""
    return within(folder.parent, f"ids-{folder.name}.json")


def read_ids(folder: Path) -> dict[str, Any]:
    """Returns the paths of all records by split, and what they were made of, checked.

    Raises:
      UserError: where `pack` did not write the dataset, or its files are not as they were.
    """
    path = ids_path(folder)
    if not path.is_file():
        raise UserError(f"{path}: no such file; write the dataset with `jaxdet.data pack`")
    about = read_json(path, most=LARGEST_LISTING)
    splits = about.get("splits") if isinstance(about, dict) else None
    if not isinstance(splits, dict) or "source" not in about:
        raise UserError(f"{path}: does not list a dataset; write it again")
    for split, files in splits.items():
        whole = isinstance(files, list) and all(
            isinstance(one, str) and is_label_path(f"{split}/{one}".rpartition("/")[0])
            for one in files
        )
        if not whole:
            raise UserError(f"{path}: {split!a:.40} does not list images; write the dataset again")
    return dict(about)


def _builder(folder: Path) -> Any:
    """Opens a prepared dataset.

    Raises:
      UserError: where what it says of itself cannot be read.
    """
    try:
        builder = tfds.builder_from_directory(folder)
        dict(builder.info.features)
    except Exception as error:  # protobuf and tfds raise many kinds
        raise UserError(f"{folder}: cannot be read: {first_line(error):.200}") from None
    return builder


def _is_ours(folder: Path) -> bool:
    """Returns whether a dataset is one that `pack` wrote, without the list of its paths."""
    info = _builder(folder).info
    if set(info.features) != {"image", "label", "id"} or not info.disable_shuffling:
        return False
    label = info.features["label"]
    return isinstance(label, tfds.features.ClassLabel) and label.names == ["real", "fake"]


def _files_of(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Returns name, bytes and time of change of each file."""
    stats = sorted((path.name, path.stat()) for path in folder.iterdir())
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@functools.lru_cache(maxsize=4)  # a run opens its dataset several times, and it may be large
def _paths_of(
    folder: Path, files: tuple[tuple[str, int, int], ...], place: str
) -> dict[str, tuple[str, list[str]]]:
    """Returns the paths of records as `paths_of_records` does, once for the same files."""
    del files
    return paths_of_records(_builder(folder), place=place)


def _find(name: str) -> Path:
    """Returns the folder of the dataset's version: the one named, or the newest of the name's.

    tfds itself is not asked: it would look for the name in the network and in code.

    Raises:
      UserError: where there is none, or its files cannot be read.
    """
    below = Path(os.environ.get("TFDS_DATA_DIR", tfds.core.constants.DATA_DIR))
    folder = Path(name) if os.path.isdir(name) else _newest(below.expanduser() / name)
    about = folder / "dataset_info.json"
    if not about.is_file():
        raise UserError(
            f"data.root=tfds:{name}: no such dataset in {folder}; set TFDS_DATA_DIR or give the "
            "folder of its version"
        )
    kind = read_json(about)
    kept_as = kind.get("fileFormat", "tfrecord") if isinstance(kind, dict) else None
    if kept_as != "array_record":
        raise UserError(
            f"{folder}: kept as {kept_as!s:.40}, which needs TensorFlow; prepare it with "
            "file_format='array_record'"
        )
    _check_features(folder / "features.json")
    for path in folder.iterdir():
        try:
            check_regular(within(folder, path.name))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read: {reason(error)}") from None
    return folder


def _newest(folder: Path) -> Path:
    """Returns the folder of the highest version in one of a dataset."""
    versions = [
        path for path in (folder.iterdir() if folder.is_dir() else ()) if _IS_VERSION(path.name)
    ]
    return max(versions, key=lambda v: [int(n) for n in v.name.split(".")], default=folder)


_IS_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}").fullmatch


def _check_features(path: Path) -> None:
    """Sees that no module is named but tfds's own: it imports what is, and a module is code."""
    level = [read_json(path)]
    while level:
        held = [one for one in level if isinstance(one, dict)]
        named = [one["pythonClassName"] for one in held if "pythonClassName" in one]
        if not all(isinstance(one, str) and _IS_FEATURE(one) for one in named):
            raise UserError(f"{path}: names features that are not tfds's own")
        level = [value for one in held for value in one.values()]


_IS_FEATURE = re.compile(r"tensorflow_datasets\.core\.features\.[a-z_]+\.[A-Za-z]+").fullmatch
