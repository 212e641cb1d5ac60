"""Holds ImageNet's statistics, by which torchvision's networks normalise pixels."""

import numpy as np

# The means and deviations of ImageNet's training images, RGB in 0..1 (torchvision).
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])
IMAGENET_STD = np.array([0.229, 0.224, 0.225])
