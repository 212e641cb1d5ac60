"""Decides what an archive may hold, and where it goes: checked in full before a byte is written."""

import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jaxdet.data.formats import is_image_name
from jaxdet.data.images import LABEL_FOLDERS
from jaxdet.errors import RunFailedError
from jaxdet.fetch.archive import Member
from jaxdet.fetch.catalog import Dataset

_LONGEST_PATH = 4096  # letters; PATH_MAX of Linux


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Describes the limits beyond which an archive of images is absurd.

    The largest real one holds 720,119 members; the largest image, of 17.5 megapixels, takes some
    50 MB; images hardly shrink when packed again.
    """

    members: int = 2_000_000
    member_bytes: int = 2**30
    ratio: int = 100  # of one member
    total_ratio: int = 10  # of the whole archive
    # Below this a member cannot do harm by its ratio.
    small: int = 2**20


@dataclass(frozen=True, slots=True)
class Placed:
    """Holds a member and its path below the root."""

    member: Member
    path: str


def check_members(members: Sequence[Member], *, archive_bytes: int, limits: Limits) -> None:
    """Does nothing where every entry of the archive is harmless.

    Raises:
      RunFailedError: naming the first that is not.
    """
    if len(members) > limits.members:
        raise RunFailedError(f"the archive has {len(members):,} members; nothing was unpacked")
    total = sum(member.size for member in members)
    packed = sum(member.packed for member in members)
    if packed > archive_bytes or total > limits.total_ratio * archive_bytes + limits.small:
        raise RunFailedError(
            f"the archive of {archive_bytes:,} bytes claims to hold {total:,}; nothing was unpacked"
        )
    for member in members:
        if reason := _harm(member, limits):
            raise RunFailedError(f"archive member {member.name!r} {reason}; nothing was unpacked")
    _refuse_collisions(members)


def _harm(member: Member, limits: Limits) -> str:
    kind = stat.S_IFMT(member.mode)
    if reason := _bad_name(member.name):
        return reason
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if not member.readable:
        return "is encrypted or packed in an unknown way"
    if member.packed > member.stop - member.start:
        return "overlaps another member"
    if member.size > limits.member_bytes:
        return f"claims {member.size:,} bytes"
    if member.size > limits.small and member.size > limits.ratio * member.packed:
        return f"claims to grow from {member.packed:,} to {member.size:,} bytes"
    return ""


def _bad_name(name: str) -> str:
    steps = name.removesuffix("/").split("/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if "\\" in name or any(unicodedata.category(letter) == "Cc" for letter in name):
        return "has a backslash or a control character in its name"
    if any(step in ("", ".", "..") for step in steps):
        return "points outside the folder or has an empty step"
    if len(name) > _LONGEST_PATH:
        return "has a path too long for a file"
    if any(len(step.encode("utf8", "surrogateescape")) > 255 for step in steps):
        return "has a name too long for a file"
    return ""


def _refuse_collisions(members: Iterable[Member]) -> None:
    """Raises RunFailedError where two members would be one file, or one file and folder.

    That holds for members under one name, and under names that differ in case or composition only.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for member in members:
        name = member.name.removesuffix("/")
        key = unicodedata.normalize("NFC", name).casefold()
        if not member.is_folder:
            if key in files:
                raise RunFailedError(
                    f"archive members {files[key]!r} and {name!r} would be one file; "
                    "nothing was unpacked"
                )
            files[key] = name
            key = key.rpartition("/")[0]
        while key and key not in folders:
            folders[key] = name
            key = key.rpartition("/")[0]
    for key in files.keys() & folders.keys():
        raise RunFailedError(
            f"archive member {files[key]!r} is a file and a folder; nothing was unpacked"
        )


def place_members(
    members: Iterable[Member], dataset: Dataset, *, chosen: Collection[str]
) -> list[Placed]:
    """Returns the images of the chosen folders with their places in the layout.

    They stand in the archive's order.

    Archives begin with the class or generator itself, or with one folder around them all. What
    lies in no label folder or is no image, and hidden files, stay behind.

    Raises:
      RunFailedError: where the archive has folders that the set has not, or lacks a chosen one.
    """
    homes = dict(_homes(dataset))
    placed, seen = [], set()
    for member in members:
        home = _home(member, homes, dataset)
        if home and homes[home] in chosen:
            seen.add(homes[home])
            tail = "/".join(member.name.split("/")[-2:])
            placed.append(Placed(member, f"{dataset.split}/{home}/{tail}"))
    missing = [name for name in chosen if name not in seen]
    if missing:
        raise RunFailedError(f"{dataset.name}: the archive holds nothing of {', '.join(missing)}")
    _refuse_doubles(placed)
    return placed


def _refuse_doubles(placed: Sequence[Placed]) -> None:
    """Raises RunFailedError where two members would lie in one place.

    Two folders around the same class could still send them there.
    """
    seen: dict[str, Placed] = {}
    for one in placed:
        other = seen.setdefault(unicodedata.normalize("NFC", one.path).casefold(), one)
        if other is not one:
            raise RunFailedError(
                f"archive members {other.member.name!r} and {one.member.name!r} would be one "
                "file; nothing was unpacked"
            )


def _homes(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yields where images lie below the split, and in which folder that is.

    The place is `<folder>[/<category>]`.
    """
    for folder in dataset.folders:
        for category in folder.categories or ("",):
            yield f"{folder.name}/{category}".removesuffix("/"), folder.name


def _home(member: Member, homes: Collection[str], dataset: Dataset) -> str:
    """Returns the member's folder below the split; '' where it is no image of the layout."""
    steps = member.name.split("/")
    hidden = any(step.startswith(".") for step in steps) or steps[0] == "__MACOSX"
    if hidden or len(steps) < 3 or steps[-2] not in LABEL_FOLDERS or not is_image_name(steps[-1]):
        return ""
    for outer in (0, 1):
        home = "/".join(steps[outer:-2])
        if home in homes:
            return home
    raise RunFailedError(
        f"archive member {member.name!r} lies in no folder of {dataset.name}; nothing was unpacked"
    )
