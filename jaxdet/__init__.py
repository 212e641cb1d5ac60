"""jaxdet trains and evaluates detectors of CNN-generated images."""

__version__ = "0.1.0"
