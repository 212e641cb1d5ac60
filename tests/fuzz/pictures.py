"""Sound image files of many kinds, and every reader of images."""

import functools
import io

import numpy as np
from PIL import Image, PngImagePlugin, features

from jaxdet.config import Augment, Data
from jaxdet.data import ops
from jaxdet.data.folder import FolderSet, read_size
from jaxdet.data.loaders import EvalLoader, TrainLoader
from jaxdet.data.readers import Reader
from jaxdet.datasets.audit.places import list_root
from jaxdet.datasets.audit.scan import scan
from jaxdet.datasets.makers.photos import load_view
from jaxdet.datasets.pack.encode import encode
from jaxdet.datasets.verify.inspect import examine_image, inspect_files
from jaxdet.predict.files import read_ahead
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.protocol import Protocol
from tests.conftest import draw_image
from tests.fuzz import mutate

# All that can happen to a training image, on sides that any image is brought to.
AUGMENT = Augment(resize=28, crop=24, blur_probability=1.0, jpeg_probability=1.0)
FILE = "0_real/x.png"


@functools.cache
def sound():
    """(kind, content) of files that can all be read."""
    rgb = Image.fromarray(draw_image(np.random.default_rng(5), (40, 52), fake=True))
    grey = np.asarray(rgb.convert("L"))
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(grey))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    real = Image.fromarray(grey.astype(np.float32))
    frames = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 300, zip=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    palette = rgb.quantize(40)
    made = [
        ("png", rgb, {}), ("png", rgb, {"pnginfo": text}), ("png", alpha, {}), ("png", palette, {}),
        ("png", rgb.convert("1"), {}), ("png", deep, {}), ("png", rgb, frames),
        ("png", rgb, {"exif": exif, "icc_profile": b"x" * 200}),
        ("jpeg", rgb, {}), ("jpeg", rgb, {"progressive": True, "subsampling": 0}),
        ("jpeg", rgb.convert("CMYK"), {}), ("jpeg", rgb.convert("L"), {"exif": exif}),
        ("webp", rgb, {}), ("webp", alpha, {"lossless": True}), ("webp", rgb, frames),
        ("gif", palette, {}), ("gif", rgb, frames),
        ("tiff", rgb, {}), ("tiff", rgb, {"compression": "tiff_lzw"}), ("tiff", deep, {}),
        ("tiff", rgb, {"compression": "jpeg"}), ("tiff", rgb.convert("CMYK"), {}),
        ("tiff", real, {"compression": "tiff_adobe_deflate"}), ("tiff", rgb, frames),
        ("bmp", rgb, {}), ("bmp", palette, {}), ("bmp", rgb.convert("1"), {}),
        ("ppm", rgb, {}), ("tga", rgb, {"compression": "tga_rle"}), ("ppm", deep, {}),
        ("sgi", rgb, {}), ("pcx", rgb, {}), ("dds", alpha, {}), ("mpo", rgb, frames),
    ]  # fmt: skip
    made += [("jpeg2000", rgb, {})] if features.check("jpg_2000") else []
    made += [("avif", rgb, {})] if features.check("avif") else []
    return [(kind, _encoded(image, kind, options)) for kind, image, options in made]


def _encoded(image, kind, options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def make_case(number, seed, folder):
    """Writes the mutated image of a number; gives what it is and its folder."""
    rng = np.random.default_rng([seed, number])
    files = sound()
    # The six common formats have four cases in five.
    common = [one for one in files if one[0] in ("png", "jpeg", "webp", "gif", "tiff", "bmp")]
    pool = files if number % 5 == 0 else common
    kind, content = pool[rng.integers(len(pool))]
    other = files[rng.integers(len(files))][1]
    sound_case(kind, folder)
    (folder / "train" / FILE).write_bytes(mutate.damaged(content, rng, other=other, kind=kind))
    return kind, folder


def kinds():
    """Of the cases; one stands for all here."""
    return ("png",)


def sound_case(what, folder):
    """As `make_case`, undamaged."""
    for split in ("train", "test/s"):
        for label in ("0_real", "1_fake"):
            place = folder / split / label
            place.mkdir(parents=True, exist_ok=True)
            (place / "x.png").write_bytes(sound()[0][1])
    return folder


def readers(what):
    """Name to a function of the folder of a case."""
    return {
        "decode": lambda folder: ops.decode(_content(folder), max_pixels=Data.max_pixels),
        "decode_bgr": _both_decoders,
        "header": lambda folder: read_size(folder / "train" / FILE),
        "training": _train,
        "evaluation": _evaluate,
        "pieces": _pieces,
        "predict": _predict,
        "verify": _verify,
        "audit": lambda folder: scan(
            list_root(folder), max_pixels=Data.max_pixels, advance=lambda: None
        ),
        "pack": lambda folder: encode(_content(folder), (52, 40)),
        "photographs": lambda folder: load_view(folder / "train" / FILE),
    }


def _content(folder):
    return (folder / "train" / FILE).read_bytes()


def _both_decoders(folder):
    """OpenCV's way and Pillow's give the same pixels, or both refuse."""
    content = _content(folder)
    quick = ops.decode_bgr(content, max_pixels=Data.max_pixels)
    slow = ops.decode(content, max_pixels=Data.max_pixels)
    assert np.array_equal(quick[:, :, ::-1], slow), "OpenCV and Pillow differ"


def _set(folder, *, skip_bad):
    images = FolderSet(name="x", folder=folder / "train", files=(FILE, "1_fake/x.png"))
    return Reader(images=images, max_pixels=Data.max_pixels, skip_bad=skip_bad)


def _train(folder):
    read = _set(folder, skip_bad=False)
    TrainLoader(read=read, augment=AUGMENT, seed=0, batch_size=2)(0)


def _evaluate(folder):
    batch = EvalLoader(read=_set(folder, skip_bad=True), crop=24, batch_size=2, resize=28)(0)
    assert batch["valid"][1] or batch["bad"][1] < 0, "a sound image was lost"


def _pieces(folder):
    for parts in ("five_crops", "full"):
        PieceLoader(read=_set(folder, skip_bad=False), protocol=Protocol(parts, 24), smallest=32)(0)


def _predict(folder):
    for found in read_ahead([folder / "train" / FILE], max_pixels=Data.max_pixels):
        if isinstance(found, Exception):
            raise found


def _verify(folder):
    found = inspect_files(folder, [f"train/{FILE}"], digests={}, examine=examine_image)
    if found:
        raise ValueError(found[0].detail)
