"""ClipBased: one linear layer on CLIP's last class token, divided by its norm.

Command:  python -m jaxdet.convert to-jax --activation=gelu CLIP.safetensors weights/openclip_l14
          python -m jaxdet.main --config=configs/clipbased.py --config.runtime.features=features
Source:   Cozzolino et al., CVPR Workshops 2024, and its code (networks/openclipnet.py): OpenCLIP
          ViT-L/14 of CommonPool with plain GELU, 224 px; its projection is left out. Unverified:
          the training, whose code is not published, is that of UnivFD with four draws of its
          augmentation. The released head: to-jax --tower=weights/openclip_l14 --normalise HEAD DST
Expected: not measured here: CLIP's weights were not at hand
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="clipbased",
            augment=schema.Augment(
                crop=224, blur_probability=0.5, jpeg_probability=0.5, views=("augmented:4",)
            ),
            model=schema.Model(
                name="linear_probe", tower="clip_l14:activation=gelu,projection=0", normalise=True,
                tune="head", init="weights/openclip_l14",
            ),
            optim=schema.Optim(batch_size=256, learning_rate=1e-4),
        )
    )  # fmt: skip
