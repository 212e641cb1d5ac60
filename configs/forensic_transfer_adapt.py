"""ForensicTransfer taught a new generator by few images: goes on from a run with others.

Command:  python -m jaxdet.main --config=configs/papers/wang_table4.py --row=forensic_transfer \
              --workdir=runs
          python -m jaxdet.main --config=configs/forensic_transfer_adapt.py \
              --config.model.init=runs/forensic_transfer --config.data.train_root=FEW
          FEW/train/<class>/{0_real,1_fake} has the images of the new generator; all of them train
          where FEW has a val/ too, else half of them validate. --config.data.fraction=0.1 takes a
          tenth of those that train.
Source:   Cozzolino et al. 2018, arXiv 1812.02510, adapt by few images of the target. Rate, batch
          and epochs are assumed: what they took was not verified
Expected: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="forensic_transfer_adapt",
            data=schema.Data(train_root="data/few", val_fraction=0.5),
            augment=schema.Augment(resize=256, crop=224, flip_probability=0.0),
            model=schema.Model(name="forensic_transfer", init="runs/forensic_transfer", width=8),
            # Small steps of few images: what was learned is to be kept.
            optim=schema.Optim(
                batch_size=8, learning_rate=1e-4, schedule="constant", max_epochs=50
            ),
        )
    )
