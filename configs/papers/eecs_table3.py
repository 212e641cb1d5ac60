"""EECS6322, tables 3 (accuracy) and 4 (AP): 1, 3 and 5 classes

Command:  python -m jaxdet.main --config=configs/papers/eecs_table3.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
Source:   EECS6322 (York University); CNNDetection at ea0b562
Expected: published mean AP 75.6 to 87.3 over 13 sets; here: not measured
"""

from jaxdet.experiments import Table, eecs, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=eecs.tables_3_and_4(), figures=(eecs.FIGURE_3,)), arg)
