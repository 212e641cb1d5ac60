"""Reads what an image file says of its origin.

It is never part of a score: anybody can remove it or make it up. That a file says nothing means
nothing.
"""

import contextlib
import re
from collections.abc import Iterator

from PIL import Image

from jaxdet.predict.manifest import verify_manifest
from jaxdet.predict.texts import png_texts

# Keys of text that programs write into the images that they generate. "parameters": Stable
# Diffusion web UI and its relatives; "prompt" and "workflow": ComfyUI; "sd-metadata" and
# "invokeai_metadata": InvokeAI; "Dream": its forerunner; "fooocus_scheme": Fooocus.
_TEXTS = {
    "parameters": "Stable Diffusion web UI",
    "prompt": "ComfyUI",
    "workflow": "ComfyUI",
    "sd-metadata": "InvokeAI",
    "invokeai_metadata": "InvokeAI",
    "Dream": "InvokeAI",
    "fooocus_scheme": "Fooocus",
}
# Texts by which programs that write usual keys are known, in PNGs and in EXIF's comment. Midjourney
# adds its job's number to the prompt.
_BY_TEXT = {
    "NovelAI": re.compile(r"^NovelAI"),
    "Midjourney": re.compile(r"Job ID: [0-9a-f]{8}-[0-9a-f]{4}-"),
    "Stable Diffusion web UI": re.compile(r"Steps: \d+, .{0,200}Sampler: ", re.DOTALL),
}
# What ComfyUI writes into EXIF's Make, Model and the tags before them.
_GRAPH = re.compile(r"\s*\w+:\s*\{")
# The end of both terms of IPTC's NewsCodes "digitalsourcetype" for what a model made, in XMP or a
# C2PA manifest, and how they begin.
_SOURCE_TYPE = b"rainedAlgorithmicMedia"
_BEGINNINGS = (b"t", b"compositeWithT")
# The type of the JUMBF box that holds C2PA manifests; C2PA 2.1, section 11.1.4.2.
_C2PA = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
# Tags of EXIF.
_MAKE, _MODEL, _SOFTWARE, _EXIF, _COMMENT = 271, 272, 305, 0x8769, 0x9286
_LONGEST = 60  # letters of a value
_READ = 2**14  # bytes of a text


def find_provenance(image: Image.Image, content: bytes) -> list[str]:
    """Returns sentences on what a file says of its origin; [] where it says nothing.

    Args:
      image: the file, opened.
      content: its bytes.
    """
    return list(dict.fromkeys(_statements(image, content)))


def _statements(image: Image.Image, content: bytes) -> Iterator[str]:
    for key in image.info:
        if key in _TEXTS:
            yield f"its text {key!r} is one that {_TEXTS[key]} writes"
    for key, text in png_texts(content, most=_READ):
        for program in _programs(text):
            yield f"its text {key[:_LONGEST]!r} is one that {program} writes"
    if _is_by_model(content):
        yield "its metadata call it made by a trained model (IPTC digital source type)"
    if _C2PA in content:
        yield verify_manifest(content, Image.MIME.get(image.format or "", ""))
    # Damaged EXIF makes Pillow raise nearly anything, and is no fault of the pixels.
    with contextlib.suppress(Exception):
        yield from _of_exif(image.getexif())


def _of_exif(exif: Image.Exif) -> Iterator[str]:
    if any(isinstance(value, str) and _GRAPH.match(value) for value in exif.values()):
        yield "its EXIF holds a graph, as ComfyUI writes"
        return
    camera = " ".join(filter(None, (_text(exif.get(tag)) for tag in (_MAKE, _MODEL))))
    if camera:
        yield f"its EXIF names the camera {camera}"
    if software := _text(exif.get(_SOFTWARE)):
        yield f"its EXIF names the program {software}"
    comment = exif.get_ifd(_EXIF).get(_COMMENT, b"")
    raw = comment if isinstance(comment, bytes) else str(comment).encode()
    # Eight bytes name its encoding, and programs write others.
    for encoding in ("utf-8", "utf-16-be", "utf-16-le"):
        for program in _programs(raw[8 : _READ + 8].decode(encoding, "replace")):
            yield f"its EXIF comment is one that {program} writes"


def _programs(text: str) -> list[str]:
    return [program for program, pattern in _BY_TEXT.items() if pattern.search(text)]


def _is_by_model(content: bytes) -> bool:
    """Returns whether a term of IPTC's stands in a file; a search for plain bytes is quick."""
    place = content.find(_SOURCE_TYPE)
    while place >= 0:
        if content[max(0, place - 14) : place].endswith(_BEGINNINGS):
            return True
        place = content.find(_SOURCE_TYPE, place + 1)
    return False


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(c for c in text if c.isprintable()).split())[:_LONGEST]
