"""Detectors that others released: fetched, checked and converted when they are first used."""

import contextlib
from pathlib import Path

from jaxdet.convert.card import Card, network_options
from jaxdet.convert.folder import Source, is_detector, write_detector
from jaxdet.convert.heads import convert_head
from jaxdet.convert.load import ConvertedFile, convert_file
from jaxdet.datasets.catalog import Container, Dataset
from jaxdet.datasets.fetch.choice import Options
from jaxdet.datasets.fetch.remote import RangeRefusedError, TransientError, open_at
from jaxdet.datasets.fetch.run import fetch
from jaxdet.datasets.releases import RELEASES, Release
from jaxdet.errors import RunFailedError, UserError
from jaxdet.progress import say, size_text
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.weights import open_weights
from jaxdet.workdir.drafts import new_folder
from jaxdet.workdir.files import sha256

__all__ = ["RELEASES", "bring"]

# Seconds without an answer after which there is no network.
_TIMEOUT = 20.0


def bring(release: Release, folder: Path, *, accepted: str | None) -> Path:
    """Returns the converted folder of a released detector, which is made on first use.

    A kill in between loses nothing that has come: the same command continues.

    Args:
      release: which.
      folder: of its own.
      accepted: the licence that the user accepts; not asked for again once the detector is there.

    Raises:
      UserError: where that is not the detector's licence.
      RunFailedError: where the network fails, or a file is not the published one.
    """
    detector = folder / "detector"
    if is_detector(detector):
        return detector
    if accepted != release.licence:
        sizes = [one.size for one in release.files if one.size]
        size = f"{size_text(sum(sizes))} " if sizes else ""
        raise UserError(
            f"{release.name}: is fetched on first use ({size}into {folder}) under its licence, "
            f"{release.licence} (see {release.home}); to accept that, add "
            f"--accept-licence={release.licence}"
        )
    _reach(release, folder)
    files = Dataset(
        name=release.name.replace("/", "-"), title="", files=release.files,
        container=Container.PLAIN,
    )  # fmt: skip
    fetch(files, folder, options=Options(), say=say)
    _convert(release, folder, detector)
    for file in release.files:
        (folder / file.name).unlink()
    return detector


def _reach(release: Release, folder: Path) -> None:
    """Raises RunFailedError at once where there is no network, before any patience with it."""
    missing = [one for one in release.files if not (folder / one.name).exists()]
    for file in missing[:1]:
        try:
            with contextlib.suppress(RangeRefusedError), open_at(file.url, timeout=_TIMEOUT):
                pass
        except TransientError as error:
            raise RunFailedError(
                f"{release.name}: {error}; with a network start the same command again, or put "
                f"{file.name} into {folder}"
            ) from None


def _convert(release: Release, folder: Path, detector: Path) -> None:
    """Makes a folder of `jaxdet.convert`, whose card has source, licence and protocol."""
    weights, *towers = release.files
    path = folder / weights.name
    file = _converted(release, path, [folder / tower.name for tower in towers])
    model = file.network.model
    digest = sha256(path)
    card = Card(
        source=weights.url,
        file_sha256=digest,
        protocol=Protocol(crop=release.crop, resize=release.resize),
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
