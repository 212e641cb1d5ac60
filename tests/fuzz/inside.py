"""Pictures inside others, and sides that are not those of the header, by every reader of images.

A file may hold another of any format, that again another; frames, pages and tiles may be larger
than the picture they are of. No reader starts a program for one: stand-ins lie first on PATH, and
Python tells of every process that it starts.
"""

import functools
import struct
import zlib

import numpy as np
from PIL import Image, features

from jaxdet.config import Augment
from jaxdet.data import ops
from jaxdet.data.folder import FolderSet, read_size
from jaxdet.data.loaders import EvalLoader, TrainLoader
from jaxdet.data.readers import Reader
from jaxdet.datasets.audit.places import list_root
from jaxdet.datasets.audit.scan import scan
from jaxdet.errors import BadImageError
from jaxdet.predict.files import read_ahead
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import cut
from jaxdet.scoring.protocol import Protocol
from tests.fuzz import build, pictures
from tests.fuzz.programs import no_program

# Pixels that an image may have here, so that what it takes can be told from what a bomb takes.
MOST_PIXELS = 2**20
# MiB that may be used for such an image, padded and resized as below; its file is small.
SECONDS, MIB = 3.0, 160
FILE = pictures.FILE
# Shorter side and crop of the readers below.
RESIZE, CROP = 32, 128


def bounds(folder):
    """Seconds of the processor and MiB that a reader may take for a case."""
    return SECONDS, MIB


def kinds():
    return ("png",)


sound_case = pictures.sound_case


def make_case(number, seed, folder):
    """Writes the variant of a number; gives what it is and its folder."""
    rng = np.random.default_rng([seed, number, 9])
    sound_case("png", folder)
    what, content = _outer(rng, depth=int(rng.integers(1, 4)))
    (folder / "train" / FILE).write_bytes(content)
    return what, folder


def readers(what):
    """Name to a function of the folder of a case."""
    return {name: functools.partial(_watched, read) for name, read in _READERS.items()}


def _watched(read, folder):
    with no_program():
        read(folder)


def _content(folder):
    return (folder / "train" / FILE).read_bytes()


def _reader(folder):
    images = FolderSet(name="x", folder=folder / "train", files=(FILE, "1_fake/x.png"))
    return Reader(images=images, max_pixels=MOST_PIXELS, skip_bad=False)


def _header(folder):
    size = read_size(folder / "train" / FILE)
    assert size is None or min(size) > 0


def _decode(folder):
    content = _content(folder)
    rgb = ops.decode(content, max_pixels=MOST_PIXELS)
    assert rgb.shape[0] * rgb.shape[1] <= MOST_PIXELS, rgb.shape
    assert np.array_equal(ops.decode_bgr(content, max_pixels=MOST_PIXELS)[:, :, ::-1], rgb)


def _train(folder):
    augment = Augment(resize=RESIZE, crop=RESIZE, jpeg_probability=1.0, blur_probability=1.0)
    TrainLoader(read=_reader(folder), augment=augment, seed=0, batch_size=2)(0)


def _evaluate(folder):
    for resize in (0, RESIZE):
        EvalLoader(
            read=_reader(folder), crop=RESIZE if resize else CROP, batch_size=2, resize=resize
        )(0)


def _pieces(folder):
    for parts in ("five_crops", "full"):
        PieceLoader(read=_reader(folder), protocol=Protocol(parts, CROP), smallest=32)(0)


def _predict(folder):
    for found in read_ahead([folder / "train" / FILE], max_pixels=MOST_PIXELS, exif="apply"):
        if isinstance(found, Exception):
            raise found
        for protocol in (Protocol("full", RESIZE, RESIZE), Protocol("five_crops", CROP),
                         Protocol("tiles"), Protocol("crop", RESIZE, RESIZE)):  # fmt: skip
            cut(found.pixels, owner=0, protocol=protocol, smallest=32)


def _audit(folder):
    faults = scan(list_root(folder), max_pixels=MOST_PIXELS, advance=lambda: None).broken
    if faults:
        raise BadImageError(faults[0].text)


_READERS = {"header": _header, "decode": _decode, "training": _train, "evaluation": _evaluate,
            "pieces": _pieces, "predict": _predict, "audit": _audit}  # fmt: skip


def _one(rng, options):
    return options[rng.integers(len(options))]


def _inner(rng, depth):
    """A file to lie in another: a picture, a large one, a printer's program, or one that holds."""
    if depth > 0 and rng.random() < 0.4:
        return _outer(rng, depth=depth - 1)[1]
    width, height = (int(_one(rng, (1, 40, 900, 1030, 9000))) for _ in range(2))
    ways = (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 99) + bytes(20) + b"%!PS-Adobe-3.0",
        lambda: _large_png(width, height),
        lambda: b"P5\n%d %d\n255\n" % (width, height) + bytes(min(width * height, 4000)),
        lambda: _one(rng, pictures.sound())[1],
        lambda: b"BM" + struct.pack("<6IHH", 54, 0, 54, 40, width, height, 1, 24) + bytes(24),
        lambda: b"%PDF-1.7\n",
        lambda: b"GIF89a" + struct.pack("<HH", width, height) + bytes(30),
    )  # fmt: skip
    return _one(rng, ways)()


def _large_png(width, height):
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
                           (b"IDAT", rows), (b"IEND", b""))
    )  # fmt: skip


def _outer(rng, *, depth):
    """(what it is, content) of a file that holds another, or has sides unlike its header's."""
    name = _one(rng, tuple(_HOLDERS))
    return name, _HOLDERS[name](rng, depth)


def _iptc(rng, depth):
    """Each field a tag, a length and bytes; the picture is that of (8, 10)."""
    inside, side = _inner(rng, depth), int(_one(rng, (1, 64, 1000)))
    layers = _one(rng, (b"\1\0", b"\3\1", b"\4\1"))
    fields = [(3, 60, layers), (3, 20, struct.pack(">H", side)), (3, 30, struct.pack(">H", side)),
              (3, 120, _one(rng, (b"\5", b"\1")))]  # fmt: skip
    out = b"".join(b"\x1c" + bytes([a, b]) + struct.pack(">H", len(v)) + v for a, b, v in fields)
    pieces = [inside[at : at + 30_000] for at in range(0, len(inside), 30_000)]
    return out + b"".join(
        b"\x1c\x08\x0a\x84" + struct.pack(">I", len(piece)) + piece for piece in pieces
    ) + bytes(5)  # fmt: skip


def _icon(rng, depth):
    inside = _inner(rng, depth)
    kind = int(_one(rng, (1, 2)))  # an icon or a cursor
    entry = struct.pack("<BBBBHHII", 64, 64, 0, 0, 1, 32, len(inside), 22)
    return struct.pack("<HHH", 0, kind, 1) + entry + inside


def _icns(rng, depth):
    inside = _inner(rng, depth)
    block = _one(rng, (b"ic07", b"ic09", b"ic10", b"it32")) + struct.pack(">I", len(inside) + 8)
    return b"icns" + struct.pack(">I", len(inside) + 16) + block + inside


def _blp(rng, depth):
    inside = _inner(rng, depth)
    head = b"BLP1" + struct.pack("<IIIIII", 0, 0, 64, 64, 5, 0)
    return head + struct.pack("<16I16I", 160, *[0] * 15, len(inside), *[0] * 15) + bytes(4) + inside


def _gif(rng, depth):
    """A frame that is larger than the screen, or lies far out of it."""
    gif = bytearray(pictures._encoded(Image.new("P", (8, 8)), "gif", {}))
    at = gif.index(b",")
    gif[at + 1 : at + 9] = struct.pack(
        "<HHHH", *(int(_one(rng, (0, 8, 1000, 1025, 30_000, 65_535))) for _ in range(4))
    )
    return bytes(gif)


def _apng(rng, depth):
    """Frames whose control chunks state other sides."""
    frames = {"save_all": True, "append_images": [Image.new("RGB", (8, 8), 9)]}
    png = bytearray(pictures._encoded(Image.new("RGB", (8, 8)), "png", frames))
    for place in [at for at in range(len(png)) if png[at : at + 4] == b"fcTL"]:
        sides = (int(_one(rng, (1, 8, 9, 30_000, 2**31 - 1))) for _ in range(4))
        png[place + 8 : place + 24] = struct.pack(">IIII", *sides)
    return pictures.mutate.with_checksums(bytes(png))


def _webp(rng, depth):
    """A canvas of other sides than its frames, or a still picture's."""
    frames = {"save_all": True, "append_images": [Image.new("RGB", (8, 8), 9)]}
    webp = bytearray(pictures._encoded(Image.new("RGB", (8, 8)), "webp", frames))
    sides = b"".join(int(_one(rng, (0, 7, 1024, 16_382))).to_bytes(3, "little") for _ in range(2))
    at = webp.index(_one(rng, (b"VP8X", b"ANMF")))
    start = at + (12 if webp[at : at + 4] == b"VP8X" else 14)
    webp[start : start + 6] = sides
    return bytes(webp)


def _boxes(rng, depth):
    """AVIF or JPEG 2000 whose boxes state other sides than the stream."""
    kinds = [k for k, name in (("avif", "avif"), ("jpeg2000", "jpg_2000")) if features.check(name)]
    kind = _one(rng, kinds or ["png"])
    content = bytearray(pictures._encoded(Image.new("RGB", (64, 64), 9), kind, {}))
    for mark in (b"ispe", b"ihdr", b"\xff\x51"):
        at = content.find(mark)
        if at >= 0 and rng.random() < 0.7:
            start = at + (8 if mark != b"ihdr" else 4)
            sides = (int(_one(rng, (1, 63, 64, 1024, 30_000, 2**31))) for _ in range(2))
            content[start : start + 8] = struct.pack(">II", *sides)
    return bytes(content)


def _pages(rng, depth):
    """Pages of a TIFF with other sides than the first, and one packed as another format."""
    inside, sides = _inner(rng, depth), (1, 8, 1000, 1025, 14_000, 65_535)
    pages = []
    for number in range(int(rng.integers(1, 5))):
        width, height = int(_one(rng, sides)), int(_one(rng, sides))
        kind = int(_one(rng, (1, 5, 6, 7, 8, 34712, 34892, 34933, 34934, 50_001, 50_002)))
        tags = [(254, 4, 1, int(_one(rng, (0, 1)))), (256, 4, 1, width), (257, 4, 1, height),
                (258, 3, 1, 8), (259, 3, 1, kind), (262, 3, 1, int(_one(rng, (1, 2, 6)))),
                (273, 4, 1, 8), (277, 3, 1, int(_one(rng, (1, 3)))), (278, 4, 1, height),
                (279, 4, 1, len(inside)), (330, 4, 1, 8)]  # fmt: skip
        if rng.random() < 0.3:
            tags += [(322, 4, 1, int(_one(rng, sides))), (323, 4, 1, 16), (324, 4, 1, 8),
                     (325, 4, 1, len(inside))]  # fmt: skip
        pages.append((sorted(tags), number + 1 if number < 3 else None))
    return build.tiff(pages, data=inside)


def _jpeg(rng, depth):
    """Another picture in the metadata of a JPEG, or behind it; and other sides."""
    inside = _inner(rng, depth)[:60_000]
    jpeg = pictures._encoded(Image.new("RGB", (8, 8)), "jpeg", {})
    mark, head = _one(rng, ((b"\xff\xe1", b"Exif\0\0"), (b"\xff\xed", b"Photoshop 3.0\0"),
                            (b"\xff\xe2", b"MPF\0"), (b"\xff\xe0", b"JFXX\0\x10")))  # fmt: skip
    segment = mark + struct.pack(">H", len(head) + len(inside) + 2) + head + inside
    jpeg = jpeg[:2] + segment + jpeg[2:] + (inside if rng.random() < 0.5 else b"")
    at = jpeg.rfind(b"\xff\xc0") + 5
    sides = struct.pack(">HH", *(int(_one(rng, (1, 8, 1025, 65_500))) for _ in range(2)))
    return jpeg[:at] + sides + jpeg[at + 4 :] if rng.random() < 0.4 else jpeg


def _run_lengths(rng, depth):
    """A bitmap whose few bytes jump from row to row."""
    width, height = (int(_one(rng, (1, 1000, 14_000))) for _ in range(2))
    steps = _one(rng, (b"\1\1\0\0", b"\0\2\xff\xff", b"\xff\0", b"\0\2\1\0")) * 200
    head = struct.pack("<IiiHHIIIIII", 40, width, height, 1, 8, 1, len(steps), 0, 0, 256, 0)
    return b"BM" + struct.pack("<III", 1078 + len(steps), 0, 1078) + head + bytes(1024) + steps


def _strip(rng, depth):
    """A picture of one row or column, or of a few."""
    long, short = int(_one(rng, (1024, 1025, 60_000))), int(_one(rng, (1, 1, 2, 15)))
    kind = _one(rng, ("png", "bmp", "gif", "tiff", "webp", "ppm"))
    long = min(long, 16_000) if kind == "webp" else long
    size = (long, short) if rng.random() < 0.5 else (short, long)
    return pictures._encoded(Image.new("L" if kind != "webp" else "RGB", size), kind, {})


def _claims(rng, depth):
    """Sides in the header of a format that packs little or not at all, and nothing behind it."""
    width, height = (int(_one(rng, (1, 1024, 14_000, 65_535))) for _ in range(2))
    return _one(rng, (
        b"P6\n%d %d\n255\n" % (width, height), b"P4 %d %d\n" % (width, height),
        b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, height, width, 8, 3) + bytes(14),
        b"qoif" + struct.pack(">II", width, height) + b"\3\0" + b"\xfd" * 500,
        b"\0\0\x0a" + bytes(9) + struct.pack("<HHBB", width, height, 24, 0) + b"\xff\1\2\3" * 99,
        b"\x01\xda\x01\x01\0\3" + struct.pack(">HHH", width, height, 3) + bytes(500),
    ))  # fmt: skip


_HOLDERS = {
    "iptc": _iptc, "icon": _icon, "icns": _icns, "blp": _blp, "gif": _gif, "apng": _apng,
    "webp": _webp, "boxes": _boxes, "pages": _pages, "jpeg": _jpeg, "run lengths": _run_lengths,
    "strip": _strip, "claims": _claims, "bare": lambda rng, depth: _inner(rng, 0),
}  # fmt: skip
