"""Looks up where the images of a run lie, by `data.root`."""

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from jaxdet.config.benchmarks import TFDS
from jaxdet.config.data import Data
from jaxdet.data.folder import FolderRoot
from jaxdet.data.images import ImageSet
from jaxdet.data.regular import listing
from jaxdet.data.store.layout import is_store
from jaxdet.data.store.reader import StoreRoot
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.find import find_table
from jaxdet.data.table.kind import is_table
from jaxdet.data.table.root import TableRoot
from jaxdet.errors import UserError
from jaxdet.workdir.files import check_folder


class Root(Protocol):
    """Gives splits, sets and classes in ForenSynths layout by folder ("train", "test/progan").

    Attributes:
      place: what messages call it.
    """

    place: str

    def has(self, split: str) -> bool:
        """Returns whether there is a folder of this name."""

    def categories(self, folder: str) -> list[str]:
        """Returns the folders below, sorted; [''] where `folder` itself holds the labels.

        Those are `0_real` and `1_fake`.

        Raises:
          UserError: where there is neither.
        """

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> ImageSet:
        """Returns all images of a folder; of the named categories only, where any are named.

        Raises:
          UserError: naming what is missing or empty.
        """

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns a line about the files of some splits that no set holds; "" where there are none.

        Files beside all splits count, too; not those of the other splits. Of another layout it
        tells first what was taken for what.
        """


def reading_of(data: Data) -> Reading:
    """Returns what the options say about how a table or a folder is to be read.

    Raises:
      UserError: naming the option that has another form.
    """
    return Reading.of(columns=data.columns, labels=data.labels, layout=data.layout)


_opened: ContextVar[dict[tuple[str, str], Root] | None] = ContextVar("_opened", default=None)


@contextlib.contextmanager
def opening_once() -> Iterator[None]:
    """Keeps what `open_root` gives for the length of the body: an index of millions takes seconds.

    What changes in the roots meanwhile is not seen.
    """
    before = _opened.set({})
    try:
        yield
    finally:
        _opened.reset(before)


def open_root(root: str, *, option: str = "data.root", reading: Reading | None = None) -> Root:
    """Opens what `data.root` names: a folder, a packed store, a table, or `tfds:NAME`.

    Args:
      root: the option's value.
      option: what messages call it.
      reading: what the user says of a table or a layout; None: nothing.

    Raises:
      UserError: where there is no such thing.
    """
    opened, key = _opened.get(), (root, repr(reading or Reading()))
    if opened is None:
        return _open(root, option, reading)
    if key not in opened:
        opened[key] = _open(root, option, reading)
    return opened[key]


def _open(root: str, option: str, reading: Reading | None) -> Root:
    if root.startswith(TFDS):
        # tensorflow_datasets takes a second to import, which nobody else should wait for.
        from jaxdet.data.arrayrecord import open_dataset

        return open_dataset(root.removeprefix(TFDS))
    if not root:
        raise UserError(f"{option} is empty; give a folder with --config.{option}=DIR")
    path = Path(root)
    with listing(path):
        advice = (
            f"; give one with --config.{option}=DIR, or make the built-in dataset with "
            "`python -m jaxdet.data synth --root=DIR`"
        )
        if not (path.is_file() and is_table(path)):
            check_folder(path, option=f"{option}=", advice=advice)
            if is_store(path):
                return StoreRoot(path)
    table = find_table(path, reading or Reading())
    return FolderRoot(path) if table is None else TableRoot(table.table, note=table.sentence())
