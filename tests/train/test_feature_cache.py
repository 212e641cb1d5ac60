"""What a frozen tower sees is kept, and heads train on it as they do on images."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from jaxdet.config import Augment, Config, Data, Evaluation, Model, Optim, Runtime, validate
from jaxdet.data.splits import load_train_and_val
from jaxdet.errors import UserError
from jaxdet.results import RunFolder
from jaxdet.run import run
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.assemble import assemble
from jaxdet.train.session import train_to_end
from tests.conftest import write_images
from tests.e2e.watching import comparable, final_state

TOWER = "clip_b32:size=24,patch=8,width=16,depth=2,heads=2,mlp=24,projection=12"
VIEWS = ("clean", "augmented:2", "blur:1+jpeg:60", "scale:0.5")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """24 images to train on, 10 to validate, 8 to score; one of each split cannot be read."""
    root = tmp_path_factory.mktemp("features") / "data"
    write_images(root / "train" / "cat", count=12, seed=0)
    write_images(root / "val" / "cat", count=5, seed=10)
    write_images(root / "test" / "alpha", count=4, seed=20)
    for split in ("train", "val"):
        (root / split / "cat" / "0_real" / "003.png").write_bytes(b"broken")
    return root


def config_of(root, features="", *, views=VIEWS, model=None, **optim):
    options = {"name": "linear_probe", "tower": TOWER, "tune": "head", **(model or {})}
    # Options of what nothing draws are refused.
    drawn = {} if views == ("clean",) else {"blur_probability": 0.5, "jpeg_probability": 0.5}
    return Config(
        data=Data(root=str(root), on_bad_image="skip"),
        augment=Augment(crop=24, views=views, **drawn),
        model=Model(**options),
        optim=Optim(
            **{"batch_size": 8, "learning_rate": 1e-2, "schedule": "constant", "max_epochs": 5}
            | optim
        ),
        evaluation=Evaluation(bootstrap=0, analyses=()),
        runtime=Runtime(devices=1, workers=0, log_every=1, features=str(features)),
    )


def trained(config, workdir):
    run(config, workdir)
    return RunFolder(workdir)


def scores(folder):
    return {k: v["ap"] for k, v in json.loads(folder.results.read_text())["sets"].items()}


HEADS = {
    "linear_probe": {},
    "normalised": {"normalise": True},
    "bfloat16": {"dtype": "bfloat16"},
    "rine": {"name": "rine", "width": 8, "projection_layers": 2},
    "knn": {"name": "knn", "bank": 16, "neighbours": 3},
    "centroid": {"name": "centroid"},
    "token_probe": {"name": "token_probe", "bank": 24, "tokens": 3},
}


# Dropout and ReLUs let the last digit grow a hundredfold in ten steps of Adam.
OPTIMS = {"rine": {"supcon": 0.2, "name": "sgd", "learning_rate": 1e-3, "max_epochs": 2}}
# The others add seconds each.
QUICK = ("linear_probe", "rine", "knn")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in HEADS]
)
def test_a_head_trains_the_same_with_the_cache_and_without(root, tmp_path, name, capsys):
    optim = OPTIMS.get(name, {})
    plain, cached = (
        trained(config_of(root, features, model=HEADS[name], **optim), tmp_path / folder)
        for folder, features in (("plain", ""), ("cached", tmp_path / "features"))
    )
    assert "24 training images, augmented-1: will take " in capsys.readouterr().err
    assert len(list((tmp_path / "features").iterdir())) == 6
    (_, expected), (_, found) = final_state(plain), final_state(cached)
    assert found.keys() == expected.keys()
    # One program for tower and head keeps more digits between them than bfloat16 has. A value near
    # 0 before a ReLU of RINE may fall on its other side.
    bound = {"bfloat16": 1e-3, "rine": 1e-5}.get(name, 1e-6)
    for place, value in expected.items():
        # Momenta are sums of gradients, a learning rate's worth of which moves a parameter.
        of = bound if place.startswith(".variables") else 100 * bound
        # Sums over the 12 images of a label have the rounding of each: two orders of one in
        # float32 are 1.9e-6 apart, and float64 gives 1e-6 and 2.3e-6 from these two runs.
        of = 12 * bound if name == "token_probe" and "batch_stats" in place else of
        np.testing.assert_allclose(found[place], value, atol=of, rtol=of, err_msg=place)
    for one, other in zip(comparable(cached), comparable(plain), strict=True):
        assert one == pytest.approx(other, rel=10 * bound, abs=10 * bound)
    assert scores(cached) == pytest.approx(scores(plain))


def test_runs_share_features_and_a_tower_that_moves_has_none(root, tmp_path, capsys):
    features = tmp_path / "features"
    trained(config_of(root, features, views=("clean",), max_epochs=1), tmp_path / "first")
    assert "will take" in capsys.readouterr().err
    before = {p: p.stat().st_mtime_ns for p in features.rglob("*")}
    other = config_of(root, features, views=("clean",), max_epochs=2, learning_rate=0.5)
    trained(other, tmp_path / "second")
    assert "will take" not in capsys.readouterr().err
    assert before == {p: p.stat().st_mtime_ns for p in features.rglob("*")}

    moved = dataclasses.replace(other, model=dataclasses.replace(other.model, tune="all"))
    trained(moved, tmp_path / "moved")
    assert "not used, model.tune=all" in capsys.readouterr().err
    drawn = dataclasses.replace(other, augment=dataclasses.replace(other.augment, views=()))
    trained(drawn, tmp_path / "drawn")
    assert "not used, augment.views is empty" in capsys.readouterr().err
    assert before == {p: p.stat().st_mtime_ns for p in features.rglob("*")}


def test_as_many_draws_as_epochs_are_the_augmentation_of_each(root, tmp_path):
    """One epoch with one draw sees the pixels of a run without views."""
    one = config_of(root, tmp_path / "features", views=("augmented:1",), max_epochs=1)
    plain = config_of(root, views=(), max_epochs=1)
    (_, found), (_, expected) = (
        final_state(trained(config, tmp_path / str(number)))
        for number, config in enumerate((one, plain))
    )
    for place, value in expected.items():
        np.testing.assert_allclose(found[place], value, atol=1e-6, rtol=1e-5)


def test_a_damaged_store_ends_the_run_and_is_made_again_once_removed(root, tmp_path):
    config = config_of(root, tmp_path / "features", views=("clean",), max_epochs=1)
    first = trained(config, tmp_path / "first")
    store = min((tmp_path / "features").iterdir())
    content = (store / "rows.bin").read_bytes()
    (store / "rows.bin").write_bytes(content[:-1] + b"x")
    with pytest.raises(UserError, match=f"{store.name}: damaged; remove it, and it is made again"):
        trained(config, tmp_path / "second")
    shutil.rmtree(store)
    second = trained(config, tmp_path / "second")
    assert (store / "rows.bin").read_bytes() == content
    for one, other in zip(
        jax.tree.leaves(final_state(first)), jax.tree.leaves(final_state(second)), strict=True
    ):
        assert np.array_equal(one, other)


def test_what_cannot_be_kept_or_remembered_is_refused(root):
    config = config_of(root)
    shared = dataclasses.replace(config.augment, scope="batch")
    with pytest.raises(UserError, match=r"augmented:K needs augment\.scope='image'"):
        validate(dataclasses.replace(config, augment=shared))
    with pytest.raises(UserError, match=r"augment\.views: 'sharp' is not one of"):
        validate(config_of(root, views=("sharp",)))
    with pytest.raises(UserError, match=r"knn' has no gradient for its tower"):
        validate(config_of(root, model={"name": "knn", "tune": "all"}))


def test_what_pairs_draw_alike_is_kept_apart(root, tmp_path):
    features = tmp_path / "features"
    config = config_of(root, features, views=("augmented:1",), max_epochs=1)
    paired = dataclasses.replace(config, data=dataclasses.replace(config.data, pairs="name"))
    for number, one in enumerate((config, paired)):
        trained(one, tmp_path / str(number))
    views = [json.loads(p.read_text())["facts"]["view"] for p in features.glob("*/store.json")]
    assert sorted(views) == ["augmented-0", "augmented-0", "clean"]


def test_what_the_run_cannot_write_is_told_before_features_are_made(root, tmp_path):
    folder, features = RunFolder(tmp_path / "run"), tmp_path / "features"
    folder.metrics.mkdir(parents=True)
    config = config_of(root, features, views=("clean",))
    parts = assemble(config, *load_train_and_val(config), run=folder, mesh=make_mesh(1))
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be read"):
        train_to_end(parts)
    assert not features.exists()
