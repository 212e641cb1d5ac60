"""Turns image files into uint8 batches on the host: numpy, Pillow, OpenCV and grain, never JAX."""
