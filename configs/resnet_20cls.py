"""Blur+JPEG(0.5) of Wang et al.: ResNet-50 on ProGAN, 20 classes.

Command:  python -m jaxdet.main --config=configs/resnet_20cls.py
Source:   Wang et al., CVPR 2020, section 4.1 and table 2; CNNDetection at ea0b562
Expected: published mean AP 90.8 over 11 sets; here: not measured
"""

import dataclasses

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.experiments import wang


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    row = wang.augmented("20cls_blur_jpeg_0.5")
    return schema.to_config_dict(dataclasses.replace(row.config, name="resnet_20cls"))
