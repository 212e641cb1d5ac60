"""DDA's training of DINOv2 ViT-L/14 by LoRA, on whatever images are given.

Command:  python -m jaxdet.main --config=configs/dda.py --config.data.root=DIR
          after python -m jaxdet.convert to-jax --size=336 --normalisation=clip
          dinov2_vitl14_pretrain.pth weights/dinov2_l14_336; their DDA_ckpt.pth takes the same
          options
Source:   Chen et al., NeurIPS 2025, and their code (Dual-Data-Alignment 21f1e39): LoRA of rank 8
          and alpha 1 on every dense layer of the blocks, half cross-entropy and half contrastive
          loss, AdamW at 1e-4 without weight decay, one epoch, crops of 336 pixels, CLIP's mean.
          Unverified, or otherwise here: with --config.data.pairs a real image and its fake are
          augmented by the same numbers, as there a real image and its reconstruction by a VAE are,
          without it each for itself; there two resized copies of each come with them; the cosine
          falls to zero at the end, there within 1,000 steps to a thousandth; --size interpolates
          positions as timm does, antialiased, there as torch.hub's DINOv2 does; a Gaussian blur of
          0.5 to 2 pixels stands for one of four; flips are horizontal; no pepper noise, sharpening,
          colour or grey
Expected: not measured. Published, accuracy: GenImage 91.7, DRCT-2M 98.1, Chameleon 82.4, WildRF
          90.3, mean of 11 sets 90.7, least 81.4
"""

from ml_collections import ConfigDict

from jaxdet import config as schema


def get_config(arg: str = "") -> ConfigDict:
    schema.refuse_argument(arg)
    return schema.to_config_dict(
        schema.Config(
            name="dda",
            augment=schema.Augment(
                crop=336, small_images="pad", jpeg_probability=0.15, jpeg_quality=(55, 100),
                noise_probability=0.1, noise_sigma=(55.0, 55.0), blur_probability=0.2,
                blur_sigma=(0.5, 2.0),
            ),
            model=schema.Model(
                name="linear_probe", tower="dinov2_l14:size=336,normalisation=clip", tune="lora",
                init="weights/dinov2_l14_336",
            ),
            # 16 items of 6 images, four times before an update.
            optim=schema.Optim(
                name="adamw", learning_rate=1e-4, batch_size=384, accumulate=4, contrastive=0.5,
                schedule="cosine", max_epochs=1,
            ),
            evaluation=schema.Evaluation(batch_size=64),
        )
    )  # fmt: skip
