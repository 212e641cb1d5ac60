"""Frank and Holz 2020, supplement C: three runs of Blur + JPEG (0.5), corrected

Command:  python -m jaxdet.main --config=configs/papers/re_supplement_c.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
Source:   Frank and Holz, ML Reproducibility Challenge 2020; their code at 47d3971
Expected: published mean AP 91.4 to 92.3 over 11 sets; here: not measured
"""

from jaxdet.experiments import Table, frank, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=frank.supplement_c()), arg)
