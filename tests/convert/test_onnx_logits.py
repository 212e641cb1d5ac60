"""The logits of both engines of `predict` on 100 images of many sizes, for every detector."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra `onnx`: pip install -e '.[onnx]'")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

from jaxdet.config import Model
from jaxdet.config.model import ARCHITECTURES, PROBES
from jaxdet.models.architectures import architecture_of
from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.onnx_engine import OnnxDetector
from tests.convert.random_detectors import exported, loaded_of
from tests.convert.small_towers import KINDS

HEADS = [(name, "meta_dinov2") for name in PROBES]
# A tower of each publisher and kind under one head, and one under each.
TOWERS = [("linear_probe", kind) for kind in KINDS if kind != "meta_dinov2"]
NETWORKS = [(name, "") for name in ARCHITECTURES if name not in PROBES]
# Of a coefficient that is nearly 0 the log keeps nothing of float32's digits: JAX's own logits are
# further from those of a front-end in float64 (docs/evidence/conversion.md).
BOUNDS = {"dct_log_resnet18": 0.1}


@pytest.fixture(scope="module")
def images():
    """Noise, from rough to nearly even, of 100 sizes."""
    rng = np.random.default_rng(0)
    sides = rng.integers(20, 120, (100, 2))
    return [
        rng.integers(0, 256 // 2 ** (number % 5), (height, width, 3)).astype(np.uint8)
        for number, (height, width) in enumerate(sides)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [*NETWORKS, *HEADS, *TOWERS])
def test_logits_are_those_of_jax(name, kind, images, tmp_path):
    tower = {"tower": f"{KINDS[kind]}{',size=32' * ('size' not in KINDS[kind])}"} if kind else {}
    model = Model(name=name, width=4, bank=20, neighbours=2, **tower)
    loaded, _ = loaded_of(model)
    program, _ = exported(tmp_path / "d.onnx", model)
    # The card of the file has the side of its crops.
    ours = LoadedDetector(loaded.model, loaded.variables, card=program.card)
    theirs = OnnxDetector(program)
    for crop in (None, "none") if architecture_of(name).any_size else (None,):
        expected, found = (one.score(images, crop=crop) for one in (ours, theirs))
        difference = np.abs(found - expected)
        largest = np.abs(expected).max()
        print(f"{name}, {kind}, crop={crop}: {difference.max():.1e}, logits up to {largest:.2g}")
        bound = BOUNDS.get(name, 1e-4)
        assert np.all(difference <= bound * np.maximum(1, np.abs(expected)))
        assert np.ptp(expected) > 0
