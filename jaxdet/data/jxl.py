"""Reads the size of a JPEG XL image from its header.

pillow-jxl-plugin decodes a file as it opens it: what is too large has to be refused before.
Layout: ISO/IEC 18181-1 (SizeHeader) and 18181-2 (boxes); libjxl reads it in lib/jxl/headers.cc.
"""

_STREAM = b"\xff\x0a"
_CONTAINER = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
# Width by height, for the values of the field `ratio` from 1 on.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
# Bytes within which both sides stand.
_HEADER = 12
_SIDE_BITS = (9, 13, 18, 30)


def is_jxl(content: bytes) -> bool:
    """Returns whether a file begins as JPEG XL does."""
    return content.startswith((_STREAM, _CONTAINER))


def jxl_size(content: bytes) -> tuple[int, int]:
    """Returns width and height of a JPEG XL file, pixels.

    Raises:
      ValueError: where it ends too early or has no image in it.
    """
    stream = content if content.startswith(_STREAM) else _streamed(content)
    if not stream.startswith(_STREAM) or len(stream) < _HEADER:
        raise ValueError("JPEG XL without a header")
    bits = _Bits(int.from_bytes(stream[2:_HEADER], "little"))
    is_small = bits.take(1)
    height = _side(bits, is_small)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return _side(bits, is_small), height


class _Bits:
    """Reads the bits of a number from the lowest on."""

    def __init__(self, value: int):
        self._value = value

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken


def _side(bits: _Bits, is_small: int) -> int:
    if is_small:
        return 8 * (bits.take(5) + 1)
    return bits.take(_SIDE_BITS[bits.take(2)]) + 1


def _streamed(content: bytes) -> bytes:
    """Returns the beginning of the codestream in a container, put together of its parts."""
    stream, place = b"", 0
    while len(stream) < _HEADER and place + 8 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        kind, head = content[place + 4 : place + 8], 8
        if size == 1:
            size, head = int.from_bytes(content[place + 8 : place + 16], "big"), 16
        if size == 0:  # the last box
            size = len(content) - place
        if size < head:
            break
        if kind in (b"jxlc", b"jxlp"):
            # A part begins with its number.
            first = place + head + (4 if kind == b"jxlp" else 0)
            stream += content[first : min(first + _HEADER, place + size)]
        place += size
    return stream
