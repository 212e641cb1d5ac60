import jax
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

from jaxdet.bench import onnx
from jaxdet.bench.__main__ import main
from jaxdet.config import Model
from jaxdet.models.platform import is_cpu


def test_rows_stand_beside_those_of_jax(tmp_path, monkeypatch):
    seen, make_score = [], onnx.make_score

    def noted(model, variables):
        seen.extend([is_cpu(), *(isinstance(one, jax.Array) for one in jax.tree.leaves(variables))])
        return make_score(model, variables)

    # As where there is a card, too: the reference is the network of a CPU, with its weights there.
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(onnx, "make_score", noted)
    plan = onnx.OnnxPlan(
        scratch=tmp_path, models=[Model(name="resnet18", width=4)], variants=("float32", "int8"),
        size=32, batch_sizes=(1, 2), images=3, rounds=1,
    )  # fmt: skip
    rows = onnx.measure_onnx(plan, say=lambda line: None)
    assert all(seen)
    assert [row["what"].rpartition(": ")[2] for row in rows] == 2 * [
        "onnxruntime, float32", "onnxruntime, int8", "reference, JAX",
    ]  # fmt: skip
    assert [row["ratio_to_reference"] for row in rows[2::3]] == [1, 1]
    assert all(row["images_per_second"] > 0 for row in rows)


def test_what_is_named_twice_is_measured_once(monkeypatch):
    plans = []

    def kept(plan, say):
        plans.append(plan)
        return [{"what": "nothing", "images_per_second": 1.0, "ratio_to_reference": 1.0}]

    monkeypatch.setattr(onnx, "measure_onnx", kept)
    main(["onnx", "--arch", *["resnet18"] * 2, "--variant", "int8", "float32", "int8"])
    assert [model.name for model in plans[0].models] == ["resnet18"]
    assert list(plans[0].variants) == ["int8", "float32"]


def test_sides_are_checked_before_the_first_is_measured(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["onnx", "--arch", "resnet18", "linear_probe", "--size=100"])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert "--size=100: linear_probe" in told.err
    assert told.out == ""
