"""Reads a zip's members and their bytes. No other file of this room knows zipfile."""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from jaxdet.fetch.views import DamagedError, JoinedFile

_CHUNK = 2**20
_ENCRYPTED = 0x1
_UNIX = 3
# Others (bzip2, lzma) are in no archive of the catalogue; what is not read cannot hurt.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Describes one entry of the archive's directory, as stored: nothing of it is to be trusted.

    Attributes:
      name: path with forward slashes; that of a folder ends with one.
      size: bytes unpacked.
      packed: bytes in the archive.
      crc: CRC-32 of the unpacked bytes.
      mode: Unix file mode, 0 where there is none.
      readable: neither encrypted nor packed in an unknown way.
      start: of its local header, in the archive.
      stop: where the next member or the directory begins.
    """

    name: str
    size: int
    packed: int
    crc: int
    mode: int
    readable: bool
    start: int
    stop: int

    @property
    def is_folder(self) -> bool:
        """Returns whether the entry stands for a folder."""
        return self.name.endswith("/")


class Archive:
    """Reads a zip in a file of parts."""

    def __init__(self, file: JoinedFile):
        """Reads the directory.

        Raises:
          DamagedError: where there is none.
        """
        self._file = file
        # The directory lies at the end.
        with self._damage("directory", max(file.length - 1, 0), max(file.length, 1)):
            self._zip = zipfile.ZipFile(file)
        self.length = file.length
        self.members = tuple(self._members())

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yields the bytes of a member, its size and CRC-32 checked at the end.

        Raises:
          DamagedError: where they are not what the directory says.
        """
        # By place, not by name: the directory may hold a name twice.
        info = self._infos[member.start]
        with (
            self._damage(member.name, member.start, member.stop),
            self._zip.open(info) as content,
        ):
            while chunk := content.read(_CHUNK):
                yield chunk

    def expect(self, members: list[Member]) -> None:
        """Announces which members will be read, in order of their places."""
        self._file.expect([(member.start, member.stop) for member in members])

    def _members(self) -> Iterator[Member]:
        infos = sorted(self._zip.infolist(), key=lambda info: info.header_offset)
        self._infos = {info.header_offset: info for info in infos}
        stops = [info.header_offset for info in infos[1:]] + [self._zip.start_dir]
        for info, stop in zip(infos, stops, strict=True):
            readable = not info.flag_bits & _ENCRYPTED and info.compress_type in _METHODS
            yield Member(
                name=info.filename,
                size=info.file_size,
                packed=info.compress_size,
                crc=info.CRC,
                mode=info.external_attr >> 16 if info.create_system == _UNIX else 0,
                readable=readable,
                start=info.header_offset,
                stop=stop,
            )

    @contextlib.contextmanager
    def _damage(self, what: str, start: int, stop: int) -> Iterator[None]:
        try:
            yield
        # Each of these comes out of zipfile for some kind of wrong bytes.
        except (
            *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
            *(ValueError, NotImplementedError, OverflowError, UnicodeDecodeError),
        ) as error:
            parts = self._file.parts_of(start, max(stop, start + 1))
            raise DamagedError(f"{what}: {error or 'ends early'}", parts=parts) from None
