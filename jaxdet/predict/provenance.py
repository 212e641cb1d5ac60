"""Reads what an image file says of its origin.

It is never part of a score: anybody can remove it or make it up. That a file says nothing means
nothing.
"""

import contextlib
import re
from collections.abc import Iterator

from PIL import Image

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
# Terms of IPTC's NewsCodes "digitalsourcetype" for what a model made, in XMP or a C2PA manifest.
_SOURCE_TYPE = re.compile(rb"(compositeWithT|t)rainedAlgorithmicMedia")
# The type of the JUMBF box that holds C2PA manifests; C2PA 2.1, section 11.1.4.2.
_C2PA = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71"
# Tags of EXIF.
_MAKE, _MODEL, _SOFTWARE = 271, 272, 305
_LONGEST = 60  # letters of a value


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
    if _SOURCE_TYPE.search(content):
        yield "its metadata call it made by a trained model (IPTC digital source type)"
    if _C2PA in content:
        yield "it holds a C2PA manifest, which was not verified"
    # Damaged EXIF makes Pillow raise nearly anything, and is no fault of the pixels.
    with contextlib.suppress(Exception):
        exif = image.getexif()
        camera = " ".join(filter(None, (_text(exif.get(tag)) for tag in (_MAKE, _MODEL))))
        if camera:
            yield f"its EXIF names the camera {camera}"
        if software := _text(exif.get(_SOFTWARE)):
            yield f"its EXIF names the program {software}"


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(c for c in text if c.isprintable()).split())[:_LONGEST]
