"""Names the image formats that are read, and the endings by which files count as images.

A closed list: what Pillow decodes by itself. Left out are formats that it can only write or
recognise (PDF, HDF5, MPEG), for which it starts a program (EPS) or asks a plug-in (FITS, GRIB,
WMF), and those that hold other files (ICO, ICNS, IPTC, BLP) or a small copy of a picture (Photo
CD, XV thumbnails).
"""

import os
from types import MappingProxyType

from jaxdet.data.plugins import is_plugin_ending

# Pillow's name of each format, in the order in which a file is tried, and its endings. TGA has no
# signature and is tried last.
FORMATS = MappingProxyType(
    {
        "PNG": (".png", ".apng"),
        "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        "WEBP": (".webp",),
        "AVIF": (".avif", ".avifs"),
        "TIFF": (".tif", ".tiff"),
        "GIF": (".gif",),
        "BMP": (".bmp",),
        "DIB": (".dib",),
        "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
        "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        "QOI": (".qoi",),
        "PSD": (".psd",),
        "DDS": (".dds",),
        "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
        "SUN": (".ras",),
        "PCX": (".pcx",),
        "TGA": (".tga", ".icb", ".vda", ".vst"),
    }
)
FORMAT_OF_SUFFIX = MappingProxyType(
    {suffix: name for name, suffixes in FORMATS.items() for suffix in suffixes}
)


def is_image_name(name: str) -> bool:
    """Returns whether a file counts as an image by its ending; hidden files never do."""
    return has_image_ending(name) and not name.startswith(".")


def has_image_ending(name: str) -> bool:
    """Returns whether a name, hidden or not, ends as those of images that can be read here."""
    suffix = suffix_of(name)
    return suffix in FORMAT_OF_SUFFIX or is_plugin_ending(suffix)


def suffix_of(name: str) -> str:
    """Returns the ending of a file's name in small letters, such as ".jpg"."""
    return os.path.splitext(name)[1].lower()
