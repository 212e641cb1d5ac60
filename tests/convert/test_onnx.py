"""ONNX files of detectors, each run by onnxruntime beside JAX; needs the extra `onnx`."""

import json

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the extra `onnx`: pip install -e '.[onnx]'")
pytest.importorskip("onnxruntime", reason="needs the extra `onnx`: pip install -e '.[onnx]'")

import onnx

from jaxdet.config import Model
from jaxdet.config.dotted import trust
from jaxdet.config.model import ARCHITECTURES
from jaxdet.convert.__main__ import main
from jaxdet.convert.onnx import export
from jaxdet.convert.onnx.run import read_onnx
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.detector import get_detector
from tests.convert.random_detectors import exported
from tests.convert.small_towers import KINDS
from tests.predict.samples import write_weights

TOWER = KINDS["meta_dinov2"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_detector_gives_the_logits_of_jax(name, tmp_path):
    model = Model(name=name, width=4, tower=TOWER, bank=20, neighbours=2)
    program, comparisons = exported(tmp_path / "d.onnx", model)
    takes_any = get_detector(model).architecture.any_size
    # Batches of 2 at the first size, of 3 at the other.
    assert [found.size for found in comparisons] == ([32, 41] if takes_any else [program.size])
    for found in comparisons:
        assert found.largest_logit > 0
        assert found.largest_logit_difference <= 1e-4 * max(1, found.largest_logit)


# Of each publisher: positions, pools, activations, gates and rotations differ.
@pytest.mark.parametrize(
    "kind", ["open_clip", "transformers_vision", "hub_dinov3", "community_forensics", "timm_clip"]
)
def test_every_kind_of_tower_gives_the_logits_of_jax(kind, tmp_path):
    tower = KINDS[kind] + ",size=32" * ("size" not in KINDS[kind])
    _, (found,) = exported(tmp_path / "d.onnx", Model(name="linear_probe", tower=tower))
    assert found.largest_logit_difference <= 1e-4 * max(1, found.largest_logit)


def test_maps_of_bfloat16_are_computed_in_float32(tmp_path):
    model = Model(name="resnet18", width=4, dtype="bfloat16")
    program, _ = exported(tmp_path / "d.onnx", model)
    assert program.model.dtype == "float32"


def test_an_image_of_any_size_has_a_logit_of_its_own(tmp_path):
    program, _ = exported(tmp_path / "d.onnx", Model(name="vgg11", width=4))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 45, 67, 3), dtype=np.uint8)
    alone = [program.score(images[place : place + 1])[0] for place in range(3)]
    np.testing.assert_allclose(program.score(images), alone, atol=1e-5)
    assert np.ptp(alone) > 1e-4


@pytest.mark.parametrize(
    ("variant", "share", "bound"), [("float16", 0.6, 0.01), ("int8", 0.5, 0.2)]
)
def test_variants_take_less_space_and_give_nearly_the_logits(variant, share, bound, tmp_path):
    model = Model(name="resnet18", width=16)
    exported(tmp_path / "full.onnx", model)
    program, comparisons = exported(tmp_path / "less.onnx", model, variant)
    assert program.variant == variant
    assert (tmp_path / "less.onnx").stat().st_size < share * (tmp_path / "full.onnx").stat().st_size
    for found in comparisons:
        assert 0 < found.largest_logit_difference <= bound * found.largest_logit


def test_figures_of_the_weights_are_not_those_of_int8(tmp_path):
    figures = {"ap": 0.9, "ap_ci95": [0.8, 1.0], "accuracy": 0.8, "sharpness_ap": 0.5}
    measured = {"test": {**figures, "n_real": 9, "n_fake": 9}}
    model = Model(name="resnet18", width=4)
    for variant, kept in (("float32", measured), ("float16", measured), ("int8", {})):
        path = tmp_path / f"{variant}.onnx"
        program, _ = exported(path, model, variant, measured=measured, measured_by="crops")
        assert program.card.measured == read_onnx(path).card.measured == kept


def test_the_front_end_is_kept_in_full_precision(tmp_path):
    model = Model(name="dct_log_resnet18", width=4)
    _, (found,) = exported(tmp_path / "d.onnx", model, "float16")
    assert found.largest_logit_difference <= 0.01 * max(1, found.largest_logit)


def test_a_file_that_differs_from_jax_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_TOLERANCE", -1.0)
    with pytest.raises(
        RunFailedError, match=r"d\.onnx: onnxruntime's logits are off by .*not writ"
    ):
        exported(tmp_path / "d.onnx", Model(name="resnet18", width=4))
    assert list(tmp_path.iterdir()) == []


def test_an_operation_without_a_rule_is_named(tmp_path):
    name = "tests.convert.outside_network:Cumulative"
    trust(name)
    with pytest.raises(UserError, match="is not expressed in ONNX: cumsum; --format=stablehlo"):
        exported(tmp_path / "d.onnx", Model(name=name))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.fixture(scope="module")
def file(weights):
    path = weights.with_name("d.onnx")
    main(["export", "--format=onnx", "--size=32", str(weights), str(path)])
    return path


def test_a_file_says_what_it_is(weights, file):
    model = onnx.load(file)
    known = {one.key: one.value for one in model.metadata_props}
    about = json.loads(known["jaxdet"])
    assert known["architecture"] == "resnet18"
    assert known["digest"] == about["card"]["sha256"][:16]
    assert known["opset"] == str(model.opset_import[0].version)
    assert about["input"]["shape"] == ["b", "h", "w", 3]
    assert about["source"]["file"] == weights.name
    assert read_onnx(file).card.source == weights.name


def test_a_file_passes_the_check_against_its_source(weights, file, capsys):
    main(["check", "--size=48", "--images=3", str(weights), str(file)])
    assert "3 random images of 48 x 48 pixels" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "name", "says"),
    [
        (["--format=onnx"], "d.onnx", "exists already, and is not overwritten"),
        (["--format=onnx"], "d.bin", "give the file a name that ends in .onnx"),
        (["--variant=int8"], "d", "--variant=int8: needs --format=onnx"),
    ],
)
def test_export_refuses(weights, file, options, name, says, capsys):
    before = file.read_bytes()
    with pytest.raises(SystemExit) as stopped:
        main(["export", *options, str(weights), str(file.with_name(name))])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
    assert file.read_bytes() == before


def damaged(content):
    yield content[: len(content) // 2], "damaged, or no ONNX file"
    yield b"text", "damaged, or no ONNX file"
    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, {"jaxdet": "{]"})
    yield model.SerializeToString(), "was not written by `python -m jaxdet.convert export`"
    model = onnx.load_from_string(content)
    (about,) = (json.loads(one.value) for one in model.metadata_props if one.key == "jaxdet")
    del about["smallest"]
    onnx.helper.set_model_props(model, {"jaxdet": json.dumps(about)})
    yield model.SerializeToString(), "does not say which images it takes; export it again"


def test_damaged_and_foreign_files_are_refused_in_a_line(file, tmp_path):
    for content, says in damaged(file.read_bytes()):
        (tmp_path / "d.onnx").write_bytes(content)
        with pytest.raises(UserError, match=says):
            read_onnx(tmp_path / "d.onnx")
