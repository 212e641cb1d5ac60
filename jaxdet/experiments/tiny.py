"""Any experiment scaled down to minutes on two cores, through the same code."""

import dataclasses
import re
from types import MappingProxyType

from jaxdet.config import Config
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
    return dataclasses.replace(table, rows=tuple(map(_tiny_row, table.rows)), tiny=True)


def _tiny_row(row: Row) -> Row:
    return dataclasses.replace(row, config=tiny(row.config), images=None)


def tiny(config: Config) -> Config:
    """Returns the same experiment on the built-in dataset with a narrow network and few epochs.

    A number of classes becomes that share of the images, so that it works on any dataset; other
    training roots, initial weights and resizing are left out. All of what is augmented, how the
    rate falls and which epoch is chosen stays.
    """
    data, model, optim = config.data, config.model, config.optim
    if config.task == "eval":
        return _tiny_evaluation(config)
    protocols = tuple(p for p in config.evaluation.protocols if p != "resize") or ("crop",)
    classes = len(data.classes) or data.num_classes or _CLASSES
    return dataclasses.replace(
        config,
        name=f"{config.name}_tiny",
        data=dataclasses.replace(
            data,
            root="data/synth",
            train_root="",
            generator="",
            classes=(),
            num_classes=0,
            fraction=data.fraction * classes / _CLASSES,
        ),
        augment=dataclasses.replace(config.augment, crop=_CROP, resize=0),
        model=dataclasses.replace(
            model,
            name=_SMALLER.get(model.name, model.name),
            init="",
            width=max(model.width // 4, 4),
        ),
        # Networks that start at random learn little in so few steps at the rates of fine-tuning.
        optim=dataclasses.replace(
            optim, batch_size=32, max_epochs=6, learning_rate=max(optim.learning_rate, 1e-3)
        ),
        plateau=dataclasses.replace(config.plateau, patience=min(config.plateau.patience, 2)),
        evaluation=dataclasses.replace(
            config.evaluation,
            sets=(),
            protocols=protocols,
            crop=0,
            batch_size=0,
            analyses=(),
            bootstrap=200,
        ),
        runtime=dataclasses.replace(config.runtime, log_every=10),
    )


def _tiny_evaluation(config: Config) -> Config:
    """Returns the same evaluation on the built-in dataset, of a run of a tiny table."""
    narrow = max(config.model.width // 4, 4)
    return dataclasses.replace(
        config,
        name=f"{config.name}_tiny",
        data=dataclasses.replace(config.data, root="data/synth", generator=""),
        model=dataclasses.replace(
            config.model,
            name=_SMALLER.get(config.model.name, config.model.name),
            width=narrow,
            init=_TABLE.sub(r"\1_tiny/", config.model.init),
        ),
        evaluation=dataclasses.replace(
            config.evaluation, crop=_CROP, resize=_CROP, two_shot=2, bootstrap=200
        ),
    )
