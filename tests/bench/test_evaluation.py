import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxdet.bench.evaluation import Contest, EvaluationPlan, _measure, measure_evaluation
from jaxdet.config import Model, Runtime


@pytest.mark.slow
def test_rows_and_ratios(tmp_path):
    # Inside, the logits of both ways are held against each other.
    plan = EvaluationPlan(scratch=tmp_path, images=4, batch_size=2, rounds=1,
                model=Model(name="resnet18", width=4), loaders=Runtime(workers=0))  # fmt: skip
    rows = measure_evaluation(plan, say=lambda line: None)
    assert len(rows) == 12
    for ours, reference in zip(rows[::2], rows[1::2], strict=True):
        assert reference["what"] == f"reference: {ours['what']}"
        assert reference["ratio_to_reference"] == 1
        ratio = ours["images_per_second"] / reference["images_per_second"]
        assert ours["ratio_to_reference"] == pytest.approx(ratio, rel=0.02)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_logits_may_be_as_far_apart_as_products_of_the_platform_are(monkeypatch, platform):
    # TF32 and other algorithms, by which an H200's logits were 3e-4 from those of full precision.
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    ours, apart = np.ones(8, np.float32), np.ones(8, np.float32) + 5e-3
    contest = Contest(what="", images=8, ours=lambda: lambda: ours, reference=lambda: lambda: apart)
    if platform == "cpu":
        with pytest.raises(AssertionError, match="tolerance"):
            _measure(contest, rounds=1, say=print)
    else:
        assert len(_measure(contest, rounds=1, say=print)) == 4


def test_a_number_that_cannot_be_is_refused():
    command = [sys.executable, "-m", "jaxdet.bench", "eval", "--images=3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'3' is no even number" in done.stderr
    assert "Traceback" not in done.stderr
