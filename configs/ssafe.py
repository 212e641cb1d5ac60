"""SSAFE: one linear layer on an embedding divided by its norm, trained on few clean images.

Command:  python -m jaxdet.convert to-jax TOWER.safetensors weights/dinov3_l16
          python -m jaxdet.main --config=configs/ssafe.py --config.runtime.features=features
Source:   SSAFE, arXiv 2606.08634: AdamW at 1e-3, batch 40, no augmentation. It takes PE-Core-G at
          448 px, which is not among the towers here; DINOv3-L is of its ablation. Unverified:
          epochs (10 here), AdamW's decay (PyTorch's default), the layer's first weights, N(0, .02),
          how images come to the tower's size (bicubic here, as DINOv3's)
Expected: published with PE-Core-G 95.4, with DINOv3-L 83.8 (ablation of the encoder); here not
          measured: the weights were not at hand
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="ssafe",
            augment=schema.Augment(
                resize=224, resize_kernel="bicubic", crop=224, views=("clean",)
            ),
            model=schema.Model(
                name="linear_probe", tower="dinov3_l16", normalise=True, tune="head",
                init="weights/dinov3_l16",
            ),
            optim=schema.Optim(
                name="adamw", weight_decay=0.01, batch_size=40, learning_rate=1e-3,
                schedule="constant", max_epochs=10,
            ),
            evaluation=schema.Evaluation(protocols=("resize",), resize=224),
        )
    )  # fmt: skip
