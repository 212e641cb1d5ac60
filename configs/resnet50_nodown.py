"""ResNet-50 that does not halve its first maps, scored on whole images too.

Command:  python -m jaxdet.main --config=configs/resnet50_nodown.py
Source:   Gragnaniello et al., ICME 2021: the network, with published code (resnet50nodown.py).
          Its training code is not published: the recipe here is Wang et al.'s Blur+JPEG(0.5), and
          ImageNet weights at the start are assumed. Maps are 16 times as large as those of a
          ResNet-50: a smaller --config.optim.batch_size may be needed
Expected: not measured
"""

import dataclasses

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.experiments import wang


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    config = wang.train(blur=0.5, jpeg=0.5, generator="")
    return schema.to_config_dict(
        dataclasses.replace(
            config,
            name="resnet50_nodown",
            model=dataclasses.replace(config.model, name="resnet50_nodown"),
            evaluation=dataclasses.replace(config.evaluation, protocols=("crop", "full")),
        )
    )
