"""ResNet-18 on log cosine transforms, each coefficient scaled by the training images.

Command:  python -m jaxdet.main --config=configs/dct_log_resnet18.py
Source:   Frank et al., ICML 2020, GANDCTAnalysis (src/image_np.py, src/math.py,
          prepare_dataset.py): transform, logarithm, scale, Adam 1e-3, batch 32, patience 5.
          Otherwise here: ResNet-18 for their Keras networks, validation accuracy for their loss
Expected: not measured
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="dct_log_resnet18",
            # One crop of each image, transformed once and for all.
            augment=schema.Augment(crop=224, corner="centre", flip_probability=0.0),
            model=schema.Model(name="dct_log_resnet18", zero_init_residual=False),
            optim=schema.Optim(batch_size=32, learning_rate=1e-3),
            # Five epochs without any gain end the run: no lower rate is allowed.
            plateau=schema.Plateau(first_delta=1e-9, min_learning_rate=1e-3),
        )
    )
