"""ResNet-50 that does not halve its first maps, scored on whole images too.

Command:  python -m jaxdet.main --config=configs/resnet50_nodown.py
Source:   Gragnaniello et al., ICME 2021: the network, with published code (resnet50nodown.py).
          Its training code is not published: the recipe here is Wang et al.'s Blur+JPEG(0.5), and
          ImageNet weights at the start are assumed. Maps are 16 times as large as those of a
          ResNet-50: a smaller --config.optim.batch_size may be needed
Expected: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="resnet50_nodown",
            augment=schema.Augment(
                resize=256, crop=224, blur_probability=0.5, jpeg_probability=0.5
            ),
            model=schema.Model(name="resnet50_nodown", init="weights/resnet50-19c8e357.pth"),
            validation=schema.Validation(augment="published"),
            evaluation=schema.Evaluation(
                protocols=("crop", "full"),
                weights="best_of_last_phase",  # train.py:87-96
            ),
        )
    )
