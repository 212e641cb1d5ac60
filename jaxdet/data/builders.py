"""Reads datasets of tensorflow_datasets that jaxdet did not write, in the layout of ForenSynths.

A builder's records have an image and a label, a generator or both. Labels go by their names and
never by their numbers: `REAL`, `nature` or `0_real` are real, `FAKE`, `ai` or `1_fake` are fake.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxdet.data.folder import FolderSet
from jaxdet.data.formats import is_image_name
from jaxdet.data.images import LABEL_FOLDERS, SPLITS
from jaxdet.data.names import is_hidden
from jaxdet.data.path_table import PathTable
from jaxdet.data.regular import listing
from jaxdet.data.walk import walk
from jaxdet.data.words import FAKE, REAL, is_nothing, label_of_word, split_of_word
from jaxdet.errors import UserError, first_line
from jaxdet.progress import say
from jaxdet.workdir.files import is_step

# Gives the name in a feature of a record.
_Reader = Callable[[Any], str]


def label_of(name: str, *, place: str) -> int:
    """Returns 0 for the name of real images and 1 for that of generated ones.

    Raises:
      UserError: for any other name.
    """
    label = label_of_word(name)
    if label is None:
        raise UserError(
            f"{place}: a label is called {name!r:.40}, which says neither real nor fake; names of "
            f"labels are {', '.join(sorted(REAL | FAKE))}, in any case"
        )
    return label


def paths_of_records(builder: Any, *, place: str) -> dict[str, tuple[str, list[str]]]:
    """Returns where each split lies in ForenSynths layout: tfds's name of it, and a path a record.

    A split `test` is a set named after the dataset, or one a generator where each has both labels;
    another split beside train, validation and test is a test set of its name.

    Args:
      builder: of a dataset in ArrayRecord files; all of its records are read.
      place: what messages call the dataset.

    Raises:
      UserError: where its features are no image with a label or a generator, a name of these says
        nothing, or two splits would lie in one place.
    """
    features = dict(builder.info.features)
    label = _reader(features, "label", place)
    generator = _reader(features, "generator", place)
    if not isinstance(features.get("image"), tfds.features.Image):
        raise UserError(f"{place}: has no feature `image`; its features are {', '.join(features)}")
    if label is None and generator is None:
        raise UserError(
            f"{place}: has no feature `label` and none `generator`; its features are "
            f"{', '.join(features)}"
        )
    say(f"{place}: reading the labels of {builder.info.splits.total_num_examples} records")
    splits: dict[str, tuple[str, list[str]]] = {}
    for split in builder.info.splits:
        rows = [
            _row(record, label=label, generator=generator, place=f"{place}, split {split}")
            for record in _records(builder, split, place)
        ]
        top = _top(split)
        paths = list(_paths(rows, name=builder.name if top == "test" else ""))
        _check_alone(splits, top, paths, place)
        splits[top] = split, paths
    return splits


def _top(split: str) -> str:
    """Returns the folder that a split of tfds is: train, val, test, or a test set of its name."""
    usual = split_of_word(split)
    return usual if usual in SPLITS else f"test/{usual}"


def _check_alone(
    found: Mapping[str, tuple[str, Sequence[str]]], top: str, paths: Sequence[str], place: str
) -> None:
    """Raises UserError where a split would lie where another one does."""
    taken = {
        f"{other}/{path}".split("/")[1]
        for other, (_, own) in found.items()
        if other.startswith("test")
        for path in own
    }
    named = {f"{top}/{path}".split("/")[1] for path in paths} if top.startswith("test") else set()
    if top in found or taken & named:
        what = top if top in found else f"test/{min(taken & named)}"
        raise UserError(f"{place}: two of its splits hold {what}; give it another name in one")


def _records(builder: Any, split: str, place: str) -> Iterator[Any]:
    try:
        source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        yield from (source[i] for i in range(len(source)))
    except Exception as error:  # array_record, protobuf and tfds raise many kinds
        raise UserError(
            f"{place}: split {split} cannot be read: {first_line(error):.200}"
        ) from None


def _reader(features: Mapping[str, Any], name: str, place: str) -> _Reader | None:
    """Returns what gives the name in a feature of a record; None where there is none."""
    feature = features.get(name)
    if feature is None:
        return None
    if isinstance(feature, tfds.features.ClassLabel):
        return functools.partial(_name_of_class, feature, place)
    if isinstance(feature, tfds.features.Text):
        return lambda value: value.decode(errors="replace") if isinstance(value, bytes) else value
    raise UserError(f"{place}: its feature `{name}` is neither a ClassLabel nor a Text")


def _name_of_class(feature: Any, place: str, value: Any) -> str:
    number = int(value)
    # tfds numbers what nobody labelled -1, which would be the last name.
    if not 0 <= number < feature.num_classes:
        raise UserError(f"{place}: a record's label is {number}, which is none of its names")
    return str(feature.int2str(number))


def _row(
    record: Mapping[str, Any], *, label: _Reader | None, generator: _Reader | None, place: str
) -> tuple[str, int]:
    """Returns the generator of a record, "" where none is named, and its label."""
    made_by = generator(record["generator"]).strip().replace("/", "_") if generator else ""
    if made_by and (not is_step(made_by) or is_hidden(made_by) or made_by in LABEL_FOLDERS):
        raise UserError(f"{place}: a generator is called {made_by!r:.60}, which cannot be a folder")
    if label is not None:
        return made_by, label_of(label(record["label"]), place=place)
    if is_nothing(made_by):
        raise UserError(
            f"{place}: a record has no label and its generator is {made_by!r}; name what is real "
            f"by one of {', '.join(sorted(REAL))}"
        )
    return made_by, 0 if made_by.lower() in REAL else 1


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

    @functools.cached_property
    def ids(self) -> tuple[str, ...]:
        """Returns the paths in ForenSynths layout, in the order of `files`."""
        return tuple(map(_forensynths_path, self.files))

    def take(self, indices: Any, *, name: str = "") -> "ImageFolderSet":
        """Returns the images at the given places, in their order."""
        files = tuple(self.files[i] for i in indices)
        return ImageFolderSet(name=name or self.name, folder=self.folder, files=files)


class ImageFolderRoot(PathTable):
    """Reads `<split>/<label>/<image>`, as tfds.ImageFolder does; see `sources.Root`."""

    def __init__(self, path: Path):
        """Lists the images.

        Raises:
          UserError: where there are none, they lie elsewhere, a label's folder says neither real
            nor fake, or two folders would be one.
        """
        self.place, self._path = f"tfds:{path}", path
        with listing(path):
            files = list(_image_files(path))
        if not files:
            raise UserError(f"{self.place}: no dataset of tfds, and no <split>/<label>/<image>")
        folders = sorted({file.rsplit("/", 1)[0] for file in files})
        where: dict[str, str] = {}
        for folder in folders:
            split, label = folder.split("/")
            usual = self._folder_of(split, label)
            if usual in where:
                raise UserError(f"{path}: {where[usual]} and {folder} would both be {usual}")
            where[usual] = folder
        # In the order of the plain layout.
        self._files = {
            usual: sorted(file for file in files if file.startswith(f"{folder}/"))
            for usual, folder in sorted(where.items())
        }
        super().__init__(self._files)

    def _folder_of(self, split: str, label: str) -> str:
        top = _top(split)
        # One test set, by the name of the tree, unless splits name more of them.
        head = f"test/{self._path.resolve().name}" if top == "test" else top
        return f"{head}/{LABEL_FOLDERS[label_of(label, place=f'{self.place}/{split}')]}"

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns "": what is no image in a label's folder is not counted here."""
        return ""

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> ImageFolderSet:
        """Returns the images of a folder, of the named categories only where any are named."""
        files = [f for own in self.label_folders(folder, categories) for f in self._files[own]]
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
        images = [name for name in visit.names if is_image_name(name)]
        if not images or any(map(is_hidden, folders)):
            continue
        if len(folders) != 2:
            raise UserError(
                f"{path / visit.path / images[0]}: not in <split>/<label>/, where tfds.ImageFolder "
                "looks; move it there"
            )
        yield from (f"{visit.path}/{name}" for name in images)
