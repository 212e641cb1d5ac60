"""DRCT's head: two linear layers on CLIP's embedding, partly by a contrastive loss.

Command:  python -m jaxdet.main --config=configs/drct.py --config.data.root=DIR
          after python -m jaxdet.convert to-jax --activation=quick_gelu --normalisation=imagenet
          CLIP.safetensors weights/clip_l14_imagenet
Source:   Chen et al., ICML 2024, and their code: frozen CLIP ViT-L/14 under ImageNet's mean, layers
          of 1024 and 2, .7 cross-entropy and .3 contrastive loss on the first, AdamW at 1e-4 with
          decay 4e-5, batch 256, 17 epochs, crops of 224. Real images are real; their
          reconstructions by a diffusion model, fakes and those of fakes are fake: lay them out so.
          Unverified, or otherwise here: the cosine falls once, there with T = 5; scaling, noise and
          blur with assumed ranges; no quarter turns, padding, colour, dropout, grey, shift and
          rotation; no reconstruction is made
Expected: not measured here: CLIP's weights and reconstructions were not at hand. Published, in a
          re-evaluation: GenImage 89.5, 13 sets of ForenSynths 69.0
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="drct",
            augment=schema.Augment(
                crop=224, jpeg_probability=0.5, jpeg_quality=(30, 100), jpeg_codecs=("cv2",),
                rescale_probability=0.2, rescale_factor=(0.5, 1.5), noise_probability=0.1,
                blur_probability=0.1,
            ),
            model=schema.Model(
                name="two_layer_probe", width=1024, tower="clip_l14:normalisation=imagenet",
                tune="head", init="weights/clip_l14_imagenet",
            ),
            optim=schema.Optim(
                name="adamw", learning_rate=1e-4, weight_decay=4e-5, batch_size=256,
                contrastive=0.3, schedule="cosine", max_epochs=17,
            ),
        )
    )  # fmt: skip
