"""Effort's training of CLIP ViT-L/14: the last singular triplet of every layer of attention.

Command:  python -m jaxdet.main --config=configs/effort.py --config.data.root=DIR
          after python -m jaxdet.convert to-jax CLIP weights/clip_l14, where CLIP is the
          model.safetensors of transformers' CLIP, beside its config.json; its projection is left
          out
Source:   Yan et al., ICML 2025, and their code: W = U S V^T of queries, keys, values and output, of
          which 1,023 directions stay; AdamW at 2e-4, batches of 48, cross-entropy, 256 pixels of
          which 224 train. 0.20 million parameters are trained, and the last layer.
          Unverified, or otherwise here: no weight decay, a constant rate and 6 epochs of ProGAN's
          four classes are assumed (18,000 steps, as their results are after), no blur and no JPEG
          too, Pillow's bilinear kernel. The losses of orthogonality are commented out in their
          code; here are none
Expected: not measured. Published: accuracy 95.17, AP 99.34, means of UniversalFakeDetect's 19 sets
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="effort",
            data=schema.Data(classes=("car", "cat", "chair", "horse"), generator="progan"),
            augment=schema.Augment(resize=256, crop=224),
            # The pooled class token itself, which CLIP projects to 768 features.
            model=schema.Model(
                name="linear_probe", tower="clip_l14:projection=0", tune="svd",
                init="weights/clip_l14",
            ),
            optim=schema.Optim(
                name="adamw", learning_rate=2e-4, batch_size=48,
                schedule="constant", max_epochs=6,
            ),
            evaluation=schema.Evaluation(protocols=("resize",), resize=256),
        )
    )  # fmt: skip
