"""The built-in dataset: learn one small generator, meet four others.

Command:  make quickstart
Source:   jaxdet
Expected: see the table in README.md
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="quickstart",
            data=schema.Data(root="data/synth"),
            augment=schema.Augment(crop=64),
            model=schema.Model(name="resnet18", width=32),
            optim=schema.Optim(batch_size=32, learning_rate=1e-3, schedule="cosine", max_epochs=8),
            # Two photographs validate: too few to choose an epoch by.
            evaluation=schema.Evaluation(weights="latest"),
            runtime=schema.Runtime(log_every=10),
        )
    )
