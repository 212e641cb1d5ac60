"""UnivFD: one linear layer on CLIP's embedding, trained on twenty classes of ProGAN.

Command:  python -m jaxdet.convert to-jax --activation=quick_gelu CLIP.safetensors weights/clip_l14
          python -m jaxdet.main --config=configs/univfd.py
          univfd.py:cached shows each image in 8 draws of the augmentation, not in a new one each
          epoch, so that --config.runtime.features=DIR can keep what the tower sees
Source:   Ojha et al., CVPR 2023, and its code (train.py, models/clip_models.py): Adam at 1e-4,
          no decay, batch 256, blur and JPEG as CNNDetection at .5, random crop and flip; the centre
          is scored. Unverified: its early stopping is taken for CNNDetection's
Expected: published 80.7 % accuracy on 13 sets of ForenSynths (a re-evaluation); here not measured:
          CLIP's weights were not at hand
"""

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.errors import UserError


def get_config(arg: str = "") -> ConfigDict:
    if arg not in ("", "cached"):
        raise UserError(f"configs/univfd.py:{arg}: the argument is cached")
    return schema.to_config_dict(
        schema.Config(
            name="univfd_cached" if arg else "univfd",
            data=schema.Data(generator="progan"),
            augment=schema.Augment(
                crop=224, blur_probability=0.5, jpeg_probability=0.5,
                views=("augmented:8",) if arg else (),
            ),
            model=schema.Model(
                name="linear_probe", tower="clip_l14", tune="head", init="weights/clip_l14"
            ),
            optim=schema.Optim(batch_size=256, learning_rate=1e-4),
        )
    )  # fmt: skip
