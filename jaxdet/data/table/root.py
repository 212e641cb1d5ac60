"""Puts a table in the place of a folder of data: its splits, sets and categories."""

from collections.abc import Mapping, Sequence

import numpy as np

from jaxdet.data.images import LABEL_FOLDERS, SPLITS, ImageSet
from jaxdet.data.joined import held_against
from jaxdet.data.path_table import PathTable
from jaxdet.data.table.rows import Table, places_by
from jaxdet.data.table.sets import PlacedTable, TableSet
from jaxdet.data.words import split_of_word
from jaxdet.streams import some_names


class TableRoot(PathTable):
    """Represents a table, or a folder of another layout, as a data root; see `sources.Root`.

    Attributes:
      table: its rows, with where they stand.
    """

    def __init__(self, table: Table, *, note: str = ""):
        """Takes a table, and what a run should say of it at its start.

        Raises:
          UserError: where a name in it cannot be that of a folder.
        """
        self.table, self._note, self.place = PlacedTable(table), note, table.place
        places = self.table.places
        key = places.set.code.astype(np.int64) * len(places.category.words) + places.category.code
        _, first, kind = np.unique(key * 2 + table.label, return_index=True, return_inverse=True)
        kinds = [(places.set[row], places.category[row], int(table.label[row])) for row in first]
        # What the table calls the split of each set: of several, each has real images of its own.
        self._split = {places.set[row]: split_of_word(table.split[row]) for row in first}
        # In the order of the plain layout.
        order = sorted(range(len(kinds)), key=lambda place: _sorted_by(*kinds[place]))
        self._kinds = [kinds[place] for place in order]
        place = np.argsort(order)[kind]
        ends = np.cumsum(np.bincount(place, minlength=len(kinds)))
        self._rows = np.split(np.argsort(place, kind="stable"), ends[:-1])
        self._sets = places_by(one for one, _, _ in self._kinds)
        tests = (one for one in self._sets if one.startswith("test/"))
        self._real = real = [one for one in tests if self._labels(one) == {0}]
        of_split = places_by(self._split[one] for one in real)
        self._beside = {split: [real[n] for n in own] for split, own in of_split.items()}
        super().__init__(
            "/".join(filter(None, (one, category, LABEL_FOLDERS[label])))
            for one, category, label in self._kinds
        )
        self.shared = {one: own for one in self._sets if (own := self._reals_of(one))}

    @property
    def counts(self) -> Mapping[str, int]:
        """Returns the number of images of each label folder, by its path, in order."""
        sizes = map(len, self._rows)
        return dict(zip(self._folders, sizes, strict=True))

    def sets(self) -> list[ImageSet]:
        """Returns every set, named `train`, `val` and `test/<set>`.

        Raises:
          UserError: where one lacks a label, but for test sets of one label alone.
        """
        reals = {name for names in self.shared.values() for name in names}
        names = [one for one in self._sets if one not in reals]
        for one in names:
            if one not in self.shared and not self.has_one_label(one):
                self.label_folders(one, ())
        return [self.load(one, name=one) for one in names]

    def lacking(self) -> list[str]:
        """Returns the label folders that its sets need and that have no images."""
        own = (one for one in self._sets if one not in self.shared and not self.has_one_label(one))
        return [path for one in own for path in self.missing_labels(one)]

    def parts(self) -> list[TableSet]:
        """Returns the sets as `sets` does, but shared real images once, as a set of their own.

        Raises:
          UserError: as `sets`.
        """
        self.sets()
        return [self._set(one, name=one) for one in self._sets]

    def left_aside(self, splits: Sequence[str]) -> str:
        """Returns how the table was read, and what was left aside; see `sources.Root`."""
        del splits
        return "; ".join(filter(None, (self._note, self.shared_sentence())))

    def shared_sentence(self) -> str:
        """Returns which fakes are held against which shared real images; "" for none."""
        by_reals: dict[tuple[str, ...], list[str]] = {}
        for name, reals in self.shared.items():
            by_reals.setdefault(tuple(reals), []).append(name.removeprefix("test/"))
        return "; ".join(
            f"fakes of {some_names(names)} are held against the real images of "
            f"{some_names([one.removeprefix('test/') for one in reals])}"
            for reals, names in by_reals.items()
        )

    def load(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> ImageSet:
        """Returns the images of a set, with the reals that its fakes are held against.

        A test set may have one label alone.

        Raises:
          UserError: naming the category or label that is missing.
        """
        if folder in self.shared:
            return held_against(self.shared[folder], folder, name=name, load=self._set)
        if not self.has_one_label(folder):
            self.label_folders(folder, categories)
        return self._set(folder, name=name, categories=categories)

    def load_all(self, *, name: str) -> TableSet:
        """Returns all images, of whatever split and set, in the order of the table."""
        return TableSet(self.table, np.arange(len(self.table.rows)), name=name)

    def _set(self, folder: str, *, name: str, categories: Sequence[str] = ()) -> TableSet:
        wanted = set(categories) - {""}
        places = self._sets.get(folder, ())
        chosen = [one for one in places if not wanted or self._kinds[one][1] in wanted]
        rows = [self._rows[one] for one in chosen]
        return TableSet(self.table, np.concatenate([np.empty(0, np.int64), *rows]), name=name)

    def _labels(self, folder: str) -> set[int]:
        return {self._kinds[place][2] for place in self._sets.get(folder, ())}

    def _reals_of(self, folder: str) -> list[str]:
        """Returns the sets of real images that a set of fakes alone is held against."""
        if not folder.startswith("test/") or self._labels(folder) != {1}:
            return []
        reals = self._beside.get(self._split[folder], self._real)
        rule = self.table.rows.reals
        # Of the set's own folders in any letters, as its labels.
        wanted = rule.get(folder.removeprefix("test/").lower(), rule.get(""))
        return [one for one in reals if wanted in (None, one.removeprefix("test/").lower())]


def _sorted_by(name: str, category: str, label: int) -> tuple[int, str, str, int]:
    return SPLITS.index(name.split("/")[0]), name, category, label
