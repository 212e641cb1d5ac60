"""Keeps Pillow and libtiff from printing about files, whose faults are reported by name here.

Their lines name no file: "Corrupt EXIF data", "TIFFFillStrip: Read error". What makes pixels
unreadable is raised as well; the rest concerns metadata.
"""

import ctypes
import functools
import logging
import warnings

from PIL import _imaging


@functools.cache
def hush_pillow() -> None:
    """Silences Pillow's warnings and log and libtiff's two handlers, for the whole process."""
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # The libtiff that Pillow's decoders are linked with is found through them.
    linked = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        setter = getattr(linked, name, None)
        if setter is not None:
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
