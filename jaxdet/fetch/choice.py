"""Holds what a command asks for: its options, and the files and folders of a set that they mean."""

import dataclasses
from collections.abc import Collection, Sequence

from jaxdet.errors import UserError
from jaxdet.fetch.catalog import Address, Container, Dataset
from jaxdet.fetch.members import Limits
from jaxdet.fetch.remote import Patience


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Describes how to fetch.

    Attributes:
      classes: classes or generators wanted; empty for all.
      only: files wanted, by name or by what stands before its first dash; empty for all.
      base_url: where the files lie instead of the catalogue's addresses.
      stream: read the remote archive by ranges even when all of it is wanted, and keep no copy.
      keep_archives: leave them in `fetched/` after unpacking.
      patience: with the server.
      limits: of archives.
    """

    classes: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    base_url: str | None = None
    stream: bool = False
    keep_archives: bool = False
    patience: Patience = dataclasses.field(default_factory=Patience)
    limits: Limits = dataclasses.field(default_factory=Limits)


def choose_files(dataset: Dataset, options: Options) -> list[Address]:
    """Returns the files wanted, with the addresses to use.

    Raises:
      UserError: where --only names one that there is not, or the set is one of images.
    """
    if options.only and dataset.container is not Container.PLAIN:
        raise UserError(f"--only: {dataset.name} is a set of images; use --classes")
    short = {address.name.split("-")[0]: address for address in dataset.files}
    known = short | {address.name: address for address in dataset.files}
    _refuse_unknown("--only", options.only, known, offered=short)
    chosen = [known[name] for name in options.only] or list(dataset.files)
    if options.base_url is None:
        return chosen
    base = options.base_url.rstrip("/")
    return [dataclasses.replace(one, url=f"{base}/{one.name}") for one in chosen]


def choose_folders(dataset: Dataset, options: Options) -> tuple[str, ...]:
    """Returns the names of the classes or generators wanted.

    Raises:
      UserError: where --classes names one that the set has not, or the set has none.
    """
    if options.classes and not dataset.folders:
        raise UserError(f"--classes: {dataset.name} has none; use --only")
    known = [folder.name for folder in dataset.folders]
    _refuse_unknown("--classes", options.classes, known, offered=known)
    return tuple(name for name in known if not options.classes or name in options.classes)


def _refuse_unknown(
    flag: str, asked: Sequence[str], known: Collection[str], *, offered: Collection[str]
) -> None:
    for name in asked:
        if name not in known:
            raise UserError(f"{flag}: no {name!r}; there are {', '.join(offered)}")
