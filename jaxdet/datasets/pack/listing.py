"""What is packed: every image of a folder of data, in the order of the folder source."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from jaxdet.config import Data
from jaxdet.data.folder import load_sets, look_at_layout
from jaxdet.data.regular import listing, read_image_file, reason
from jaxdet.errors import UserError
from jaxdet.workdir.identity import fingerprint_of


@dataclasses.dataclass(frozen=True)
class Listing:
    """Describes what is packed: label folders in the folder source's order, and their files."""

    root: Path
    folders: tuple[str, ...]
    files: tuple[tuple[int, str], ...]  # folder's place, file's name
    left_aside: str = ""  # what else lies below the root, in one line
    losses: tuple[tuple[str, str], ...] = ()  # see `LeftAside.losses`

    @functools.cached_property
    def fingerprint(self) -> str:
        """Returns a hex digest of the names, sizes and modification times of all files, in order.

        Raises:
          UserError: where a file went away.
        """
        return fingerprint_of(self._marks())

    def _marks(self) -> Iterator[bytes]:
        for folder, name in self.files:
            path = f"{self.folders[folder]}/{name}"
            try:
                status = os.stat(f"{self.root}/{path}")
            except OSError as error:
                raise UserError(f"{self.root}/{path}: {error.strerror}") from None
            line = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n"
            yield line.encode("utf8", "surrogateescape")


def list_files(src: Path) -> Listing:
    """Lists every image of every split, in the order of the folder source.

    Raises:
      UserError: where there is none.
    """
    with listing(src):
        sets, aside = load_sets(src), look_at_layout(src)
    if not sets:
        raise UserError(f"{src}: holds no train/, val/ or test/; see docs/data.md for the layout")
    paths = [f"{one.name}/{i}".rsplit("/", 1) for one in sets for i in one.ids]
    folders = tuple(dict.fromkeys(folder for folder, _ in paths))
    places = {folder: place for place, folder in enumerate(folders)}
    files = tuple((places[folder], name) for folder, name in paths)
    return Listing(src, folders, files, aside.sentence(), tuple(aside.losses()))


def content_to_pack(path: Path) -> bytes:
    """Returns the content of an image file, broken or not.

    Raises:
      UserError: where there is none to keep: a pipe, a link to nowhere, a file that may not be read
        or that is larger than any image within the default `data.max_pixels`.
    """
    try:
        return read_image_file(path, max_pixels=Data.max_pixels)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be packed: {reason(error)}; remove it") from None


def set_of(folder: str) -> str:
    """Returns the set that a label folder belongs to: `train`, `val` or `test/<set>`."""
    parts = folder.split("/")
    return "/".join(parts[: 2 if parts[0] == "test" else 1])
