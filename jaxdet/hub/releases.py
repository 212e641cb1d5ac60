"""Lists detectors that others released and that their licences let anybody fetch, by name.

Where the authors publish no SHA-256, it is that of others who have fetched the file of this
commit. Files without one are held to the SHA-256 of the first download.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxdet.fetch.catalog import DATASETS, Address


@dataclass(frozen=True, kw_only=True)
class Release:
    """Describes a released detector.

    Attributes:
      name: by which `--weights` knows it.
      title: a line for those who choose.
      home: where its authors say what it is and under which licence.
      licence: in the words of Hugging Face.
      files: the weights; where these are a head alone, the tower that it stands on is next.
      arch: the network, by its name here.
      facts: of its tower that the file does not say; see `jaxdet.convert.towers.FACTS`.
      crop: side of the centre crop that it was measured on, pixels.
    """

    name: str
    title: str
    home: str
    licence: str
    files: tuple[Address, ...]
    arch: str
    facts: tuple[tuple[str, str], ...] = ()
    crop: int = 224


def _cnndetection(file: Address) -> Release:
    """Returns one of the two detectors of Wang et al., whose authors publish no sums."""
    return Release(
        name=f"cnndetection/{file.name.removesuffix('.pth')}",
        title="Wang et al., CVPR 2020: ResNet-50 trained on ProGAN; no commercial use",
        home="https://github.com/PeterWang512/CNNDetection",
        licence="cc-by-nc-sa-4.0",
        files=(file,),
        arch="resnet50",
    )


_RELEASES = (
    *map(_cnndetection, DATASETS["cnndetection-weights"].files),
    Release(
        name="univfd/clip-vit-l14",
        title="Ojha et al., CVPR 2023: a linear layer on CLIP ViT-L/14, trained on ProGAN",
        home="https://github.com/WisconsinAIVision/UniversalFakeDetect",
        licence="mit",
        files=(
            Address(
                name="fc_weights.pth",
                url="https://raw.githubusercontent.com/WisconsinAIVision/UniversalFakeDetect/"
                "763391eff3284f6950ffb323599c1a7a819f2ecd/pretrained_weights/fc_weights.pth",
                size=4083,
                sha256="477100745713bcc957beb2b40859536859b6483fd6301b3b9293151b194c7847",
            ),
            Address(
                name="clip-vit-large-patch14.safetensors",
                url="https://huggingface.co/openai/clip-vit-large-patch14/resolve/"
                "32bd64288804d66eefd0ccbe215aa642df71cc41/model.safetensors",
                size=1_710_540_580,
                sha256="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
            ),
        ),
        arch="linear_probe",
        facts=(("activation", "quick_gelu"), ("normalisation", "clip")),
    ),
    Release(
        name="commfor/vit-s16-384",
        title="Park and Owens, CVPR 2025 (Community Forensics): ViT-S/16, 4,803 generators",
        home="https://huggingface.co/OwensLab/commfor-model-384",
        licence="mit",
        files=(
            Address(
                name="commfor-model-384.safetensors",
                url="https://huggingface.co/OwensLab/commfor-model-384/resolve/"
                "6076002bf0d9dd37537f965ee2f06f826c333b61/model.safetensors",
                size=87_262_324,
                sha256="b89f36275f3bf5e2b040eee36597a8f19db051bff9a473a9cf7b2466284fb387",
            ),
        ),
        arch="linear_probe",
        crop=384,
    ),
)
RELEASES: Mapping[str, Release] = MappingProxyType({one.name: one for one in _RELEASES})
