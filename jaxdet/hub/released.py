"""Fetches, checks and converts detectors that others released, when they are first used."""

import contextlib
import os
from pathlib import Path

from jaxdet.convert.card import Card, network_options
from jaxdet.convert.folder import Source, is_detector, write_detector
from jaxdet.convert.heads import convert_head
from jaxdet.convert.load import ConvertedFile, convert_file
from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.catalog import Address, Container, Dataset
from jaxdet.fetch.choice import Options
from jaxdet.fetch.remote import RangeRefusedError, TransientError, open_at
from jaxdet.fetch.run import fetch
from jaxdet.hub.releases import Release
from jaxdet.progress import say, size_text
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.weights import open_weights
from jaxdet.workdir.drafts import new_folder
from jaxdet.workdir.files import sha256
from jaxdet.workdir.lock import claimed

# Seconds without an answer after which there is no network.
_TIMEOUT = 20.0
_DOWNLOADS = "downloads"


def bring(release: Release, folder: Path, *, accepted: str | None) -> Path:
    """Returns the converted folder of a released detector, which is made on first use.

    A kill in between loses nothing that has come: the same command continues. Where another process
    is at it, it is waited for. Downloads go once they are converted; files that the user put into
    the folder are taken in their place, and stay.

    Args:
      release: which.
      folder: of its own.
      accepted: the licence that the user accepts; not asked for again once the detector is there.

    Raises:
      UserError: where that is not the detector's licence.
      RunFailedError: where the network fails, or a file is not the published one.
    """
    detector = folder / "detector"
    if not is_detector(detector):
        _check_licence(release, folder, accepted)
        with claimed(folder, instead=None):
            if not is_detector(detector):
                _convert(release, _files(release, folder), detector)
    with contextlib.suppress(OSError):  # a cache that may only be read
        for file in release.files:  # of a process that was killed once it had converted, too
            (folder / _DOWNLOADS / file.name).unlink(missing_ok=True)
    return detector


def _check_licence(release: Release, folder: Path, accepted: str | None) -> None:
    """Raises UserError unless a detector's licence was accepted."""
    if accepted != release.licence:
        sizes = [one.size for one in release.files if one.size]
        size = f"{size_text(sum(sizes))} " if sizes else ""
        raise UserError(
            f"{release.name}: is fetched on first use ({size}into {folder}) under its licence, "
            f"{release.licence} (see {release.home}); to accept that, add "
            f"--accept-licence={release.licence}"
        )


def _files(release: Release, folder: Path) -> list[Path]:
    """Returns the files of a detector, fetched where the user put none into the folder."""
    roots = [
        folder if os.path.lexists(folder / file.name) else folder / _DOWNLOADS
        for file in release.files
    ]
    paths = [root / file.name for root, file in zip(roots, release.files, strict=True)]
    for file, path in zip(release.files, paths, strict=True):
        if not path.exists():
            _reach(release, file, folder)
    for root, file in zip(roots, release.files, strict=True):
        name = release.name.replace("/", "-")
        files = Dataset(name=name, title="", files=(file,), container=Container.PLAIN)
        fetch(files, root, options=Options(), say=say)
    return paths


def _reach(release: Release, file: Address, folder: Path) -> None:
    """Raises RunFailedError where a file cannot be had, before any patience with the network."""
    try:
        with contextlib.suppress(RangeRefusedError), open_at(file.url, timeout=_TIMEOUT):
            pass
    except TransientError as error:
        raise RunFailedError(
            f"{release.name}: {error}; with a network start the same command again, or put "
            f"{file.name} into {folder}"
        ) from None
    except RunFailedError as error:
        # Its advice is an option of `jaxdet.data fetch`.
        why, _, _ = str(error).partition("; ")
        raise RunFailedError(
            f"{release.name}: {why}; see {release.home} for the file, and put it, named "
            f"{file.name}, into {folder}"
        ) from None


def _convert(release: Release, paths: list[Path], detector: Path) -> None:
    """Makes a folder of `jaxdet.convert`, whose card has source, licence and protocol."""
    weights, (path, *towers) = release.files[0], paths
    file = _converted(release, path, towers)
    model = file.network.model
    digest = sha256(path)
    card = Card(
        source=weights.url,
        file_sha256=digest,
        protocol=Protocol(crop=release.crop, resize=file.network.resize),
        model=network_options(model),
        spelling=file.network.spelling,
        licence=release.licence,
    )
    with new_folder(detector) as draft:
        write_detector(
            draft, file.converted.arrays, model=model, coverage=file.converted.coverage,
            source=Source(file=weights.url, sha256=digest), spelling=card.spelling,
            crop=file.network.side, card=card,
        )  # fmt: skip


def _converted(release: Release, path: Path, towers: list[Path]) -> ConvertedFile:
    facts = dict(release.facts)
    if not towers:
        return convert_file(path, arch=release.arch, facts=facts)
    tower, _ = open_weights(towers[0], facts=facts, headless=True)
    return convert_head(path, tower, arch=release.arch, state_dict=None)
