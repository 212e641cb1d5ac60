"""Reads the texts in PNG files, in which generators' own programs leave their settings."""

import contextlib
import itertools
import zlib
from collections.abc import Iterator

from jaxdet.data.ops.png import chunks_of, png_size

_KINDS = (b"tEXt", b"zTXt", b"iTXt")
_MOST_CHUNKS = 1000  # among which texts are looked for


def png_texts(content: bytes, *, most: int) -> Iterator[tuple[str, str]]:
    """Yields keyword and text of each textual chunk of a PNG; nothing for any other file.

    Args:
      content: a whole file.
      most: bytes of a text that are read, packed and unpacked; the rest is left out.
    """
    if png_size(content[:24]) is None:
        return
    for kind, start, end in itertools.islice(chunks_of(content), _MOST_CHUNKS):
        if kind in _KINDS:
            keyword, _, body = content[start + 8 : min(end - 4, start + 8 + most)].partition(b"\0")
            with contextlib.suppress(zlib.error):
                yield keyword.decode("latin-1"), _text(kind, body, most).decode("utf-8", "replace")


def _text(kind: bytes, body: bytes, most: int) -> bytes:
    """Returns the text behind a chunk's keyword; generators write UTF-8 into all kinds."""
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed, body = body[:1] == b"\1", body[2:].split(b"\0", 2)[-1]
    elif packed:
        body = body[1:]
    return zlib.decompressobj().decompress(body, most) if packed else body[:most]
