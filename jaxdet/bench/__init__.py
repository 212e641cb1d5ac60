"""Measures images per second, side by side in one run; no test asserts a speed."""
