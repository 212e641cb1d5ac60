"""Evaluation only, with everything: three protocols, blur, JPEG, two-shot thresholds, analyses.

Command:  python -m jaxdet.main --config=configs/eval_full.py --config.data.root=DIR \
              --config.model.init=RUN_OR_FILE --workdir=RUN
          for all sets below DIR/test; for a network other than ResNet-50 add
          --config.model.name, for other crops --config.augment.crop
Source:   Wang et al., CVPR 2020: crop and table 2, figure 5 (blur, JPEG), figures 6 and 7, A.6
          (two shots), A.7 (resize); whole images as in the README of CNNDetection
Expected: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="eval_full",
            task="eval",
            evaluation=schema.Evaluation(
                protocols=("crop", "full", "resize"),
                # Training draws sigma to 3 and quality from 30; one blur lies beyond.
                blur_sigmas=(0.5, 1.0, 2.0, 3.0, 4.0),
                jpeg_qualities=(90, 75, 60, 45, 30),
                two_shot=10,
                analyses=("spectra", "ranking", "lineup"),
            ),
        )
    )
