"""Presets that fine-tune a vision tower, with a small random one: trained, killed, used."""

import numpy as np
import pytest
from PIL import Image

import jaxdet
from jaxdet.convert.__main__ import main as convert
from jaxdet.convert.rules import flatten
from jaxdet.results import Predictions, RunFolder, read_arrays, read_results
from jaxdet.train.weights import open_weights
from tests.conftest import write_images
from tests.e2e.conftest import main_arguments
from tests.e2e.watching import differences, wait_for

SMALL = "size=28,patch=14,width=16,depth=2,heads=2,mlp=24"
TOWERS = {
    "community_forensics": f"augreg_s16_384:{SMALL},normalisation=imagenet",
    "dda": f"dinov2_l14:{SMALL},normalisation=clip",
    "effort": f"clip_l14:{SMALL},projection=0",
}
OPTIONS = {
    "augment__crop": 28,
    "augment__resize": 0,
    "data__classes": "()",
    "data__generator": "",
    "model__init": "",
    "optim__learning_rate": 1e-2,
    "optim__ema": 0.5,
    "evaluation__protocols": "crop",
    "checkpoint__every_steps": 2,
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for number, split in enumerate(("train/a", "val/a", "test/a")):
        write_images(root / split, count=12, size=32, seed=number)
    return root


@pytest.fixture(
    scope="module",
    params=[
        "effort",
        pytest.param("dda", marks=pytest.mark.slow),
        pytest.param("community_forensics", marks=pytest.mark.slow),
    ],
)
def runs(request, images, tmp_path_factory, command, finish):
    """A run of a preset, and one that was killed on the way and went on."""
    folder = tmp_path_factory.mktemp(request.param)

    def arguments(name):
        options = {**OPTIONS, "model__tower": TOWERS[request.param]}
        return main_arguments(images, folder / name, preset=request.param, **options)

    whole, killed = RunFolder(folder / "whole"), RunFolder(folder / "killed")
    status, _, err = finish("jaxdet.main", *arguments("whole"))
    assert status == 0, err
    process = command("jaxdet.main", *arguments("killed"))
    wait_for(process, lambda: (killed.checkpoints / "2").is_dir())
    process.kill()
    process.communicate()
    status, _, err = finish("jaxdet.main", *arguments("killed"))
    assert status == 0, err
    assert "going on from step" in err
    return whole, killed


def test_a_killed_run_ends_with_the_same_bits(runs):
    whole, killed = runs
    assert differences(killed, whole) == []


def test_its_weights_are_a_plain_tower_s_in_every_form(runs, images, tmp_path):
    run, _ = runs
    scored = read_results(run.results).weights
    loaded, card = open_weights(run.path)
    assert card.digest == scored["digest"]
    assert not any("adapter" in place for place in flatten(loaded.variables))

    convert(["to-torch", str(run.path), str(tmp_path / "w.safetensors")])
    convert(["to-jax", str(tmp_path / "w.safetensors"), str(tmp_path / "back")])
    back = flatten(open_weights(tmp_path / "back")[0].variables)
    for place, value in flatten(loaded.variables).items():
        np.testing.assert_array_equal(back[place], value, err_msg=place)

    predictions = read_arrays(run.predictions("a"), Predictions)
    first = [Image.open(images / "test" / "a" / name) for name in predictions.id[:5]]
    logits = jaxdet.load_detector(run.path).score(first)
    np.testing.assert_allclose(logits, predictions.logit[:5], atol=1e-5)

    convert(["export", str(run.path), str(tmp_path / "export")])
    convert(["check", str(run.path), str(tmp_path / "export")])
