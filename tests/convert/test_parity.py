"""The same weights give torchvision's numbers; `pytest -s` prints the largest deviations."""

import jax
import numpy as np
import pytest
from jax import lax
from jax import numpy as jnp

from jaxdet.config import Model
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.load import with_collections
from jaxdet.convert.rules import to_jax, to_torch
from jaxdet.models.detector import get_detector
from jaxdet.models.normalise import normalise
from tests.golden import torchvision

GOLDEN = torchvision.load("torchvision_seed1.json")


def converted(state_dict, arch):
    table = TABLES[arch]
    return to_jax(state_dict, shapes(Model(name=arch)), table=table, source="golden").arrays


@pytest.mark.parametrize(
    ("arch", "sizes"),
    [("resnet18", (224,)), ("resnet50", (224, 160)), ("vgg11", (224,)), ("vgg11_bn", (224,))],
)
def test_logits_are_torchvision_s(arch, sizes):
    state_dict = torchvision.state_dict(arch)
    arrays = converted(state_dict, arch)
    apply = jax.jit(get_detector(Model(name=arch)).apply)
    # Another order of sums: VGG-11's were 1.7e-5 apart on an H200 (docs/evidence/gpu.md).
    bound = 1e-5 if jax.default_backend() == "cpu" else 3e-5
    for size in sizes:
        logits = np.asarray(apply(with_collections(arrays), torchvision.images(2, size)))
        deviation = np.abs(logits - GOLDEN[f"{arch}_{size}"]).max()
        print(f"{arch} at {size}: largest deviation of a logit {deviation:.2g}")
        assert deviation < bound
    back = to_torch(arrays, table=TABLES[arch])
    assert back.keys() == state_dict.keys()
    assert all(back[key].tobytes() == value.tobytes() for key, value in state_dict.items())


# The networks once more, as torchvision wires them: [B, C, H, W], torch's names and layouts.


def conv(x, state_dict, key, *, stride=1):
    kernel = state_dict[f"{key}.weight"]
    pad = [(side // 2, side // 2) for side in kernel.shape[2:]]
    y = lax.conv_general_dilated(x, kernel, (stride, stride), pad)
    return y + state_dict.get(f"{key}.bias", np.zeros(len(kernel)))[:, None, None]


def norm(x, state_dict, key):
    weight, bias, mean, var = (
        state_dict[f"{key}.{name}"][:, None, None]
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def max_pool(x, side, stride, pad):
    padding = [(0, 0), (0, 0), (pad, pad), (pad, pad)]
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, side, side), (1, 1, stride, stride),
                             padding)  # fmt: skip


def resnet_stages(x, state_dict):
    """The maps after layer1 to layer4."""
    x = jnp.maximum(norm(conv(x, state_dict, "conv1", stride=2), state_dict, "bn1"), 0)
    x, found = max_pool(x, 3, 2, 1), {}
    for stage in range(1, 5):
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in state_dict:
            x = residual(x, state_dict, f"layer{stage}.{block}", 2 if block == 0 < stage - 1 else 1)
            block += 1
        found[f"layer{stage}"] = x
    return found


def residual(x, state_dict, key, stride):
    convolutions = 3 if f"{key}.conv3.weight" in state_dict else 2
    y = x
    for number in range(1, convolutions + 1):
        strided = number == convolutions - 1
        y = conv(y, state_dict, f"{key}.conv{number}", stride=stride if strided else 1)
        y = norm(y, state_dict, f"{key}.bn{number}")
        y = jnp.maximum(y, 0) if number < convolutions else y
    if f"{key}.downsample.0.weight" in state_dict:
        x = conv(x, state_dict, f"{key}.downsample.0", stride=stride)
        x = norm(x, state_dict, f"{key}.downsample.1")
    return jnp.maximum(x + y, 0)


def vgg_stages(x, state_dict):
    """The maps after each pool."""
    found, number = {}, 0
    for pooled in (False, True) * 2 + (False, False, True) * 3:
        if pooled:
            x = max_pool(x, 2, 2, 0)
            found[f"features_{number}"] = x
            number += 1
            continue
        x = conv(x, state_dict, f"features.{number}")
        if f"features.{number + 1}.running_mean" in state_dict:
            x = norm(x, state_dict, f"features.{number + 1}")
            number += 1
        x, number = jnp.maximum(x, 0), number + 2
    return found


@pytest.mark.parametrize("arch", ["resnet18", "resnet34", "resnet50", "vgg11", "vgg11_bn"])
def test_every_stage_is_torchvision_s(arch):
    model = Model(name=arch, width=8)
    rng = np.random.default_rng(0)
    ours = {place: fill(rng, place, shape) for place, shape in shapes(model).items()}
    images = torchvision.images(2, 70)
    _, seen = get_detector(model).network.apply(
        with_collections(ours), normalise(images), train=False, mutable=["intermediates"]
    )
    stages = vgg_stages if arch.startswith("vgg") else resnet_stages
    x = jnp.moveaxis(normalise(images), -1, 1)
    expected = stages(x, to_torch(ours, table=TABLES[arch]))
    assert seen["intermediates"].keys() == expected.keys()
    for name, value in expected.items():
        found = np.moveaxis(np.asarray(seen["intermediates"][name][0]), -1, 1)
        scale = np.abs(value).max()
        deviation = np.abs(found - value).max() / scale
        print(f"{arch} {name}: largest deviation {deviation:.2g} of {scale:.3g}")
        assert deviation < 1e-5


def fill(rng, place, shape):
    if place.endswith("kernel"):
        return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape).astype(np.float32)
    low, high = (0.5, 1.5) if place.endswith("var") else (0.3, 0.9)
    return rng.uniform(low, high, shape).astype(np.float32)


def test_bfloat16_stays_near():
    """Half the bytes a map; 8 bits of mantissa leave two digits of a logit."""
    arrays = with_collections(converted(torchvision.state_dict("resnet18"), "resnet18"))
    model = Model(name="resnet18", dtype="bfloat16")
    logits = jax.jit(get_detector(model).apply)(arrays, torchvision.images(2, 224))
    assert logits.dtype == jnp.float32
    deviation = np.abs(np.asarray(logits) - GOLDEN["resnet18_224"]).max()
    print(f"resnet18 in bfloat16: largest deviation of a logit {deviation:.2g}")
    assert 1e-5 < deviation < 0.05
