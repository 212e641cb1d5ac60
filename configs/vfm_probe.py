"""A linear probe on any vision foundation model, trained on clean images in two epochs.

Command:  python -m jaxdet.convert to-jax TOWER.safetensors weights/dinov3_l16
          python -m jaxdet.main --config=configs/vfm_probe.py --config.runtime.features=features
          vfm_probe.py:dinov2_g14 takes another tower of docs/reference/systems.md
Source:   "Simplicity Prevails", arXiv 2602.01738: pooled output, AdamW at 1e-3, batch 128, two
          epochs, no augmentation, images resized and cropped in the middle to the tower's size.
          Unverified: AdamW's decay, which is PyTorch's default here, and the layer's first weights,
          N(0, .02); the kernel of resizing is the tower's publisher's
Expected: published on GenImage, accuracy: DINOv3-7B 96.4, SigLIP2-giant 94.5, PE-Core-L 93.8,
          DINOv2-giant 85.2; here not measured: the weights were not at hand
"""

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.models.towers import read_tower


def get_config(arg: str = "dinov3_l16") -> ConfigDict:
    tower = arg or "dinov3_l16"
    side, kernel = read_tower(tower).size, read_tower(tower).resize
    return schema.to_config_dict(
        schema.Config(
            name="vfm_probe" if tower == "dinov3_l16" else f"vfm_probe_{tower}",
            augment=schema.Augment(
                resize=side, resize_kernel=kernel, crop=side, views=("clean",)
            ),
            model=schema.Model(
                name="linear_probe", tower=tower, tune="head", init=f"weights/{tower}"
            ),
            optim=schema.Optim(
                name="adamw", weight_decay=0.01, batch_size=128, learning_rate=1e-3,
                schedule="constant", max_epochs=2,
            ),
            evaluation=schema.Evaluation(protocols=("resize",), resize=side),
        )
    )  # fmt: skip
