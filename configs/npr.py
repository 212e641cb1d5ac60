"""NPR: residuals of neighbouring pixels before two stages of a ResNet-50, on four classes.

Command:  python -m jaxdet.main --config=configs/npr.py --config.data.root=ForenSynths --workdir=RUN
Source:   Tan et al., CVPR 2024, and its code (networks/resnet.py, datasets.py). Otherwise here:
          the shorter side becomes 256 and the middle is cropped, there images are squeezed to
          256 x 256; whether training images are mirrored there was not verified
Expected: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="npr",
            data=schema.Data(classes=("car", "cat", "chair", "horse")),
            augment=schema.Augment(resize=256, crop=256),
            # From scratch, as torchvision starts at random.
            model=schema.Model(name="npr", zero_init_residual=False),
            # 50 epochs, times 0.9 every 10.
            optim=schema.Optim(
                batch_size=32, learning_rate=2e-4, schedule="steps", decay_every=10,
                decay_factor=0.9, max_epochs=50,
            ),
            # Test images are resized too; the weights of the last epoch are scored.
            evaluation=schema.Evaluation(protocols=("resize",), resize=256, weights="latest"),
        )
    )  # fmt: skip
