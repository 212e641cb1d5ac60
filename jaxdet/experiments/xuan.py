"""Lists the recipes of Xuan et al. 2019, "On the generalization of GAN image forensics"."""

import dataclasses

from jaxdet.config import Augment, Config, Data, Evaluation, Model, Optim
from jaxdet.experiments.table import Row, make_row

_UNVERIFIED = """Adam's rate and decay are those of DCGAN, batch and epochs are assumed, and that
nothing is flipped; by which filter their faces were brought to 128 pixels is not stated, Pillow's
bilinear here"""
# Faces of 1024 pixels are brought to the network's size.
_SIDE = 128


def table1() -> tuple[Row, ...]:
    """Returns rows of nothing, blur or noise, each drawn once for a whole batch."""
    plain = Augment(resize=_SIDE, crop=_SIDE, corner="centre", flip_probability=0.0, scope="batch")
    # A kernel of one pixel, or noise of no deviation, leaves the batch as it is.
    blurred = dataclasses.replace(plain, blur="kernel", blur_probability=1.0)
    noisy = dataclasses.replace(plain, noise_probability=1.0)
    return tuple(
        make_row(
            name.lower(),
            _train(augment),
            published=[f"xuan2019; table1; {name}; Xuan et al."],
            images=20_000,
            unverified=_UNVERIFIED,
        )
        for name, augment in (("M", plain), ("MGB", blurred), ("MGN", noisy))
    )


def _train(augment: Augment) -> Config:
    """Returns the config of DCGAN's discriminator.

    It trains on 10,000 faces of CelebA-HQ and as many of a progressive GAN.
    """
    return Config(
        # train/ of PGGAN, all of which trains; test/pggan, test/wgan-gp and test/dcgan.
        data=Data(root="data/xuan", validation="none", generator="pggan"),
        augment=augment,
        model=Model(name="dcgan"),
        optim=Optim(learning_rate=2e-4, beta1=0.5, schedule="constant", max_epochs=50),
        evaluation=Evaluation(weights="latest", protocols=("resize",), resize=_SIDE),
    )
