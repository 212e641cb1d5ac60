"""Measures how sharp an image is: the plain measure that a detector has to exceed."""

import numpy as np

from jaxdet.data.opencv import cv2


def laplacian_variance(image: np.ndarray) -> float:
    """Returns the variance of the grey image's Laplacian, in grey levels squared.

    Generators often lose fine detail, so this alone ranks some fakes; its AP is the sharpness
    baseline of a detector's.

    Args:
      image: u8 [H, W, 3].
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
