"""Scales any experiment down to minutes on two cores, through the same code."""

import dataclasses
import re
from types import MappingProxyType

from jaxdet.config.data import Data
from jaxdet.config.evaluation import Evaluation
from jaxdet.errors import UserError
from jaxdet.experiments.table import Row, Table

# ForenSynths has that many training classes.
_CLASSES = 20
# The built-in dataset has images of 72 pixels.
_CROP = 64
# The folder of a table's runs, as the main command names it.
_TABLE = re.compile(r"^(runs/\w+)/")
_SMALLER = MappingProxyType({"resnet50": "resnet18", "dct_resnet50": "dct_resnet18"})


def sized(table: Table, arg: str) -> Table:
    """Returns the table for its config file's argument: "" for all, "tiny" scaled down.

    Raises:
      UserError: for another argument.
    """
    if not arg:
        return table
    if arg != "tiny":
        raise UserError(f"config: {table.title}: takes no argument but :tiny, got :{arg}")
    return dataclasses.replace(table, rows=tuple(map(tiny, table.rows)), tiny=True)


def tiny(row: Row) -> Row:
    """Returns the same experiment on the built-in dataset with a narrow network and few epochs.

    A number of classes becomes that share of the images, so that it works on any dataset; other
    training roots, initial weights and resizing are left out. All of what is augmented, how the
    rate falls and which epoch is chosen stays. An evaluation alone is of a run of a tiny table.
    """
    config = row.config
    evaluated = config.task == "eval"
    model = dataclasses.replace(
        config.model,
        name=_SMALLER.get(config.model.name, config.model.name),
        init=_TABLE.sub(r"\1_tiny/", config.model.init) if evaluated else "",
        width=max(config.model.width // 4, 4),
    )
    data = dataclasses.replace(config.data, root="data/synth", generator="")
    config = dataclasses.replace(config, name=f"{config.name}_tiny", model=model, data=data)
    if evaluated:
        config = dataclasses.replace(config, evaluation=_evaluated(config.evaluation))
    else:
        config = dataclasses.replace(
            config,
            data=_trained_on(data),
            augment=dataclasses.replace(config.augment, crop=_CROP, resize=0),
            # Networks that start at random learn little in so few steps at fine-tuning's rates.
            optim=dataclasses.replace(
                config.optim,
                batch_size=32,
                max_epochs=6,
                learning_rate=max(config.optim.learning_rate, 1e-3),
            ),
            plateau=dataclasses.replace(config.plateau, patience=min(config.plateau.patience, 2)),
            evaluation=_scored(config.evaluation),
            runtime=dataclasses.replace(config.runtime, log_every=10),
        )
    return dataclasses.replace(row, config=config, images=None)


def _trained_on(data: Data) -> Data:
    classes = len(data.classes) or data.num_classes or _CLASSES
    fraction = data.fraction * classes / _CLASSES
    return dataclasses.replace(data, train_root="", classes=(), num_classes=0, fraction=fraction)


def _scored(evaluation: Evaluation) -> Evaluation:
    """Returns how a training is scored: by its own crop, without resizing."""
    protocols = tuple(p for p in evaluation.protocols if p != "resize") or ("crop",)
    return dataclasses.replace(
        evaluation, sets=(), protocols=protocols, crop=0, batch_size=0, analyses=(), bootstrap=200
    )


def _evaluated(evaluation: Evaluation) -> Evaluation:
    """Returns how a finished run is scored, by all protocols."""
    return dataclasses.replace(evaluation, crop=_CROP, resize=_CROP, two_shot=2, bootstrap=200)
