"""Recipes of Xuan et al. 2019, "On the generalization of GAN image forensics", table 1."""

import dataclasses

from jaxdet.config import Augment, Config, Data, Evaluation, Model, Optim
from jaxdet.experiments.table import Row, make_row

_UNVERIFIED = """Adam's rate and decay are those of DCGAN, batch and epochs are assumed, and that
nothing is flipped; images are to have 128 pixels a side, how theirs were brought to that is not
stated"""


def table1() -> tuple[Row, ...]:
    """Nothing, blur or noise, each drawn once for a whole batch."""
    plain = Augment(crop=128, corner="centre", flip_probability=0.0, scope="batch")
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
    """DCGAN's discriminator on 10,000 faces of CelebA-HQ and as many of a progressive GAN."""
    return Config(
        # train/ and val/ of PGGAN; test/pggan, test/wgan-gp and test/dcgan.
        data=Data(root="data/xuan"),
        augment=augment,
        model=Model(name="dcgan"),
        optim=Optim(learning_rate=2e-4, beta1=0.5, schedule="constant", max_epochs=50),
        evaluation=Evaluation(),
    )
