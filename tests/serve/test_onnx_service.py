"""The service of an ONNX file, in a process that cannot import what training needs."""

import io
import os

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("onnx", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

from jaxdet.config import Model
from jaxdet.predict.onnx_engine import load_onnx
from tests.convert.random_detectors import exported
from tests.serve.servers import Server

# Python runs it before anything else.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("jax", "jaxlib", "flax", "optax", "orbax", "scipy", "tensorstore", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
"""


@pytest.fixture
def without(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def test_it_answers_where_jax_flax_orbax_and_scipy_are_missing(tmp_path, without):
    file = tmp_path / "d.onnx"
    exported(file, Model(name="resnet18", width=4))
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    with Server(file, "--engine=onnx") as server:
        status, told, _ = server.score({"a.png": content.getvalue()})
        card = server.ask("/v1/model")[1]
    assert status == 200
    assert told["results"][0]["logit"] == pytest.approx(load_onnx(file).score(pixels)[0], abs=1e-5)
    assert card["name"] == "resnet18 of width 4"
