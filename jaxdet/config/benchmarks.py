"""Reads an element of `evaluation.benchmarks`: `NAME=ROOT` or `NAME:LAYOUT=ROOT`."""

import os
from typing import NamedTuple

from jaxdet.config.evaluation import Evaluation

# What names a dataset of tensorflow_datasets where a root is asked for.
TFDS = "tfds:"


class Benchmark(NamedTuple):
    """Names a benchmark.

    Attributes:
      name: of the benchmark; its sets are called `NAME.SET`.
      layout: how its folder is read; "auto" where nothing is said.
      root: where it lies, below `evaluation.benchmark_root` where that is given; or `tfds:NAME`.
    """

    name: str
    layout: str
    root: str


def listed_benchmarks(evaluation: Evaluation) -> list[Benchmark]:
    """Returns the benchmarks of `evaluation.benchmarks`, in its order."""
    return [_parsed(one, below=evaluation.benchmark_root) for one in evaluation.benchmarks]


def _parsed(text: str, *, below: str) -> Benchmark:
    named, _, root = text.partition("=")
    name, mark, layout = named.partition(":")
    if root and not root.startswith(TFDS):
        # A path that is absolute stays as it is.
        root = os.path.join(below, root)
    return Benchmark(name, layout if mark else "auto", root)
