"""Reads what others report of whole benchmarks, to stand beside what is measured here.

`published_suites.csv` holds the numbers as printed, percent, a line each: source; mark, R where it
was read in the repository or model card named and T where in a third party's notes; the detector
(`result`); the metric, a field of `results.Overall`; the benchmark, by its name in
`configs/suites.py`; value.
"""

import csv
from pathlib import Path

from jaxdet.config import Evaluation, listed_benchmarks
from jaxdet.results import Figure

_FILE = Path(__file__).with_name("published_suites.csv")


def suite_figures(evaluation: Evaluation) -> dict[str, list[Figure]]:
    """Returns what others report of each benchmark that is scored with all of its sets.

    {} with `evaluation.published=none`. Benchmarks that nobody reports by their name are left out.
    """
    narrowed = {one.partition(".")[0] for one in evaluation.sets if "." in one}
    names = {one.name for one in listed_benchmarks(evaluation)} - narrowed
    figures: dict[str, list[Figure]] = {}
    if evaluation.published == "none":
        return figures
    with _FILE.open(newline="") as file:
        for line in csv.DictReader(file):
            name, share = line.pop("benchmark"), float(line.pop("value")) / 100
            if name in names:
                figures.setdefault(name, []).append(Figure(**line, value=round(share, 6)))
    return figures
