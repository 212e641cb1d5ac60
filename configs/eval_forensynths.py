"""Evaluation only, on the 13 test sets of ForenSynths: centre crop 224, no resizing.

Command:  python -m jaxdet.main --config=configs/eval_forensynths.py \
              --config.model.init=RUN_OR_FILE
Source:   Wang et al., CVPR 2020; sets and order of CNNDetection's eval_config.py
Expected: published for the released Blur+JPEG(0.5) weights: mean AP 91.16 over these 13 sets;
          here: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema

_SETS = ("progan", "stylegan", "biggan", "cyclegan", "stargan", "gaugan", "crn", "imle",
         "seeingdark", "san", "deepfake", "stylegan2", "whichfaceisreal")  # fmt: skip


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="eval_forensynths",
            task="eval",
            model=schema.Model(name="resnet50"),
            evaluation=schema.Evaluation(sets=_SETS, crop=224),
        )
    )
