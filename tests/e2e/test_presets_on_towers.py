"""The presets of detectors on a tower, in a tiny form: train, are killed, go on, score.

The towers have random weights: this shows that the way holds, not that anything is detected.
"""

import json

import numpy as np
import pytest

import jaxdet
from jaxdet.convert.__main__ import main as convert
from jaxdet.results import RunFolder
from tests.conftest import write_images
from tests.e2e.conftest import REPOSITORY
from tests.e2e.watching import differences, wait_for

SIDE = 24
SIZES = f"size={SIDE},patch=8,width=16,depth=2,heads=2,mlp=24"
CLIP, DINO = f"clip_l14:{SIZES},projection=12", f"dinov3_l16:{SIZES}"
PRESETS = {
    "univfd": {"tower": CLIP},
    "univfd:cached": {"tower": CLIP},
    "nearest": {"tower": CLIP, "bank": 16},
    "clipbased": {"tower": f"{CLIP},projection=0,activation=gelu"},
    "vfm_probe": {"tower": DINO},
    "vfm_probe:siglip_l16_256": {"tower": f"siglip_l16_256:{SIZES}"},
    "ssafe": {"tower": DINO},
    "nearest:centroid": {"tower": CLIP},
    "fgts": {"tower": DINO, "bank": 16, "tokens": 3},
    "rine:1": {"tower": CLIP, "width": 8},
    "rine:2": {"tower": CLIP, "width": 8},
    "rine:4": {"tower": CLIP, "width": 8},
    "rine:ldm": {"tower": CLIP, "width": 8},
    "drct": {"tower": f"{CLIP},normalisation=imagenet", "width": 8},
    "wild": {"tower": DINO},
    "wild:cached": {"tower": DINO},
}
# Torch's files have no names for a bank of images, nor for DRCT's head.
WITH_TORCH_NAMES = {name for name in PRESETS if not name.startswith(("nearest", "fgts", "drct"))}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("presets") / "data"
    for number, name in enumerate(("car", "cat", "chair", "horse")):
        write_images(root / "train" / name, count=8, seed=number)
        write_images(root / "val" / name, count=3, seed=10 + number)
    write_images(root / "test" / "alpha", count=8, seed=20)
    return root


def arguments(preset, root, workdir, features):
    name, _, form = preset.partition(":")
    options = {
        "data.root": root, "augment.crop": SIDE, "optim.batch_size": 8, "optim.max_epochs": 4,
        "evaluation.bootstrap": 0, "evaluation.analyses": "()", "runtime.devices": 1,
        "runtime.workers": 1, "runtime.log_every": 1, "checkpoint.every_steps": 3, "model.init": "",
        "runtime.features": features, **{f"model.{k}": v for k, v in PRESETS[preset].items()},
    }  # fmt: skip
    if name in ("vfm_probe", "ssafe", "fgts") or preset == "wild:cached":
        options |= {"augment.resize": SIDE, "evaluation.resize": SIDE}
    return [
        f"--config={REPOSITORY / 'configs' / name}.py{':' + form if form else ''}",
        f"--workdir={workdir}",
        *(f"--config.{key}={value}" for key, value in options.items()),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_trains_is_killed_and_ends_with_the_same_bits(
    preset, root, tmp_path, command, finish
):
    features = tmp_path / "features"
    whole, killed = (RunFolder(tmp_path / name) for name in ("whole", "killed"))
    status, _, err = finish("jaxdet.main", *arguments(preset, root, whole.path, features))
    assert status == 0, err
    assert ("not used" in err) == (preset in ("univfd", "drct", "wild"))

    again = arguments(preset, root, killed.path, features)
    process = command("jaxdet.main", *again)
    # Steps of a head take less time than a checkpoint does.
    wait_for(process, lambda: any(path.name.isdigit() for path in killed.checkpoints.glob("*")))
    process.kill()
    process.communicate()
    status, _, err = finish("jaxdet.main", *again)
    assert status == 0, err
    assert "going on from step" in err
    assert differences(killed, whole) == []
    assert set(json.loads(whole.results.read_text())["sets"]) == {"alpha"}
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    assert np.isfinite(jaxdet.load_detector(whole.path).score(images)).all()
    convert(["export", str(whole.path), str(tmp_path / "exported")])
    if preset in WITH_TORCH_NAMES:
        convert(["to-torch", str(whole.path), str(tmp_path / "w.pth")])
