import pytest

pytest.importorskip("onnxruntime", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

from jaxdet.bench.onnx import Plan, measure_onnx
from jaxdet.config import Model


def test_rows_stand_beside_those_of_jax(tmp_path):
    plan = Plan(
        scratch=tmp_path, models=[Model(name="resnet18", width=4)], variants=("float32", "int8"),
        size=32, batch_sizes=(1, 2), images=3, rounds=1,
    )  # fmt: skip
    rows = measure_onnx(plan, say=lambda line: None)
    assert [row["what"].rpartition(": ")[2] for row in rows] == 2 * [
        "onnxruntime, float32", "onnxruntime, int8", "reference, JAX",
    ]  # fmt: skip
    assert [row["ratio_to_reference"] for row in rows[2::3]] == [1, 1]
    assert all(row["images_per_second"] > 0 for row in rows)
