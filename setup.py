"""Puts configs/ into the package as jaxdet/presets; all else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["jaxdet*"]), "jaxdet.presets", "jaxdet.presets.papers"],
    package_dir={"jaxdet.presets": "configs"},
)
