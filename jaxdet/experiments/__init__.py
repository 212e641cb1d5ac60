"""Describes tables of experiments: the trained rows of the papers' tables, run one after the other.

A config file of a table defines `get_table(arg)` and builds its rows from the recipes here, a file
a paper. `python -m jaxdet.main` runs it; see docs/experiments.md.
"""

from jaxdet.experiments.table import Row, Table
from jaxdet.experiments.tiny import sized

__all__ = ["Row", "Table", "sized"]
