"""Wang et al. 2020, table 2: augmentations, numbers of classes, Zhang et al.

Command:  python -m jaxdet.main --config=configs/papers/wang_table2.py
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
          The rows of Zhang et al. train on data/cyclegan and data/autogan, each with a train/;
          --row=NAME --config.data.train_root=DIR names another place. For AutoGAN's:
          python -m jaxdet.data synth --method=autogan --size=256 --photos=DIR --root=data/autogan
Source:   Wang et al., CVPR 2020, 4 and B.2; CNNDetection at ea0b562; AutoGAN's code
Expected: published mean AP 73.2 to 93.0 over 11 sets; here: not measured
"""

from jaxdet.experiments import Table, sized, wang


def get_table(arg: str = "") -> Table:
    rows = (*wang.zhang(), *wang.numbers_of_classes(), *wang.augmentations())
    return sized(Table.of_file(__doc__, rows=rows, figures=wang.FIGURES), arg)
