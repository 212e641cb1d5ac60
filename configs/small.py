"""ResNet-18 from scratch on 128 px crops: for one's own folder, on a CPU or one GPU.

Command:  python -m jaxdet.main --config=configs/small.py --config.data.root=DIR --workdir=RUN
          small.py:blur_jpeg_0.5 adds the augmentation of Wang et al. (CVPR 2020)
Source:   jaxdet; no published system
Expected: see docs/evidence/small.md, measured on super-resolution GANs
"""

from ml_collections import ConfigDict

from jaxdet import config as schema
from jaxdet.errors import UserError

_AUGMENTATIONS = {
    "": schema.Augment(crop=128),
    "blur_jpeg_0.5": schema.Augment(crop=128, blur_probability=0.5, jpeg_probability=0.5),
}


def get_config(arg: str = "") -> ConfigDict:
    if arg not in _AUGMENTATIONS:
        raise UserError(
            f"configs/small.py:{arg}: the argument is one of {', '.join(list(_AUGMENTATIONS)[1:])}"
        )
    return schema.to_config_dict(
        schema.Config(
            name=f"small_{arg}" if arg else "small",
            augment=_AUGMENTATIONS[arg],
            # As torchvision starts it, and the reference; docs/evidence/small.md has both ways.
            model=schema.Model(name="resnet18", zero_init_residual=False),
            optim=schema.Optim(batch_size=32, learning_rate=1e-3, schedule="cosine", max_epochs=12),
        )
    )
