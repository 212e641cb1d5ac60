"""Frank and Holz 2020, supplement B: trained on ProGAN or on StyleGAN2

Command:  python -m jaxdet.main --config=configs/papers/re_supplement_b.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
          The rows of StyleGAN2 train on data/stylegan2/train/{cat,horse};
          --row=NAME --config.data.train_root=DIR names another place.
Source:   Frank and Holz, ML Reproducibility Challenge 2020; their code at 47d3971
Expected: published mean AP 74.2 to 88.3 over 12 sets; here: not measured
"""

from jaxdet.experiments import Table, frank, sized


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=frank.supplement_b(), figures=(frank.FIGURE_2,)), arg)
