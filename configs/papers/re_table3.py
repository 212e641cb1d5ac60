"""Frank and Holz 2020, table 3: ResNet-50, VGG-11 and DCT-ResNet, 8 classes

Command:  python -m jaxdet.main --config=configs/papers/re_table3.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
Source:   Frank and Holz, ML Reproducibility Challenge 2020; their code at 47d3971
Expected: published mean AP 74.5 to 93.1 over 11 sets; here: not measured
"""

from jaxdet.experiments import Table, frank, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=frank.table3(), figures=(frank.FIGURE_3,)), arg)
