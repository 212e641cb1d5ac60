import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.models import resnet, vgg
from jaxdet.models.architectures import architecture_of
from jaxdet.models.detector import Detector
from tests.golden import torchvision

BIAS = 0.7
# Two stages: an 8 x 8 map of a 64 x 64 image.
RESNET = resnet.ResNet(resnet.BasicBlock, (1, 1), width=8, zero_init_residual=False)
VGG = vgg.VGG(batch_norm=True, width=4)


def look(network, head, dtype=None):
    """A detector's evidence of three images, its last map and parameters; its plain logits hold."""
    detector = Detector(architecture_of("resnet18"), network, dtype=dtype)
    variables = detector.random(3, size=64)
    layer = variables["params"][head]
    moved = {"kernel": layer["kernel"] * 20, "bias": jnp.array([BIAS])}
    variables = {**variables, "params": {**variables["params"], head: moved}}

    def plain(variables, images):
        prepared = detector._prepare(variables, images)
        logit, seen = network.apply(*prepared, train=False, mutable=["intermediates"])
        names = sorted(seen["intermediates"], key=lambda name: int(re.findall(r"\d+", name)[0]))
        return logit, seen["intermediates"][names[-1]][0]

    images = torchvision.images(3, 64)
    logit, found = jax.jit(detector.evidence)(variables, images)
    expected, last = jax.jit(plain)(variables, images)
    assert found.shape == last.shape[:3]
    assert found.dtype == logit.dtype == np.float32
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(logit, expected, atol=1e-5)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])
    return np.asarray(logit), np.asarray(found), np.asarray(last, np.float64), params


def test_a_resnet_s_map_is_the_class_activation_map_and_adds_up_to_the_logit():
    logit, found, last, params = look(RESNET, "fc")
    np.testing.assert_allclose(found, last @ params["fc"]["kernel"][:, 0] / 64, atol=1e-6)
    np.testing.assert_allclose(found.sum((1, 2)) + BIAS, logit, atol=1e-5)
    assert np.ptp(found, axis=(1, 2)).min() > 1e-3


def test_a_bfloat16_resnet_s_map_adds_up_to_the_logit_but_for_the_rounding_of_its_mean():
    logit, found, last, params = look(RESNET, "fc", jnp.bfloat16)
    # bfloat16 has 8 bits: of the mean of the map, and of the weights in the gradient.
    summands = np.abs(last).mean((1, 2)) @ np.abs(params["fc"]["kernel"][:, 0])
    allowed = 2**-7 * summands.max()
    np.testing.assert_allclose(found.sum((1, 2)) + BIAS, logit, atol=allowed)
    assert np.abs(found.sum((1, 2))).min() > 4 * allowed


@pytest.mark.slow
def test_a_vgg_s_map_is_the_first_order_part():
    logit, found, last, params = look(VGG, "classifier_6")
    np.testing.assert_allclose(_classify(params, last), logit, atol=1e-5)
    # Scaling the last map at one place by 1 + h moves the logit by h times that place.
    h = 1e-6
    for place in np.ndindex(2, 2):
        scaled = last.copy()
        scaled[:, *place] *= 1 + h
        moved = (_classify(params, scaled) - _classify(params, last)) / h
        np.testing.assert_allclose(moved, found[:, *place], atol=1e-5)
    assert np.ptp(found, axis=(1, 2)).min() > 1e-3


def _classify(params, x):
    """VGG's classifier on a 2 x 2 map, of which its 7 x 7 windows see 0 0 0 (0 1) 1 1 1."""
    spread = np.zeros((7, 2))
    spread[:3, 0] = spread[4:, 1] = 1
    spread[3] = 0.5
    x = np.einsum("rh,cw,bhwk->brck", spread, spread, x).reshape(len(x), -1)
    for name in ("classifier_0", "classifier_3"):
        x = np.maximum(x @ params[name]["kernel"] + params[name]["bias"], 0)
    return (x @ params["classifier_6"]["kernel"] + params["classifier_6"]["bias"])[:, 0]
