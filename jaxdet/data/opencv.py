"""Imports OpenCV's module `cv2`, or raises an error that says how to install it.

Every other module takes `cv2` from here. The packages opencv-python and opencv-python-headless hold
the same module; only the former needs libraries of a desktop, which slim containers lack.
"""

import contextlib
import os
from collections.abc import Iterator

from jaxdet.errors import MissingLibraryError


@contextlib.contextmanager
def environment_default(name: str, value: str) -> Iterator[None]:
    """Gives a variable of the environment a value in the body, unless the user has set it."""
    if name in os.environ:
        yield
        return
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)


try:
    # What it prints of damaged files names none of them; errors of ours do.
    with environment_default("OPENCV_LOG_LEVEL", "ERROR"):
        import cv2 as cv2
except ImportError as error:
    raise MissingLibraryError(
        f"OpenCV cannot be loaded ({error}): pip uninstall opencv-python; pip install "
        "opencv-python-headless; or install the system's libraries that opencv-python needs "
        "(Debian, Ubuntu: apt-get install libgl1 libglib2.0-0)"
    ) from error
