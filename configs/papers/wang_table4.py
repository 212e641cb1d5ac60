"""Wang et al. 2020, table 4: other detectors, other images, shares of the data

Command:  python -m jaxdet.main --config=configs/papers/wang_table4.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
          Three of the first rows train on data/cyclegan, data/biggan and data/dip;
          --row=NAME --config.data.train_root=DIR names another place. For the last:
          python -m jaxdet.data synth --method=dip --size=256 --photos=DIR --root=data/dip
Source:   Wang et al., CVPR 2020, A.4, A.5, B.2 and B.3; CNNDetection at ea0b562
Expected: published mean AP 68.8 to 90.6 over 11 sets; here: not measured
"""

from jaxdet.experiments import Table, sized, wang


def get_table(arg: str = "") -> Table:
    rows = (*wang.other_detectors(), *wang.other_images(), *wang.shares_of_the_data())
    return sized(Table.of_file(__doc__, rows=rows), arg)
