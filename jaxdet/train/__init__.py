"""The training loop and its parts; start with `loop.py`."""
