"""The quick way to PNG pixels gives Pillow's pixels, or leaves the file to Pillow."""

import io
import struct
import zlib

import numpy as np
import pytest
import skimage.data
from PIL import Image, PngImagePlugin

from jaxdet.data import ops
from jaxdet.data.ops.png import decode_plain_png

PICTURE = np.ascontiguousarray(skimage.data.astronaut()[:61, :83])
LIMIT = 10**6


def png(image=PICTURE, **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, "png", **options)
    return file.getvalue()


def with_chunk(kind, data):
    """A PNG with one more chunk after its header."""
    content = png()
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:33] + chunk + content[33:]


def outcome(decode, content):
    try:
        return decode(content, max_pixels=LIMIT)
    except ValueError as error:
        return str(error)


def assert_pillow_s(content):
    expected, found = outcome(ops.decode, content), outcome(ops.decode_bgr, content)
    if isinstance(expected, str):
        assert found == expected
    else:
        assert np.array_equal(found[:, :, ::-1], expected)


def text_of(words):
    info = PngImagePlugin.PngInfo()
    info.add_text("words", words, zip=True)
    return info


@pytest.mark.parametrize(
    "content",
    [png(), png(compress_level=0), png(optimize=True), png(pnginfo=text_of("x" * 100)),
     png(dpi=(72, 72)), png(PICTURE[:1, :1])],
)  # fmt: skip
def test_plain_files_take_the_quick_way(content):
    pixels = decode_plain_png(content, max_pixels=LIMIT)
    assert pixels is not None
    assert_pillow_s(content)


EXIF = Image.Exif()
EXIF[0x0112] = 6  # rotated by 90 degrees
OTHERS = {
    "grey": png(PICTURE[:, :, 0]),
    "palette": png(Image.fromarray(PICTURE).quantize(16)),
    "alpha": png(Image.fromarray(PICTURE).convert("RGBA")),
    "16 bits": png(PICTURE[:, :, 0].astype(np.uint16) * 257),
    "rotated": png(exif=EXIF),
    "transparent colour": png(transparency=(1, 2, 3)),
    "gamma": with_chunk(b"gAMA", struct.pack(">I", 45455)),
    "ICC profile": png(icc_profile=b"not a profile"),
    "animated": png(save_all=True, append_images=[Image.fromarray(PICTURE[::-1])]),
    "a chunk nobody knows": with_chunk(b"abCd", b"1234"),
    "something after the end": png() + b"x",
    "JPEG": b"\xff\xd8\xff" + bytes(40),
    "nothing": b"",
    "a signature": png()[:8],
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_all_others_are_left_to_pillow(name):
    assert decode_plain_png(OTHERS[name], max_pixels=LIMIT) is None
    assert_pillow_s(OTHERS[name])


def test_too_many_pixels_are_not_decoded():
    assert decode_plain_png(png(), max_pixels=5000) is None
    with pytest.raises(ValueError, match=r"83x61 pixels are more than data\.max_pixels=5000"):
        ops.decode_bgr(png(), max_pixels=5000)


def test_damaged_files_end_as_with_pillow():
    content, rng = png(), np.random.default_rng(0)
    for number in range(400):
        damaged = bytearray(content)
        place = int(rng.integers(8, len(content) - 20))
        if number % 3 == 0:
            del damaged[place:]
        elif number % 3 == 1:
            damaged[place] ^= 1 << int(rng.integers(8))
        else:
            damaged[place : place + 20] = bytes(20)
        assert_pillow_s(bytes(damaged))


def test_pixels_cut_short_under_right_checksums_end_as_with_pillow():
    content = png()
    data = content[41 : 41 + struct.unpack(">I", content[33:37])[0]][:500]
    header, end = content[:33], content[-12:]
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data
    short = header + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + end
    assert_pillow_s(short)
