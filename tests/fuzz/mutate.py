"""Bytes and JSON, damaged: every change follows from a numpy generator."""

import copy
import json
import struct
import zlib

WORDS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIDES = (0, 1, 3, 255, 4000, 7000, 7100, 30_000, 65_535)
VALUES = (
    None, True, False, -1, 0, 1, 2, 9, 10**6, 10**30, 10**400, 0.5, -1e308, 1e308, float("nan"),
    float("inf"), "", "x", "x" * 3000, "../../../x", "a\0b", "=1+1", "\udcff", "<script>", [], {},
    [None], [[[[]]]], {"a": {"b": {}}}, "resnet18", "tests.fuzz", ["a", 1],
)  # fmt: skip


def damaged(content, rng, *, other=b"", kind=""):
    """One or two changes to a file."""
    ways = [flip, flip, flip_head, overwrite, overwrite, cut, cut_out, splice, set_word, set_word]
    ways += [enlarge, enlarge] if kind in _SIDES_AT or kind in ("jpeg", "tiff") else []
    for _ in range(rng.integers(1, 3)):
        content = ways[rng.integers(len(ways))](content, rng, other=other, kind=kind)
    # Half of the PNGs get right checksums: the decoders behind them see the damage.
    return with_checksums(content) if kind == "png" and rng.random() < 0.5 else content


def flip(content, rng, *, first=None, **_):
    """Single bits."""
    out = bytearray(content)
    for _ in range(rng.integers(1, 20) if out else 0):
        place = rng.integers(first or len(out))
        if place < len(out):
            out[place] ^= 1 << rng.integers(8)
    return bytes(out)


def flip_head(content, rng, **_):
    """Single bits where headers lie."""
    return flip(content, rng, first=64)


def overwrite(content, rng, **_):
    """A run of equal or random bytes."""
    start, length = rng.integers(len(content) + 1), int(rng.integers(1, 40))
    run = bytes([(0, 255, 127, 128)[rng.integers(4)]]) * length
    run = rng.bytes(length) if rng.random() < 0.5 else run
    return content[:start] + run + content[start + length :]


def cut(content, rng, **_):
    """The end is missing."""
    return content[: rng.integers(len(content) + 1)]


def cut_out(content, rng, **_):
    """The middle is missing, or there twice."""
    first, last = sorted(rng.integers(len(content) + 1, size=2))
    return (
        content[:first] + content[last:] if rng.random() < 0.5 else content[:last] + content[first:]
    )


def splice(content, rng, *, other=b"", **_):
    """The beginning of one file and the end of another."""
    return content[: rng.integers(len(content) + 1)] + other[rng.integers(len(other) + 1) :]


def set_word(content, rng, **_):
    """A number of 16 or 32 bits becomes one that is often forgotten: lengths, counts, offsets."""
    form = ("<I", ">I", "<H", ">H")[rng.integers(4)]
    size = struct.calcsize(form)
    reach = len(content) if rng.random() < 0.5 else min(len(content), 200)
    if reach < size:
        return content
    place = rng.integers(reach - size + 1)
    word = WORDS[rng.integers(len(WORDS))] & (2 ** (8 * size) - 1)
    return content[:place] + struct.pack(form, word) + content[place + size :]


# Where a format has its width, its height and in which form.
_SIDES_AT = {
    "png": (16, 20, ">I"), "gif": (6, 8, "<H"), "bmp": (18, 22, "<I"), "webp": (24, 27, "<H"),
}  # fmt: skip


def enlarge(content, rng, *, kind, **_):
    """Another width and height in the header."""
    if kind == "tiff":
        return _enlarged_tiff(content, rng)
    if kind == "jpeg":
        start = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
        places, form = (start + 5, start + 7), ">H"
    else:
        *places, form = _SIDES_AT[kind]
    for place in places:
        if place > 0 and place + struct.calcsize(form) <= len(content):
            content = _with(content, place, form, SIDES[rng.integers(len(SIDES))])
    return content


def _enlarged_tiff(content, rng):
    """The entries of the first directory that hold sides: tags 256 and 257."""
    if len(content) < 10 or content[:2] != b"II":
        return content
    (start,) = struct.unpack_from("<I", content, 4)
    for place in range(start + 2, min(start + 400, len(content) - 12), 12):
        if struct.unpack_from("<H", content, place)[0] in (256, 257):
            content = _with(content, place + 8, "<I", SIDES[rng.integers(len(SIDES))])
    return content


def _with(content, place, form, number):
    return content[:place] + struct.pack(form, number) + content[place + struct.calcsize(form) :]


def with_checksums(content):
    """A PNG whose chunks have the CRC of what they hold now."""
    out, place = bytearray(content[:8]), 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        body = content[place + 4 : place + 8 + length]
        out += content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return bytes(out)


def damaged_json(text, rng):
    """JSON that parses, in which up to three values are others, gone, or under another name."""
    value = json.loads(text)
    for _ in range(rng.integers(1, 4)):
        holders = [one for one in _walk(value) if one]
        if holders:
            _change(holders[rng.integers(len(holders))], rng)
    return json.dumps(value)


def _walk(value):
    if isinstance(value, dict | list):
        yield value
        for one in value.values() if isinstance(value, dict) else value:
            yield from _walk(one)


def _change(holder, rng):
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    key = keys[rng.integers(len(keys))]
    way = rng.integers(6)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder["another"] = holder.pop(key)
    elif way == 2:
        holder[key] = _deep(copy.deepcopy(holder[key]))
    else:
        holder[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])


def _deep(value):
    for _ in range(200):
        value = [value]
    return value
