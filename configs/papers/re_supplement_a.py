"""Frank and Holz 2020, supplement A: classes with and without augmentation

Command:  python -m jaxdet.main --config=configs/papers/re_supplement_a.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
Source:   Frank and Holz, ML Reproducibility Challenge 2020; their code at 47d3971
Expected: published mean AP 84.3 to 93.8 over 11 sets; here: not measured
"""

from jaxdet.experiments import Table, frank, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=frank.supplement_a(), figures=(frank.FIGURE_1,)), arg)
