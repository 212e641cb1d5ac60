"""From image files to uint8 batches, on the host: numpy, Pillow, OpenCV and grain, never JAX."""
