"""Hands the command `python -m jaxdet.data` over to `jaxdet.datasets`."""

import importlib

from jaxdet.errors import guard_loading

if __name__ == "__main__":
    guard_loading()
    # By name: nothing in this room imports datasets, which stands above it.
    importlib.import_module("jaxdet.datasets.commands").main()
