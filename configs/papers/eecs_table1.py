"""EECS6322, tables 1 (accuracy) and 2 (AP): augmentations, one class

Command:  python -m jaxdet.main --config=configs/papers/eecs_table1.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
Source:   EECS6322 (York University); CNNDetection at ea0b562
Expected: published mean AP 75.6 to 88.1 over 13 sets; here: not measured
"""

from jaxdet.experiments import Table, eecs, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=eecs.tables_1_and_2(), figures=(eecs.FIGURE_1,)), arg)
