"""Community Forensics: all of a small ViT with one linear layer, fine-tuned on one's own images.

Command:  python -m jaxdet.main --config=configs/community_forensics.py --config.data.root=DIR
          with their model.safetensors and config.json in weights/commfor-model-384/, or another
          start by --config.model.init=PATH
Source:   Park and Owens, CVPR 2025, and their code (5ec815f): AdamW at 2e-5, weight decay 1e-2,
          cosine with warm-up over a fifth of the steps, 5 epochs, 384 pixels out of 440.
          Their pool of augmentations, each drawn up to twice, in a random order.
          Unverified, or otherwise here: how far images are padded is assumed; all images become 440
          pixels first, also where the pool resizes them no further, there they keep their size; 128
          images a step as in their examples for each GPU, the paper says 512; the rate rises in
          equal steps
Expected: not measured. Published: mAP .986, accuracy .923 on unseen generators, trained on their
          2.7 million images. Fine-tuned by others on OpenFake (Sieve, f494e3f: 4,500 steps of
          96): balanced accuracy 75.8 to 90.9 on their clean set
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="community_forensics",
            seed=42,
            augment=schema.Augment(
                operations=("resize", "pool", "crop"), resize=440, crop=384, small_images="pad",
                jpeg_quality=(75, 100),
            ),
            model=schema.Model(
                name="linear_probe", tower="augreg_s16_384:normalisation=imagenet,resize=bilinear",
                init="weights/commfor-model-384/model.safetensors",
            ),
            optim=schema.Optim(
                name="adamw", learning_rate=2e-5, weight_decay=1e-2, batch_size=128,
                schedule="cosine", warmup=0.2, max_epochs=5,
            ),
            evaluation=schema.Evaluation(protocols=("resize",), resize=440, batch_size=64),
        )
    )  # fmt: skip
