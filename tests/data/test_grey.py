"""Grey of more than 8 bits: by the range that the file states, as it is, or one line."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from jaxdet.data import ops

GREY = ((np.mgrid[:40, :40][0] * 40 + np.mgrid[:40, :40][1]) % 256).astype(np.uint8)


def tiff(levels, *, bits=None, tags=(), order="<"):
    """An uncompressed grey TIFF of any array, written by hand: Pillow writes few kinds."""
    kind = {"u": 1, "i": 2, "f": 3}[levels.dtype.kind]
    ordered = levels.astype(levels.dtype.newbyteorder(order))
    raw = packed(levels) if bits == 12 else ordered.tobytes()
    fields = {256: 40, 257: 40, 258: bits or levels.dtype.itemsize * 8, 259: 1, 262: 1, 273: 8,
              277: 1, 278: 40, 279: len(raw), 339: kind, **dict(tags)}  # fmt: skip
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, 11 if isinstance(value, float) else 4, 1)
        + struct.pack(f"{order}{'f' if isinstance(value, float) else 'I'}", value)
        for tag, value in sorted(fields.items())
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(raw))
    return head + raw + struct.pack(f"{order}H", len(fields)) + entries + bytes(4)


def packed(levels):
    """Two levels of 12 bits in three bytes."""
    first, second = levels.reshape(-1, 2).T.astype(np.uint32)
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 1).astype(
        np.uint8
    ).tobytes()  # fmt: skip


def pgm(levels, most):
    return b"P5 40 40 %d\n" % most + levels.astype(">u2" if most > 255 else np.uint8).tobytes()


def png16(levels):
    file = io.BytesIO()
    Image.fromarray(levels.astype(np.uint16)).save(file, "png")
    return file.getvalue()


WIDE = GREY.astype(np.uint16) * 257
TWINS = {
    "32-bit integers": tiff(GREY.astype(np.int32)),
    "32-bit integers, big-endian": tiff(GREY.astype(np.int32), order=">"),
    "32-bit integers without a sign": tiff(GREY.astype(np.uint32)),
    "signed 16-bit integers": tiff(GREY.astype(np.int16)),
    "signed 16-bit integers, big-endian": tiff(GREY.astype(np.int16), order=">"),
    "16 bits": tiff(WIDE),
    "16 bits, big-endian": tiff(WIDE, order=">"),
    "16 bits, white is zero": tiff(65535 - WIDE, tags={262: 0}),
    "8 bits, white is zero": tiff(255 - GREY, tags={262: 0}),
    "12 bits": tiff((GREY.astype(np.uint32) * 4095 + 127) // 255, bits=12),
    "12 bits in 16, stated": tiff((WIDE >> 4), tags={341: 4095}),
    "32 bits in full, stated": tiff(GREY.astype(np.uint32) * 0x01010101, tags={341: 2**32 - 1}),
    "floats to 1": tiff((GREY / 255).astype(np.float32)),
    "floats to 1, white is zero": tiff((1 - GREY / 255).astype(np.float32), tags={262: 0}),
    "whole floats to 255": tiff(GREY.astype(np.float32)),
    "floats, stated": tiff(GREY.astype(np.float32) - 100, tags={340: -100.0, 341: 155.0}),
    "PNG of 16 bits": png16(WIDE),
    "PGM of 16 bits": pgm(WIDE, 65535),
    "PGM to 4095": pgm(WIDE >> 4, 4095),
    "PGM to 255": pgm(GREY, 255),
    "PFM to 1": b"Pf 40 40 -1.0\n" + (GREY[::-1] / 255).astype("<f4").tobytes(),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_wide_grey_has_the_values_of_its_8_bit_twin(name):
    pixels = ops.decode(TWINS[name], max_pixels=10**4)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.repeat(GREY[:, :, None], 3, 2))
    assert np.array_equal(ops.decode_bgr(TWINS[name], max_pixels=10**4), pixels)


@pytest.mark.parametrize(
    ("levels", "says"),
    [
        (GREY.astype(np.int32) * 300, "grey levels from 0 to 76500, and the file does not state"),
        (GREY.astype(np.int16) - 9, "grey levels from -9 to 246, and"),
        (GREY.astype(np.float32) * 0.7, r"grey levels from 0 to 178\.5, and"),
        (np.where(GREY == 7, np.nan, GREY).astype(np.float32), "infinite or no numbers"),
    ],
)
def test_a_range_that_nobody_states_is_refused_in_one_line(levels, says):
    with pytest.raises(ValueError, match=says) as raised:
        ops.decode(tiff(levels), max_pixels=10**4)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("level", [np.nan, np.inf, -np.inf])
def test_levels_that_are_no_numbers_are_refused_whatever_range_is_stated(level):
    levels = np.where(GREY == 7, level, GREY).astype(np.float32)
    with pytest.raises(ValueError, match="grey levels that are infinite or no numbers; save it"):
        ops.decode(tiff(levels, tags={340: 0.0, 341: 255.0}), max_pixels=10**4)


@pytest.mark.parametrize("most", [np.inf, np.nan])
def test_a_range_that_no_level_can_be_scaled_from_counts_as_none(most):
    pixels = ops.decode(tiff(GREY.astype(np.float32), tags={341: float(most)}), max_pixels=10**4)
    assert np.array_equal(pixels[:, :, 0], GREY)
    with pytest.raises(ValueError, match="and the file does not state which are black"):
        ops.decode(tiff(GREY * np.float32(3), tags={341: float(most)}), max_pixels=10**4)


def test_all_16_bit_levels_are_rounded_to_the_nearest():
    levels = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    pixels = ops.decode(png16(levels), max_pixels=2**16)
    assert np.array_equal(pixels[:, :, 0], (levels / 257 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_eight_bits_are_converted_as_pillow_does(mode):
    picture = Image.merge("RGB", [Image.fromarray(np.roll(GREY, n)) for n in (0, 5, 9)])
    if mode == "LAB":
        picture = Image.frombytes("LAB", picture.size, picture.tobytes())
    else:
        picture = picture.convert("LA" if mode == "PA" else mode).convert(mode)
    file = io.BytesIO()
    picture.save(file, "tiff")
    with Image.open(file) as image:
        assert image.mode == mode or (mode, image.mode) == ("YCbCr", "YCbCr")
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(ops.decode(file.getvalue(), max_pixels=10**4), expected)


def test_grey_times_alpha_is_read():
    file = io.BytesIO()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[338] = 1  # the extra channel is alpha that the grey was multiplied by
    opaque = Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (40, 40), 255)])
    opaque.save(file, "tiff", tiffinfo=tags)
    content = file.getvalue().replace(struct.pack("<HHIHH", 338, 3, 1, 2, 0),
                                      struct.pack("<HHIHH", 338, 3, 1, 1, 0))  # fmt: skip
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "La"
    assert np.array_equal(ops.decode(content, max_pixels=10**4)[:, :, 1], GREY)
