"""Names the files of weights that others released, by the name under which `fetch` has them."""

from collections.abc import Mapping
from types import MappingProxyType

RELEASED_WEIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "imagenet-weights": (
            "resnet18-5c106cde.pth",
            "resnet34-333f7ec4.pth",
            "resnet50-19c8e357.pth",
            "vgg11-bbd30ac9.pth",
            "vgg11_bn-6002323d.pth",
        ),
        "cnndetection-weights": ("blur_jpg_prob0.5.pth", "blur_jpg_prob0.1.pth"),
    }
)
