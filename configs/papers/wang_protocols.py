"""Wang et al. 2020, tables 3, 5 and 6, A.7 and figure 5: further protocols

Command:  python -m jaxdet.main --config=configs/papers/wang_protocols.py --config.model.init=RUN
          RUN is a finished run or weights; runs/wang_table2/20cls_blur_jpeg_0.1 where left out,
          or, of :tiny, runs/wang_table2_tiny/20cls_blur_jpeg_0.1
Source:   Wang et al., CVPR 2020, 4.2 to 4.5, A.6 and A.7
Expected: published accuracies 50.5 to 91.7 without, 54.8 to 91.9 with two shots; here: not measured
"""

from jaxdet.experiments import Table, sized, wang


def get_table(arg: str = "") -> Table:
    return sized(Table.of_file(__doc__, rows=wang.protocols()), arg)
