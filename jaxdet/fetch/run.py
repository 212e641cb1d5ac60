"""Carries out a fetch: what is asked for, what is there, download, open, check, unpack, record."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from jaxdet.errors import RunFailedError, UserError
from jaxdet.fetch.archive import Archive
from jaxdet.fetch.catalog import Address, Container, Dataset
from jaxdet.fetch.choice import Options, choose_files, choose_folders
from jaxdet.fetch.files import Files
from jaxdet.fetch.members import check_members, place_members
from jaxdet.fetch.record import Finished, Record
from jaxdet.fetch.sevenzip import open_stored_zip
from jaxdet.fetch.unpack import unpack
from jaxdet.fetch.views import DamagedError, JoinedFile, Part
from jaxdet.progress import ProgressLine


def fetch(dataset: Dataset, root: Path, *, options: Options, say: Callable[[str], None]) -> None:
    """Brings a set of the catalogue under a root; what is there already is not fetched again.

    Raises:
      UserError: where something else asks to be done first; nothing of the user's is touched.
      RunFailedError: where the network, the disk or the archive failed; the next start continues.
    """
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: is a file; --root takes a folder")
    addresses = choose_files(dataset, options)
    folders = choose_folders(dataset, options)
    record = Record(root)
    with record.locked(), Files(record, options, say) as files:
        if dataset.container is Container.PLAIN:
            for address in addresses:
                files.bring(address, root / address.name)
        elif _is_there(dataset, folders, record):
            say(f"{root / dataset.split}: {dataset.name} is already there")
        else:
            digests = _fetch_images(dataset, addresses, folders, record, files, options)
            for line in _surprises(dataset, folders, digests):
                say(line)
            say(f"{root / dataset.split}: {dataset.name} is there")
        _tidy(dataset, record, files)


def _is_there(dataset: Dataset, folders: Sequence[str], record: Record) -> bool:
    """Returns whether an earlier start unpacked all of it and all of it still lies there."""
    finished = record.finished(dataset.name)
    if finished is None or not set(folders) <= set(finished.folders):
        return False
    paths = [path for path in record.manifest(dataset.name) if path.split("/")[1] in folders]
    listed = {path.split("/")[1] for path in paths}
    return listed == set(folders) and all((record.root / path).is_file() for path in paths)


def _fetch_images(
    dataset: Dataset,
    addresses: Sequence[Address],
    folders: Sequence[str],
    record: Record,
    files: Files,
    options: Options,
) -> dict[str, str]:
    earlier = record.finished(dataset.name)
    # By ranges where little is wanted: some classes, or what was lost since an earlier start.
    little = bool(options.classes) or (earlier is not None and not files.under_way(addresses))
    ranged = options.stream or little
    parts = files.ranged_parts(addresses) if ranged else None
    if parts is None:
        parts = files.local_parts(addresses)
    try:
        digests = _unpack_parts(dataset, parts, folders, record.root, options)
    except DamagedError as error:
        raise _blame(error, addresses, files) from None
    # In this order: a start killed in between unpacks again, and finds every file there.
    record.keep_manifest(dataset.name, record.manifest(dataset.name) | digests)
    record.keep_finished(dataset.name, _finished(folders, options.keep_archives, earlier))
    return digests


def _unpack_parts(
    dataset: Dataset, parts: Sequence[Part], folders: Sequence[str], root: Path, options: Options
) -> dict[str, str]:
    stored = dataset.container is Container.STORED_7Z
    archive = Archive(open_stored_zip(parts) if stored else JoinedFile(parts))
    check_members(archive.members, archive_bytes=archive.length, limits=options.limits)
    placed = place_members(archive.members, dataset, chosen=folders)
    total = sum(one.member.size for one in placed)
    with ProgressLine(f"{dataset.name}, unpacking", total=total, unit="bytes") as meter:
        return unpack(archive, placed, root, meter=meter)


def _surprises(
    dataset: Dataset, folders: Sequence[str], digests: Mapping[str, str]
) -> Iterator[str]:
    """Yields lines about folders that hold another number of images than was published."""
    counts = Counter(path.split("/")[1] for path in digests)
    for folder in dataset.folders:
        if folder.name in folders and counts[folder.name] != folder.real + folder.fake:
            yield (
                f"{dataset.split}/{folder.name}: {counts[folder.name]:,} images, "
                f"{folder.real + folder.fake:,} were published"
            )


def _blame(error: DamagedError, addresses: Sequence[Address], files: Files) -> RunFailedError:
    """Removes the files that are to blame and returns the failure to report."""
    names = files.remove_damaged([addresses[number] for number in error.parts])
    removed = f"{', '.join(names)} proved damaged and was removed; " if names else ""
    return RunFailedError(f"{error}; {removed}start the same command again to continue")


def _finished(folders: Sequence[str], keep_archives: bool, earlier: Finished | None) -> Finished:
    """Returns what is unpacked by now; archives once asked to stay go on staying."""
    if earlier is None:
        return Finished(folders=tuple(folders), keep_archives=keep_archives)
    both = sorted({*folders, *earlier.folders})
    return Finished(folders=tuple(both), keep_archives=keep_archives or earlier.keep_archives)


def _tidy(dataset: Dataset, record: Record, files: Files) -> None:
    """Removes archives that were downloaded for this, or that nothing more is wanted of.

    Those left are of a whole download under way, while single classes came by ranges.
    """
    finished = record.finished(dataset.name)
    if finished is None or finished.keep_archives:
        return
    complete = {folder.name for folder in dataset.folders} <= set(finished.folders)
    if complete or files.downloaded:
        files.remove(dataset.files)
