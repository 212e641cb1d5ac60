"""FGTS: a linear probe on the ten patches in which real and fake differ most, 2,000 images.

Command:  python -m jaxdet.convert to-jax TOWER.safetensors weights/dinov3_l16
          python -m jaxdet.main --config=configs/fgts.py --config.runtime.features=features
          fgts.py:dinov3_7b16 takes another tower of docs/reference/systems.md
Source:   arXiv 2511.22471 and its code (linear_probe_with_fisher.py, utils/features.py): 1,000 real
          and 1,000 fake images, Adam at .01, 50 steps of all images at once, no augmentation; two
          more show the images for the choice of patches. Otherwise here: 10 patches as in the paper
          (the code's default is 20), one logit, the last step instead of the best one. Unverified:
          how images come to 224 px (bicubic here, as DINOv3's)
Expected: published on AIGCDetectBenchmark, accuracy: DINOv3-7B 92.5, H+ 80.5, L 72.9, B 70.4, S
          64.1; here not measured: the weights were not at hand
"""

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.models.towers import read_tower


def get_config(arg: str = "dinov3_l16") -> ConfigDict:
    tower = arg or "dinov3_l16"
    side, kernel = read_tower(tower).size, read_tower(tower).resize
    return schema.to_config_dict(
        schema.Config(
            name="fgts" if tower == "dinov3_l16" else f"fgts_{tower}",
            augment=schema.Augment(resize=side, resize_kernel=kernel, crop=side, views=("clean",)),
            model=schema.Model(
                name="token_probe", tower=tower, bank=2000, tune="head", init=f"weights/{tower}"
            ),
            # Of another number of images, take as large a batch.
            optim=schema.Optim(
                batch_size=2000, learning_rate=1e-2, schedule="constant", max_epochs=52
            ),
            evaluation=schema.Evaluation(
                protocols=("resize",), resize=side, batch_size=64, weights="latest"
            ),
        )
    )
