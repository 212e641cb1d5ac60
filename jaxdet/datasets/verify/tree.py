"""Compares images in folders with the catalogue and with the hashes that `fetch` wrote."""

import enum
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxdet.data.aside import look_aside
from jaxdet.data.folder import image_names, label_places, visible_folders
from jaxdet.data.images import LABEL_FOLDERS, SPLITS
from jaxdet.datasets.verify.inspect import examine_image, inspect_files
from jaxdet.datasets.verify.report import Count, Finding, Kind, Report, losses
from jaxdet.fetch.catalog import DATASETS, Folder
from jaxdet.fetch.record import read_manifest
from jaxdet.workdir.files import within

# What each folder of a split should hold, by `<split>/<folder>`.
_EXPECTED: Mapping[str, Folder] = {
    f"{dataset.split}/{folder.name}": folder
    for dataset in DATASETS.values()
    for folder in dataset.folders
}


class Expect(enum.Enum):
    """Names the folders of which the published counts are expected."""

    # A class `cat` may be anyone's: all folders of the split have to bear published names.
    AUTO = "auto"
    PUBLISHED = "published"  # every folder that bears a published name
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Holds a label folder, `<split>/<folder>[/<category>]/<label>`, and its images' names."""

    folder: str
    category: str
    label: str
    names: tuple[str, ...] | None  # None: there is no such folder

    @property
    def path(self) -> str:
        return "/".join(step for step in (self.folder, self.category, self.label) if step)

    @property
    def files(self) -> list[str]:
        return [f"{self.path}/{name}" for name in self.names or ()]


def is_tree(root: Path) -> bool:
    """Returns whether a folder has the layout: a train, val or test folder."""
    return any((root / split).is_dir() for split in SPLITS)


def verify_tree(root: Path, *, expect: Expect) -> Report:
    """Reports what is missing, surplus and damaged below train, val and test."""
    digests = _digests(root)
    places = [place for split in SPLITS for place in _places(root, split)]
    folders = defaultdict(list)
    for place in places:
        folders[place.folder].append(place)
    findings = [*_empty(root), *_lost(root, digests), *_unknown_to_fetch(places, digests)]
    expected = _expected(folders, expect)
    for name, inside in folders.items():
        findings += _shape(inside)
        if name in expected:
            findings += _against_catalogue(inside, expected[name], digests)
    files = [file for place in places for file in place.files]
    findings += inspect_files(root, files, digests=digests, examine=examine_image)
    left_aside = look_aside(root, looked_into={place.path for place in places})
    findings += losses(left_aside)
    return Report(
        counts=tuple(_count(name, inside, expected.get(name)) for name, inside in folders.items()),
        checked=len(files),
        hashed=sum(file in digests for file in files),
        findings=tuple(sorted(findings, key=lambda one: one.path)),
        left_aside=left_aside,
    )


def _expected(folders: Collection[str], expect: Expect) -> dict[str, Folder]:
    """Returns what is expected of the folders there, by `<split>/<folder>`."""
    if expect is Expect.NOTHING:
        return {}
    strangers = {name.split("/")[0] for name in folders if name not in _EXPECTED}
    return {
        name: _EXPECTED[name]
        for name in folders
        if name in _EXPECTED and (expect is Expect.PUBLISHED or name.split("/")[0] not in strangers)
    }


def _digests(root: Path) -> dict[str, str]:
    manifests = sorted((root / "fetched").glob("*.sha256"))
    recorded = [read_manifest(within(one.parent, one.name)) for one in manifests]
    return {path: digest for one in recorded for path, digest in one.items()}


def _places(root: Path, split: str) -> Iterator[_Place]:
    """Yields both label folders of every class, generator and category, whether there or not."""
    for folder, category, label in label_places(root, split):
        path = root / folder / category / label
        names = tuple(image_names(path)) if path.is_dir() else None
        yield _Place(folder=folder, category=category, label=label, names=names)


def _empty(root: Path) -> Iterator[Finding]:
    for split in SPLITS:
        if (root / split).is_dir() and not visible_folders(root / split):
            yield Finding(Kind.MISSING, split, "holds no classes")


def _shape(places: list[_Place]) -> Iterator[Finding]:
    """Yields the missing and empty label folders, which training and evaluation would fail on."""
    for place in places:
        if place.names is None:
            yield Finding(Kind.MISSING, place.path, "no such folder")
        elif not place.names:
            yield Finding(Kind.MISSING, place.path, "holds no images")


def _lost(root: Path, digests: Mapping[str, str]) -> Iterator[Finding]:
    for path in digests:
        if not (root / path).is_file():
            yield Finding(Kind.MISSING, path, "was fetched and is gone")


def _unknown_to_fetch(places: list[_Place], digests: Mapping[str, str]) -> Iterator[Finding]:
    """Yields images in folders that fetch filled, which it did not put there."""
    filled = {path.rpartition("/")[0] for path in digests}
    for place in places:
        for file in place.files if place.path in filled else ():
            if file not in digests:
                yield Finding(Kind.SURPLUS, file, "did not come with the set")


def _against_catalogue(
    places: list[_Place], folder: Folder, digests: Mapping[str, str]
) -> Iterator[Finding]:
    """Yields counts that differ from the catalogue's, beyond what is reported file by file."""
    there = {place.path: len(place.files) for place in places}
    # Of what fetch put there, that which is gone or new is listed by name already.
    there |= Counter(path.rpartition("/")[0] for path in digests)
    known: set[str] = set()
    for paths, expected in _expected_counts(places[0].folder, folder):
        known.update(paths)
        count = sum(there.get(path, 0) for path in paths)
        if count != expected:
            kind = Kind.MISSING if count < expected else Kind.SURPLUS
            name = paths[0] if len(paths) == 1 else f"{places[0].folder}/*/{_label(paths[0])}"
            yield Finding(kind, name, f"{count:,} images, the catalogue says {expected:,}")
    for place in places:
        if place.files and place.path not in known:
            yield Finding(Kind.SURPLUS, place.path, "the catalogue has no such folder")


def _expected_counts(name: str, folder: Folder) -> Iterator[tuple[list[str], int]]:
    """Yields label folders that are counted together, and how many images they should hold."""
    for label, count in zip(LABEL_FOLDERS, (folder.real, folder.fake), strict=True):
        paths = [f"{name}/{category}/{label}" for category in folder.categories]
        if not paths:
            yield [f"{name}/{label}"], count
        elif folder.even:
            yield from (([path], count // len(paths)) for path in paths)
        else:
            yield paths, count


def _label(path: str) -> str:
    return path.rpartition("/")[2]


def _count(name: str, places: list[_Place], expected: Folder | None) -> Count:
    counts = {
        label: sum(len(place.names or ()) for place in places if place.label == label)
        for label in LABEL_FOLDERS
    }
    return Count(
        path=name,
        real=counts["0_real"],
        fake=counts["1_fake"],
        real_expected=expected.real if expected else None,
        fake_expected=expected.fake if expected else None,
    )
