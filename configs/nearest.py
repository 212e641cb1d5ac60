"""Real or fake by the nearest training images in the features of CLIP, nothing learned.

Command:  python -m jaxdet.convert to-jax --activation=quick_gelu CLIP.safetensors weights/clip_l14
          python -m jaxdet.main --config=configs/nearest.py
          nearest.py:centroid compares with the mean real and the mean fake image instead
Source:   knn: Ojha et al., CVPR 2023, whose code lacks it: a bank of real and fake features,
          cosine, one neighbour (3, 5 and 9 are tried, too: a vote among as many nearest of all;
          model.neighbours here compares the means of as many of each label). centroid: as FGTS
          (arXiv 2511.22471) without its choice of tokens. Unverified: which images the bank holds,
          and that they are clean; 100,000 here
Expected: not measured here: CLIP's weights were not at hand
"""

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.errors import UserError


def get_config(arg: str = "knn") -> ConfigDict:
    if arg not in ("", "knn", "centroid"):
        raise UserError(f"configs/nearest.py:{arg}: the argument is knn or centroid")
    name = arg or "knn"
    return schema.to_config_dict(
        schema.Config(
            name=f"nearest_{name}",
            data=schema.Data(generator="progan"),
            augment=schema.Augment(crop=224, views=("clean",)),
            model=schema.Model(
                name=name, tower="clip_l14", tune="head", bank=100_000, init="weights/clip_l14"
            ),
            # One pass: all that is seen is remembered.
            optim=schema.Optim(batch_size=128, schedule="constant", max_epochs=1),
        )
    )
