"""An answer for any image: `load_detector`, and `python -m jaxdet.predict`."""

from jaxdet.predict.detector import LoadedDetector, load_detector

__all__ = ["LoadedDetector", "load_detector"]
