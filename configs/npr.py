"""NPR: residuals of neighbouring pixels before two stages of a ResNet-50, on four classes.

Command:  python -m jaxdet.main --config=configs/npr.py
Source:   Tan et al., CVPR 2024, and its code (networks/resnet.py, data/datasets.py, train.py):
          256 pixels, of which a random 224 train and are mirrored by a coin; all 256 are scored.
          Otherwise here: the shorter side becomes 256 and the middle is scored, there images are
          squeezed to 256 x 256; the rate falls first after 10 epochs, there after 11
Expected: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="npr",
            data=schema.Data(classes=("car", "cat", "chair", "horse"), generator="progan"),
            augment=schema.Augment(resize=256, crop=224),
            # From scratch, as torchvision starts at random; its last layer, of 512 inputs, evenly
            # within 1/sqrt(512), which has this deviation.
            model=schema.Model(name="npr", zero_init_residual=False, head_deviation=0.0255),
            # 50 epochs, times 0.9 every 10.
            optim=schema.Optim(
                batch_size=32, learning_rate=2e-4, schedule="steps", decay_every=10,
                decay_factor=0.9, max_epochs=50,
            ),
            # Test images are resized too; the weights of the last epoch are scored.
            evaluation=schema.Evaluation(
                protocols=("resize",), resize=256, crop=256, weights="latest"
            ),
        )
    )  # fmt: skip
