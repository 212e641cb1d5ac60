"""Xuan et al. 2019, table 1: nothing, blur or noise once a batch

Command:  python -m jaxdet.main --config=configs/papers/xuan_table1.py \
              --config.data.root=data/xuan --workdir=RUNS
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes
          Faces of any size, resized to 128 pixels: train/ of CelebA-HQ and PGGAN; test/pggan,
          test/wgan-gp, test/dcgan. All of train/ is trained on.
Source:   Xuan et al. 2019, On the generalization of GAN image forensics
Expected: published accuracy 60.6 to 95.5 %; here: not measured
"""

from jaxdet.experiments import Table, sized, xuan


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=xuan.table1()), arg)
