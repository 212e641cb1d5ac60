"""Frank and Holz 2020, table 1: augmentations, 20 classes

Command:  python -m jaxdet.main --config=configs/papers/re_table1.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
Source:   Frank and Holz, ML Reproducibility Challenge 2020; their code at 47d3971
Expected: published mean AP 83.8 to 94.8 over 11 sets; here: not measured
"""

from jaxdet.experiments import Table, frank, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=frank.table1()), arg)
