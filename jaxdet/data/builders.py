"""Reads datasets of tensorflow_datasets that jaxdet did not write, in the layout of ForenSynths.

A builder's records have an image and a label, a generator or both. Labels go by their names and
never by their numbers: `REAL`, `nature` or `0_real` are real, `FAKE`, `ai` or `1_fake` are fake.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tensorflow_datasets as tfds

from jaxdet.data.folder import FolderSet
from jaxdet.data.formats import is_image_name
from jaxdet.data.images import LABEL_FOLDERS, SPLITS, PathTable
from jaxdet.data.names import is_hidden
from jaxdet.data.regular import listing
from jaxdet.data.walk import walk
from jaxdet.errors import UserError
from jaxdet.progress import say

_REAL = frozenset({"0_real", "real", "nature", "natural", "authentic", "human", "photo"})
_FAKE = frozenset({"1_fake", "fake", "ai", "generated", "synthetic", "gan"})
_SPLITS = MappingProxyType({"validation": "val", "valid": "val", "dev": "val"})


def label_of(name: str, *, place: str) -> int:
    """Returns 0 for the name of real images and 1 for that of generated ones.

    Raises:
      UserError: for any other name.
    """
    word = name.strip().lower()
    if word in _REAL:
        return 0
    if word in _FAKE:
        return 1
    raise UserError(
        f"{place}: a label is called {name!r:.40}, which says neither real nor fake; names of "
        f"labels are {', '.join(sorted(_REAL | _FAKE))}, in any case"
    )


def paths_of_records(builder: Any, *, place: str) -> dict[str, tuple[str, list[str]]]:
    """Returns where each split lies in ForenSynths layout: tfds's name of it, and a path a record.

    A split `test` is a set named after the dataset, or one a generator where each has both labels;
    another split beside train, validation and test is a test set of its name.

    Args:
      builder: of a dataset in ArrayRecord files; all of its records are read once.
      place: what messages call the dataset.

    Raises:
      UserError: where its features are no image with a label or a generator.
    """
    features = dict(builder.info.features)
    label = _reader(features, "label", place)
    generator = _reader(features, "generator", place)
    if "image" not in features or not isinstance(features["image"], tfds.features.Image):
        raise UserError(f"{place}: has no feature `image`; its features are {', '.join(features)}")
    if label is None and generator is None:
        raise UserError(
            f"{place}: has no feature `label` and none `generator`; its features are "
            f"{', '.join(features)}"
        )
    say(f"{place}: reading the labels of {builder.info.splits.total_num_examples} records")
    found: dict[str, tuple[str, list[str]]] = {}
    for split in builder.info.splits:
        rows = [
            _row(record, label=label, generator=generator, place=place)
            for record in _records(builder, split, place)
        ]
        usual = _SPLITS.get(split, split)
        paths = list(_paths(rows, name=builder.name if usual == "test" else ""))
        found[usual if usual in SPLITS else f"test/{usual}"] = split, paths
    return found


def _records(builder: Any, split: str, place: str) -> Iterator[Any]:
    try:
        source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        yield from (source[i] for i in range(len(source)))
    except Exception as error:  # array_record, protobuf and tfds raise many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{place}: split {split} cannot be read: {first:.200}") from None


def _reader(features: Any, name: str, place: str) -> Callable[[Any], str] | None:
    """Returns what gives the name in a feature of a record; None where there is none."""
    feature = features.get(name)
    if feature is None:
        return None
    if isinstance(feature, tfds.features.ClassLabel):
        return lambda value: str(feature.int2str(int(value)))
    if isinstance(feature, tfds.features.Text):
        return lambda value: value.decode() if isinstance(value, bytes) else str(value)
    raise UserError(f"{place}: its feature `{name}` is neither a ClassLabel nor a Text")


def _row(
    record: Mapping[str, Any],
    *,
    label: Callable[[Any], str] | None,
    generator: Callable[[Any], str] | None,
    place: str,
) -> tuple[str, int]:
    """Returns the generator of a record, "" where none is named, and its label."""
    made_by = generator(record["generator"]).strip().replace("/", "_") if generator else ""
    if label is not None:
        return made_by, label_of(label(record["label"]), place=place)
    return made_by, 0 if made_by.lower() in _REAL else 1


def _paths(rows: Sequence[tuple[str, int]], *, name: str) -> Iterator[str]:
    """Yields `[<set>/]<label>/<number>`; sets are generators where each has both labels."""
    labels: dict[str, set[int]] = {}
    for generator, label in rows:
        labels.setdefault(generator, set()).add(label)
    # Reals without a generator of their own stand against the fakes of all.
    by_generator = all(generator and len(own) == 2 for generator, own in labels.items())
    for number, (generator, label) in enumerate(rows):
        folder = generator if by_generator else name
        yield "/".join(filter(None, (folder, LABEL_FOLDERS[label], f"{number:08}")))


class ImageFolderSet(FolderSet):
    """Holds images of a tree in the layout of tfds.ImageFolder, by the paths they would have."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Returns the paths in ForenSynths layout, in the order of `files`."""
        return tuple(_forensynths_path(file) for file in self.files)

    def take(self, indices: Any, *, name: str = "") -> "ImageFolderSet":
        """Returns the images at the given places, in their order."""
        files = tuple(self.files[i] for i in indices)
        return ImageFolderSet(name=name or self.name, folder=self.folder, files=files)


class ImageFolderRoot(PathTable):
    """Reads `<split>/<label>/<image>`, as tfds.ImageFolder does; see `sources.Root`."""

    def __init__(self, path: Path):
        """Lists the images.

        Raises:
          UserError: where there are none, or a label's folder says neither real nor fake.
        """
        self.place, self._path = f"tfds:{path}", path
        with listing(path):
            self._files = tuple(sorted(_image_files(path)))
        if not self._files:
            raise UserError(f"{self.place}: no dataset of tfds, and no <split>/<label>/<image>")
        super().__init__(dict.fromkeys(f.rsplit("/", 1)[0] for f in map(self._where, self._files)))

    def _where(self, file: str) -> str:
        split, rest = file.split("/", 1)
        usual = _SPLITS.get(split, split)
        # One test set, by the name of the tree, unless splits name more of them.
        head = {"test": f"test/{self._path.name}"}.get(usual, usual)
        head = head if usual in SPLITS else f"test/{usual}"
        return f"{head}/{_forensynths_path(rest)}"

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns "": what is no image in a label's folder is not counted here."""
        return ""

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> ImageFolderSet:
        """Returns the images of a folder, of the named categories only where any are named."""
        chosen = set(self.label_folders(folder, categories))
        files = [f for f in self._files if self._where(f).rsplit("/", 1)[0] in chosen]
        split = files[0].split("/", 1)[0]
        own = tuple(file.split("/", 1)[1] for file in files)
        return ImageFolderSet(name=name, folder=self._path / split, files=own)


def _forensynths_path(file: str) -> str:
    label, rest = file.split("/", 1)
    return f"{LABEL_FOLDERS[label_of(label, place=label)]}/{rest}"


def _image_files(path: Path) -> Iterator[str]:
    for visit in walk(path):
        if visit.error:
            raise visit.error
        folders = visit.path.split("/")
        if len(folders) < 2 or any(map(is_hidden, folders)):
            continue
        label_of(folders[1], place=f"tfds:{path}/{folders[0]}")
        yield from (f"{visit.path}/{name}" for name in visit.names if is_image_name(name))
