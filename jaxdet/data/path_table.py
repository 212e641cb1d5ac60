"""Lists label folders of data roots that are no folders: tables, stores, tfds datasets."""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.errors import UserError


class PathTable:
    """Holds the label folders of sources that are not folders themselves.

    Attributes:
      place: what messages call the source; set by subclasses.
      shared: sets of real images that a test set of fakes alone is held against, by its folder.
    """

    place: str
    shared: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(self, folders: Iterable[str]):
        """Takes the paths of all label folders, `train/cat/0_real` and so on."""
        self._folders = tuple(folders)
        self._sorted = sorted((path, place) for place, path in enumerate(self._folders))

    def has(self, split: str) -> bool:
        """Returns whether there is anything of the split."""
        return any(folder.split("/")[0] == split for folder in self._folders)

    def categories(self, folder: str) -> list[str]:
        """Returns the folders below, sorted; [''] where `folder` holds the two labels itself.

        Without those of real images that others are held against.

        Raises:
          UserError: where there is nothing below.
        """
        below = {path[len(folder) + 1 :].split("/")[0] for path in self._below(folder)}
        if not below:
            raise UserError(f"{self.place}: holds no {folder}")
        if below <= set(LABEL_FOLDERS):
            return [""]
        shared = {name for names in self.shared.values() for name in names}
        return sorted(one for one in below if f"{folder}/{one}" not in shared)

    def label_folders(self, folder: str, categories: Sequence[str]) -> list[str]:
        """Returns the label folders below, of the named categories only where any are named.

        Raises:
          UserError: naming the category or label that is not there.
        """
        folder = folder.strip("/")
        found = self.categories(folder)
        missing = sorted(set(categories) - set(found))
        if missing:
            raise UserError(
                f"{self.place}: {folder} has no class {missing[0]}; there are {', '.join(found)}"
            )
        cut, wanted = len(folder) + 1, set(categories) - {""}
        below = dict.fromkeys(self._below(folder))
        chosen = [path for path in below if not wanted or path[cut:].split("/")[0] in wanted]
        for path in _partners_missing(chosen):
            above, label = path.rsplit("/", 1)
            raise UserError(f"{self.place}: {above} has no {label}; both are needed")
        return chosen

    def missing_labels(self, folder: str) -> list[str]:
        """Returns the label folders below that are not there, though the other label's is."""
        return _partners_missing(self._below(folder.strip("/")))

    def has_one_label(self, folder: str) -> bool:
        """Returns whether a folder is a test set of one label, which alone may lack the other."""
        labels = {path.rsplit("/", 1)[1] for path in self._below(folder)}
        return folder.startswith("test/") and len(labels) == 1

    def _below(self, folder: str) -> list[str]:
        # Behind the slash in any sorting comes 0.
        first, end = (bisect.bisect_left(self._sorted, (folder + one,)) for one in "/0")
        return [self._folders[place] for place in sorted(n for _, n in self._sorted[first:end])]


def _partners_missing(paths: Sequence[str]) -> list[str]:
    """Returns the label folders beside some that are not among them."""
    known = set(paths)
    beside = dict.fromkeys(path.rsplit("/", 1)[0] for path in paths)
    wanted = (f"{above}/{label}" for above in beside for label in LABEL_FOLDERS)
    return [path for path in wanted if path not in known]
