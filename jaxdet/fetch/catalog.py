"""Lists what can be fetched: names, addresses, sizes, SHA-256, and how many images each set holds.

A fact that no source gives is None. Sizes and digests of ForenSynths come from readers of the
archives, not from their authors; the counts from Wang et al. (arXiv 1912.11035) and from the
archives' own directories. Diffusion sets of Ojha et al. (CVPR 2023) are left out: they lie on
Google Drive, which hands files to browsers only, with real and fake images in separate folders.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jaxdet.data.released import RELEASED_WEIGHTS

HUGGING_FACE = "https://huggingface.co/datasets/sywang/CNNDetection/resolve/main/"
PYTORCH = "https://download.pytorch.org/models/"
DROPBOX = "https://www.dropbox.com/s/"


class Container(enum.Enum):
    """Describes what the files of a set are, and so what is done with them."""

    PLAIN = "plain"  # kept as they are
    ZIP = "zip"
    STORED_7Z = "stored 7z"  # volumes of a 7z in store mode around one zip


@dataclass(frozen=True, kw_only=True)
class Address:
    """Describes one file to download.

    Attributes:
      name: its name here.
      url: where it lies.
      size: bytes.
      sha256: hex digest, or the beginning of it.
    """

    name: str
    url: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Folder:
    """Describes the images that a folder below a split should hold, pooled over its categories.

    Attributes:
      name: of the class or generator.
      real: images below `0_real`.
      fake: images below `1_fake`.
      categories: folders between it and the labels; none where the labels lie in it directly.
      even: whether each category holds the same number of images.
    """

    name: str
    real: int
    fake: int
    categories: tuple[str, ...] = ()
    even: bool = True


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Describes one name that `fetch` knows.

    Attributes:
      title: a line for those who choose.
      files: in their order, which for volumes is that of their bytes.
      split: the folder below the root that the images go to; "" for files kept as they are.
      folders: what lies in it then.
    """

    name: str
    title: str
    files: tuple[Address, ...]
    container: Container
    split: str = ""
    folders: tuple[Folder, ...] = ()


_CLASSES = (
    *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
_TRAIN = tuple(
    Folder(name=name, real=18002 if name == "boat" else 18003, fake=18003) for name in _CLASSES
)
_VAL = tuple(Folder(name=name, real=200, fake=200) for name in _CLASSES)
_PROGAN = Folder(name="progan", real=4000, fake=4000, categories=_CLASSES)
# Which folders have categories: CNNDetection's eval_config.py.
_TEST = (
    _PROGAN,
    Folder(name="stylegan", real=5991, fake=5991, categories=("bedroom", "car", "cat")),
    Folder(name="biggan", real=2000, fake=2000),
    Folder(
        name="cyclegan",
        real=1321,
        fake=1321,
        even=False,
        categories=("apple", "horse", "orange", "summer", "winter", "zebra"),
    ),
    Folder(name="stargan", real=1999, fake=1999),
    Folder(name="gaugan", real=5000, fake=5000),
    Folder(name="crn", real=6382, fake=6382),
    Folder(name="imle", real=6382, fake=6382),
    Folder(name="seeingdark", real=180, fake=180),
    Folder(name="san", real=219, fake=219),
    Folder(name="deepfake", real=2707, fake=2698),
    Folder(name="stylegan2", real=7988, fake=7988, categories=("car", "cat", "church", "horse")),
    Folder(name="whichfaceisreal", real=1000, fake=1000),
)

# Sizes as torch.hub's own progress bars show them.
_SIZES = {
    "resnet18-5c106cde.pth": 46_827_520,
    "resnet34-333f7ec4.pth": 87_306_240,
    "resnet50-19c8e357.pth": 102_502_400,
    "vgg11-bbd30ac9.pth": 531_456_000,
}
# CNNDetection's weights/download_weights.sh.
_SHARED = {"blur_jpg_prob0.5.pth": "2g2jagq2jn1fd0i", "blur_jpg_prob0.1.pth": "h7tkpcgiwuftb6g"}
# Six volumes of 10 GiB; the last makes up 32 bytes of header, 74,924,002,746 of zip, 98 of trailer.
_VOLUMES = (*(10 * 2**30,) * 6, 10_499_493_436)


def _hugging_face(name: str, size: int | None = None, sha256: str | None = None) -> Address:
    return Address(name=name, url=HUGGING_FACE + name, size=size, sha256=sha256)


def _pytorch(name: str, size: int | None = None) -> Address:
    """Returns the address of a file of weights that torchvision publishes.

    Torchvision writes the first 8 hex digits of the SHA-256 into the name.
    """
    digest = name.removesuffix(".pth").rsplit("-", 1)[1]
    return Address(name=name, url=PYTORCH + name, size=size, sha256=digest)


_DATASETS = (
    Dataset(
        name="forensynths-train",
        title="ForenSynths train: 720,119 images of 20 classes, 75 GB (--classes for some)",
        files=tuple(
            _hugging_face(f"progan_train.7z.{number:03d}", size)
            for number, size in enumerate(_VOLUMES, start=1)
        ),
        container=Container.STORED_7Z,
        split="train",
        folders=_TRAIN,
    ),
    Dataset(
        name="forensynths-val",
        title="ForenSynths validation: 8,000 images of 20 classes, 0.8 GB",
        files=(_hugging_face("progan_val.zip", 830_792_545),),
        container=Container.ZIP,
        split="val",
        folders=_VAL,
    ),
    Dataset(
        name="forensynths-test",
        title="ForenSynths test: 90,329 images of 13 generators, 20 GB (--classes for some)",
        files=(
            _hugging_face(
                "CNN_synth_testset.zip",
                20_052_866_587,
                "d87eeff4eb6d1061f57620aa1bd54e699a18cc9860fcdc6a55bf4cf643008d85",
            ),
        ),
        container=Container.ZIP,
        split="test",
        folders=_TEST,
    ),
    Dataset(
        name="progan-testset",
        title="ForenSynths test, ProGAN alone: 8,000 images, 0.8 GB",
        files=(_hugging_face("progan_testset.zip"),),
        container=Container.ZIP,
        split="test",
        folders=(_PROGAN,),
    ),
    Dataset(
        name="imagenet-weights",
        title="torchvision's ImageNet weights of the networks that are trained here (--only=NAME)",
        files=tuple(
            _pytorch(name, _SIZES.get(name)) for name in RELEASED_WEIGHTS["imagenet-weights"]
        ),
        container=Container.PLAIN,
    ),
    Dataset(
        name="cnndetection-weights",
        title="the weights that Wang et al. released (CC BY-NC-SA 4.0), 0.3 GB each",
        files=tuple(
            Address(name=name, url=f"{DROPBOX}{_SHARED[name]}/{name}?dl=1")
            for name in RELEASED_WEIGHTS["cnndetection-weights"]
        ),
        container=Container.PLAIN,
    ),
)
DATASETS: Mapping[str, Dataset] = MappingProxyType({one.name: one for one in _DATASETS})
