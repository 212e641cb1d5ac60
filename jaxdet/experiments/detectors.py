"""Trains every detector by one recipe on one folder: what they reach beside each other."""

import dataclasses

from jaxdet.config import Augment, Config, Evaluation, Model, Optim
from jaxdet.config.model import ARCHITECTURES, PROBES
from jaxdet.experiments.table import Row, Table, make_row

# Channels of the first layer as published, where they are not 64.
_WIDTHS = {"cooccurrence": 32, "forensic_transfer": 8}
# VGG-11 without normalisation does not begin to learn from random weights at 1e-3, nor does DCGAN's
# discriminator at its full width. Its rate and moment are DCGAN's own (Radford et al. 2016).
_RATES = {"vgg11": 1e-4, "dcgan": 2e-4}
_MOMENTS = {"dcgan": 0.5}


def all_detectors() -> tuple[Row, ...]:
    """Returns a row for each network by itself: 128 px crops, no Blur+JPEG, Adam, cosine decay.

    The recipe is that of configs/small.py, but for two things. Residual blocks start as their
    shortcuts: the deeper networks are steadier so. And the last weights are scored, where the rate
    has come to nothing: the best epoch of a validation of few photographs is chance. It is nobody's
    own recipe: rates, epochs and crops of the sources are those of the papers' tables. Detectors on
    a vision tower are left out: from random weights on so few images a tower learns nothing.
    """
    return tuple(make_row(name, _train(name)) for name in ARCHITECTURES if name not in PROBES)


def themselves(table: Table) -> Table:
    """Returns the table with each detector itself again after the tiny form.

    That makes ResNet-50 an 18 and raises all rates to 1e-3; DCGAN's discriminator keeps its
    optimiser whole, its epochs too.
    """
    return dataclasses.replace(table, rows=tuple(map(_itself, table.rows)))


def _itself(row: Row) -> Row:
    config = row.config
    model = dataclasses.replace(config.model, name=row.name)
    optim = _train(row.name).optim if row.name == "dcgan" else config.optim
    return dataclasses.replace(row, config=dataclasses.replace(config, model=model, optim=optim))


def _train(name: str) -> Config:
    return Config(
        augment=Augment(crop=128),
        model=Model(name=name, width=_WIDTHS.get(name, 64)),
        optim=Optim(
            batch_size=32,
            learning_rate=_RATES.get(name, 1e-3),
            beta1=_MOMENTS.get(name, 0.9),
            schedule="cosine",
            max_epochs=12,
        ),
        evaluation=Evaluation(weights="latest"),
    )
