"""No augmentation of Wang et al.: ResNet-50 on ProGAN, 20 classes.

Command:  python -m jaxdet.main --config=configs/resnet_20cls_noaug.py
Source:   Wang et al., CVPR 2020, section 4.1 and table 2; CNNDetection at ea0b562
Expected: published mean AP 90.1 over 11 sets; here: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="resnet_20cls_noaug",
            data=schema.Data(generator="progan"),
            augment=schema.Augment(resize=256, crop=224),
            model=schema.Model(name="resnet50", init="weights/resnet50-19c8e357.pth"),
            validation=schema.Validation(augment="published"),
            evaluation=schema.Evaluation(
                weights="best_of_last_phase",
                published="wang2020; table2; No aug; Wang et al.",
            ),
        )
    )
