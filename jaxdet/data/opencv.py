"""OpenCV's module `cv2`, or an error that says how to install it.

Every other module takes `cv2` from here. The packages opencv-python and opencv-python-headless hold
the same module; only the former needs libraries of a desktop, which slim containers lack.
"""

import os

from jaxdet.errors import MissingLibraryError

# What it and its FFmpeg print of damaged files names none of them; errors of ours do.
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

try:
    import cv2 as cv2
except ImportError as error:
    raise MissingLibraryError(
        f"OpenCV cannot be loaded ({error}): pip uninstall opencv-python; pip install "
        "opencv-python-headless; or install the system's libraries that opencv-python needs "
        "(Debian, Ubuntu: apt-get install libgl1 libglib2.0-0)"
    ) from error
