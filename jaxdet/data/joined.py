"""Joins several sets: a generator's fakes, and the real images that it shares with others."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from jaxdet.data.images import ImageSet, Stored
from jaxdet.errors import UserError
from jaxdet.streams import some_names


def held_against(
    reals: Sequence[str], folder: str, *, name: str, load: Callable[..., ImageSet]
) -> "JoinedSet":
    """Returns the fakes of a test set with the real images that it shares with others.

    Args:
      reals: folders of the real images.
      folder: that of the fakes, `test/<set>`.
      name: what reports call the set.
      load: gives the own images of a folder, called `name`.
    """
    # The name that others know the shared set by; of another benchmark it is another.
    before = name.removesuffix(folder.removeprefix("test/"))
    parts = [load(one, name=before + one.removeprefix("test/")) for one in reals]
    return JoinedSet([*parts, load(folder, name=f"{name} (fake)")], name=name)


def mixed_sets(sets: Sequence[ImageSet]) -> list[list[int]]:
    """Returns the places of sets that share row groups, those of one component together."""
    first: dict[tuple[int, int, int], int] = {}
    component = list(range(len(sets)))

    def root_of(place: int) -> int:
        while component[place] != place:
            place = component[place]
        return place

    for place, stored in enumerate(one.stored for one in sets):
        if stored is None:
            continue
        for file, group in np.unique(
            np.stack([stored.file, stored.group], axis=1), axis=0
        ).tolist():
            other = first.setdefault((id(stored.table), file, group), place)
            component[root_of(place)] = root_of(other)
    members: dict[int, list[int]] = {}
    for place in range(len(sets)):
        members.setdefault(root_of(place), []).append(place)
    return [own for own in members.values() if len(own) > 1]


def in_file_order(sets: Sequence[ImageSet]) -> "JoinedSet":
    """Returns the images of sets that share row groups, in the order of their files and rows."""
    names = [one.name for one in sets]
    found = [stored for one in sets if (stored := one.stored) is not None]
    file, row = (np.concatenate(column) for column in zip(*((s.file, s.row) for s in found),
                                                          strict=True))  # fmt: skip
    return _SetsTogether(sets, name=some_names(names)).take(np.lexsort((row, file)))


class JoinedSet(ImageSet):
    """Holds the images of several sets, one set after the other."""

    def __init__(self, sets: Sequence[ImageSet], *, name: str):
        """Takes sets whose ids differ, as those of real and of fake images do."""
        self._sets, self.name = tuple(sets), name
        sizes = [len(one) for one in sets]
        # For each image the set that it is of, and its place there.
        self._of = np.repeat(np.arange(len(sizes)), sizes)
        self._place = np.concatenate([np.arange(size) for size in sizes])
        self._is_whole = True

    @property
    def parts(self) -> Sequence[ImageSet]:
        """Returns the sets; see ImageSet."""
        return self._sets if self._is_whole else (self,)

    @functools.cached_property
    def ids(self) -> Sequence[str]:
        """Returns the ids of all; see ImageSet."""
        ids = self._listed([list(one.ids) for one in self._sets])
        if len(set(ids)) < len(ids):
            raise UserError(f"{self.place}: two images have one path; give one set another folder")
        return ids

    def __len__(self) -> int:
        return len(self._of)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Returns the labels of all; see ImageSet."""
        return self._gathered([one.labels for one in self._sets])

    def read(self, index: int, *, max_pixels: int, least_side: int = 0) -> np.ndarray:
        """Returns the pixels; see ImageSet."""
        images, place = self._find(index)
        return images.read(place, max_pixels=max_pixels, least_side=least_side)

    def content(self, index: int, *, max_pixels: int) -> bytes:
        """Returns what is stored; see ImageSet."""
        images, place = self._find(index)
        return images.content(place, max_pixels=max_pixels)

    def size(self, index: int) -> tuple[int, int] | None:
        """Returns width and height; see ImageSet."""
        images, place = self._find(index)
        return images.size(place)

    def where(self, index: int) -> str:
        """Returns what the image's own set calls it."""
        images, place = self._find(index)
        return images.where(place)

    @property
    def place(self) -> str:
        """Returns the places of all sets."""
        return " and ".join(one.place for one in self._sets)

    def take(self, indices: Sequence[int] | np.ndarray, *, name: str = "") -> "JoinedSet":
        """Returns the images at the given places, in their order."""
        taken = type(self)(self._sets, name=name or self.name)
        chosen = np.asarray(indices, np.int64)
        taken._of, taken._place = self._of[chosen], self._place[chosen]
        taken._is_whole = False
        return taken

    def marks(self) -> np.ndarray:
        """Returns the marks of all; see ImageSet."""
        return self._gathered([one.marks() for one in self._sets])

    def content_marks(self) -> bytes:
        """Returns the marks of the sets, and which of their images are here; see ImageSet."""
        marks = [one.content_marks() for one in self._sets]
        return b"".join([*marks, self._of.tobytes(), self._place.tobytes()])

    @property
    def numbering(self) -> str:
        """Returns those of the sets, where any has one; see ImageSet."""
        return " ".join(one.numbering for one in self._sets).strip()

    def file_marks(self, compare: str) -> str:
        """Returns the marks of the sets; see ImageSet."""
        return " ".join(one.file_marks(compare) for one in self._sets)

    @property
    def stored(self) -> Stored | None:
        """Returns the row groups of the images where all are of one table; see ImageSet."""
        found = [one.stored for one in self._sets]
        known = [one for one in found if one is not None]
        if len(known) < len(found) or len({id(one.table) for one in known}) > 1:
            return None
        return Stored(
            known[0].table,
            file=self._gathered([one.file for one in known]),
            group=self._gathered([one.group for one in known]),
            row=self._gathered([one.row for one in known]),
        )

    def stems(self) -> list[str]:
        """Returns the names of all that pair them; see ImageSet."""
        return self._listed([one.stems() for one in self._sets])

    def group_names(self) -> list[str]:
        """Returns the groups of all; see ImageSet."""
        return self._listed([one.group_names() for one in self._sets])

    def generator_names(self) -> list[str]:
        """Returns the generators of all; see ImageSet."""
        return self._listed([one.generator_names() for one in self._sets])

    def number_of(self, index: int) -> int:
        """Returns the place of an image in its own set; see ImageSet."""
        return int(self._place[index])

    @property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the set of each image, and its place there, i64 [N] both."""
        return self._of, self._place

    def _find(self, index: int) -> tuple[ImageSet, int]:
        return self._sets[int(self._of[index])], int(self._place[index])

    def _listed(self, names: Sequence[list[str]]) -> list[str]:
        places = zip(self._of.tolist(), self._place.tolist(), strict=True)
        return [names[of][place] for of, place in places]

    def _gathered(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        firsts = np.cumsum([0, *(len(one) for one in arrays[:-1])])
        return np.concatenate(arrays)[firsts[self._of] + self._place]


class _SetsTogether(JoinedSet):
    """Holds the images of sets that are read in one pass, whatever two of them share."""

    @functools.cached_property
    def ids(self) -> Sequence[str]:
        """Returns the ids, each below its set's name; see ImageSet."""
        return self._listed([[f"{of.name}/{one}" for one in of.ids] for of in self._sets])
