import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxdet.bench import jax_step, step
from jaxdet.bench.__main__ import JSON, main
from jaxdet.bench.reference import has_torch
from jaxdet.bench.stepper import Settings, make_batch
from jaxdet.config import Model
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.train.losses import get_objective
from jaxdet.workdir.files import check_writable
from tests.environment import importing

TINY = ("--arch=resnet18", "--width=4", "--size=32", "--steps=1", "--rounds=1")


def test_flops_are_known_where_the_platform_counts_none(monkeypatch):
    # GPUs and TPUs have no cost analysis: XLA's answer is None there.
    monkeypatch.setattr("jax._src.xla_bridge.using_pjrt_c_api", lambda backend: True)
    settings = Settings(way="jaxdet", arch="resnet50", size=224)
    counted = {
        arch: jax_step._flop(get_detector(Model(name=arch)), settings)
        for arch in ("resnet50", "vgg11_bn", "resnet18")
    }
    # He et al., CVPR 2016, table 1 and the VGG paper's: 4.1, 7.6 and 1.8 billion multiplications.
    assert counted == {
        "resnet50": pytest.approx(6 * 4.09e9, rel=0.01),
        "vgg11_bn": pytest.approx(6 * 7.6e9, rel=0.01),
        "resnet18": pytest.approx(6 * 1.81e9, rel=0.01),
    }


EMULATED = "import jax._src.xla_bridge as bridge; bridge.using_pjrt_c_api = lambda backend: True"


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["step", *TINY, "--batch-size=4"],
        ["e2e", *TINY[:3], "--batch-size=4", "--steps=2", "--rounds=1", "--workers=1"],
        ["eval", "--arch=resnet18", "--images=4", "--batch-size=2", "--rounds=1"],
    ],
    ids=lambda options: options[0],
)
def test_benchmarks_end_well_where_the_platform_counts_no_flops(options, tmp_path):
    # Python imports this before anything else, in the processes that a benchmark starts, too.
    (tmp_path / "sitecustomize.py").write_text(EMULATED)
    command = [sys.executable, "-m", "jaxdet.bench", *options, f"--json={tmp_path / 'rows.json'}"]
    done = subprocess.run(command, env=importing(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert all(row["images_per_second"] > 0 for row in rows)


@pytest.mark.slow
def test_step_has_a_row_a_way_with_what_it_cost(tmp_path, capsys):
    main(["step", *TINY, "--batch-size", "4", f"--json={tmp_path / 'step.json'}"])
    check_writable((tmp_path / "step.json", JSON))  # may be replaced
    written = json.loads((tmp_path / "step.json").read_text())
    rows = {row["what"]: row for row in written["rows"]}
    assert set(rows) == {"resnet18/flax/batch 4", "resnet18/jaxdet/batch 4"}
    assert rows["resnet18/flax/batch 4"]["ratio_to_reference"] == 1
    for row in rows.values():
        assert row["images_per_second"] > 0
        assert 0 < row["peak_share"] < 1
        assert row["memory_bytes"] > 2**20
        assert row["first_step_seconds"] > 0
    losses = [row["loss"] for row in rows.values()]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert "resnet18/jaxdet/batch 4" in capsys.readouterr().out


@pytest.mark.slow
def test_on_accelerators_one_way_after_another_has_the_device(tmp_path, monkeypatch):
    alive = []
    start = step.Worker.__init__

    def alone(self, settings):
        assert all(worker.process.poll() is not None for worker in alive)
        start(self, settings)
        alive.append(self)

    monkeypatch.setattr(step, "_need_device_alone", lambda workers: True)
    monkeypatch.setattr(step.Worker, "__init__", alone)
    main(["step", *TINY, "--batch-size", "4", f"--json={tmp_path / 'step.json'}"])
    rows = json.loads((tmp_path / "step.json").read_text())["rows"]
    assert [row["platform"] for row in rows] == ["cpu", "cpu"]
    assert all(row["images_per_second"] > 0 for row in rows)


@pytest.mark.slow
def test_step_in_parts_has_the_same_images_and_a_profile_a_row(tmp_path):
    given = ("--accumulate=2", "--rematerialise", f"--profile={tmp_path / 'profile'}")
    main(["step", *TINY, *given, "--batch-size=8", f"--json={tmp_path / 'step.json'}"])
    rows = json.loads((tmp_path / "step.json").read_text())["rows"]
    assert [row["accumulate"] for row in rows] == [1, 2]
    assert [row["rematerialise"] for row in rows] == [False, True]
    # Each part is normalised apart, so the losses are near each other and not the same.
    assert rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=0.2)
    assert rows[0]["loss"] != pytest.approx(rows[1]["loss"], rel=1e-5)
    traces = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.xplane.pb")]
    assert {path.parts[1] for path in traces} == {
        "resnet18-flax-batch8", "resnet18-jaxdet-batch8",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--accumulate=3", "--batch-size=4"], "--accumulate=3"),
        (["--arch=vgg11", "--rematerialise"], "VGG has no residual blocks"),
        (["--profile=."], "--profile=."),
    ],
)
def test_options_that_do_not_fit_are_refused(given, named, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["step", *given])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert named in told
    assert told.count("\n") == 1


@pytest.mark.slow
def test_ours_and_flax_s_layers_have_the_same_gradients():
    found = []
    for way in ("flax", "jaxdet"):
        settings = Settings(way=way, arch="resnet50", width=8, size=64, batch_size=4)
        detector, state = jax_step.start(settings)
        image, label = make_batch(settings)

        def loss(params, detector=detector, state=state, image=image, label=label):
            variables = {**state.variables, "params": params}
            loss_of = get_objective(detector.architecture, "")
            return loss_of(detector, variables, image, label, jax.random.key(0))[0]

        found.append(jax.device_get(jax.jit(jax.grad(loss))(state.variables["params"])))
    # Relative to each array's own size: single values of it are sums that nearly cancel.
    for expected, ours in zip(*map(jax.tree.leaves, found), strict=True):
        assert np.linalg.norm(ours - expected) <= 1e-4 * np.linalg.norm(expected) + 1e-7


@pytest.mark.slow
def test_e2e_has_the_step_the_input_and_the_line(tmp_path, capsys):
    main(["e2e", *TINY, "--batch-size=4", "--workers=1", f"--json={tmp_path / 'e2e.json'}"])
    rows = json.loads((tmp_path / "e2e.json").read_text())["rows"]
    assert [row["what"].split("/")[0] for row in rows] == ["step", "input", "e2e"]
    assert rows[0]["ratio_to_reference"] == 1
    assert 0 <= rows[2]["share_waiting_for_input"] <= 1
    assert "e2e/batch 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["step", "--arch=resnet18", "--reference=torch"], "--arch=resnet18: PyTorch's rows are"),
        (["features", "--tower=siglip_b16", "--reference=torch"], "--tower=siglip_b16"),
        (["features", "--tower=clip_x"], "--tower: 'clip_x' is not one of"),
        (["onnx", "--tower=clip_l14:depth=x"], "--tower: depth='x' is no int"),
    ],
)
def test_networks_that_are_not_there_are_named_by_their_option(given, named, capsys):
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert named in told
    assert told.count("\n") == 1


@pytest.mark.skipif(has_torch(), reason="PyTorch is installed")
@pytest.mark.parametrize("command", ["step", "features"])
def test_pytorch_s_rows_need_pytorch(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--reference=torch"])
    assert ended.value.code == 2
    assert "--reference=torch: PyTorch is not installed" in capsys.readouterr().err


def test_a_card_is_not_compared_with_a_cpu():
    step.check_same_devices([{"platform": "gpu"}, {}, {"platform": "cuda"}])
    step.check_same_devices([{"platform": "cpu"}, {"platform": "cpu"}])
    with pytest.raises(UserError, match="JAX and PyTorch do not both see the card"):
        step.check_same_devices([{"platform": "cpu"}, {"platform": "cuda"}])


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["none", "torch"])
def test_features_have_a_row_a_way_of_the_same_values(tmp_path, reference):
    if reference == "torch":
        pytest.importorskip("torch")
    tower = "clip_b16:size=32,width=16,depth=2,heads=2,mlp=24,projection=8"
    json_file = tmp_path / "features.json"
    given = [f"--reference={reference}", "--batch-size=4", "--steps=1", "--rounds=1"]
    main(["features", f"--tower={tower}", *given, f"--json={json_file}"])
    rows = json.loads(json_file.read_text())["rows"]
    assert len(rows) == (3 if reference == "torch" else 1)
    assert rows[0]["ratio_to_reference"] == 1
    for row in rows:
        assert row["images_per_second"] > 0
        assert row["features"] == pytest.approx(rows[0]["features"], abs=1e-4)


@pytest.mark.slow
def test_e2e_has_pytorch_s_line_beside_ours(tmp_path):
    pytest.importorskip("torch")
    tiny = ("--arch=resnet50", "--width=4", "--size=32", "--steps=1", "--rounds=1")
    out = tmp_path / "e2e.json"
    main(["e2e", *tiny, "--batch-size=4", "--workers=1", "--reference=torch", f"--json={out}"])
    published = json.loads(out.read_text())["rows"][-1]
    assert published["what"] == "e2e, PyTorch as published/batch 4"
    assert published["images_per_second"] > 0
    assert "failed" not in published
