"""Paired training: one draw for a real image and the fake made from it, all else unchanged."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxdet.config import Augment, Config, Data
from jaxdet.config.views import read_views
from jaxdet.data.feature_loaders import FeatureTrainLoader, ViewLoader
from jaxdet.data.features import FeatureDraft, FeatureStore, Layout
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.pairs import draw_places
from jaxdet.data.readers import training_reader
from jaxdet.data.sources import open_root
from jaxdet.data.splits import load_train_and_val
from jaxdet.errors import UserError
from tests.data.table_files import content, structs, write_parquet

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
AUGMENT = Augment(
    crop=16, blur_probability=0.5, jpeg_probability=0.5, noise_probability=0.5,
    rescale_probability=0.5,
)  # fmt: skip


def loader(images, pairs, augment=AUGMENT):
    read = training_reader(Data(), augment, images)
    return TrainLoader(read=read, augment=augment, seed=5, batch_size=8, pairs=pairs)


@pytest.fixture
def twins(tmp_path):
    """Eight pairs of equal pixels, so that only draws can tell them apart, and two images alone."""
    for label in ("0_real", "1_fake"):
        folder = tmp_path / "train" / "cat" / label
        folder.mkdir(parents=True)
        for number in range(8):
            name = f"{number}.png" if label == "0_real" else f"{number}.webp"
            (folder / name).write_bytes(content(number, size=40))
        (folder / f"only {label}.png").write_bytes(content(99, size=40))
    return open_root(str(tmp_path)).load("train", name="train")


def test_pairs_differ_in_nothing_but_the_draws(twins):
    apart, paired = loader(twins, "none"), loader(twins, "name")
    pixels = {"apart": {}, "paired": {}}
    for step in range(2 * 3):
        one, other = apart(step), paired(step)
        for field in ("label", "index", "valid", "bad"):
            assert np.array_equal(one[field], other[field])
        for kind, batch in (("apart", one), ("paired", other)):
            for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
                pixels[kind][step // 3, index] = image
    stems = twins.stems()
    equal = {
        kind: [
            np.array_equal(seen[epoch, place], seen[epoch, partner])
            for epoch in (0, 1)
            for place, partner in enumerate(draw_places(twins, "name"))
            if place != partner
        ]
        for kind, seen in pixels.items()
    }
    assert len(equal["paired"]) == 2 * 8
    assert all(equal["paired"])
    assert sum(equal["apart"]) <= 2
    # Who has no partner, or is the first of two, is as before.
    for place in (index for index, stem in enumerate(stems) if "only" in stem):
        assert np.array_equal(pixels["apart"][0, place], pixels["paired"][0, place])
    assert not np.array_equal(pixels["paired"][0, 0], pixels["paired"][1, 0])


def stores(load, folder):
    """Returns a store of the pixels of each view, as of a tower that changes nothing."""
    for view in read_views(load.augment.views):
        views = () if view.draw is not None else (view.name,)
        augment = dataclasses.replace(load.augment, views=views)
        seen = dataclasses.replace(load, augment=augment)
        rows, shape = len(load.read.images), (16, 16, 3)
        layout = Layout(rows=rows, shape=shape, dtype="float32", facts={"view": view.name})
        draft = FeatureDraft(folder / layout.name, layout)
        with draft.appending(0):
            for step in range(-(-rows // load.batch_size)):
                batch = ViewLoader(load=seen, epoch=view.draw or 0)(step)
                draft.add(batch["index"], batch["image"].astype(np.float32))
        draft.become_store()
        yield FeatureStore(folder / layout.name)


def test_a_cache_shows_pairs_in_the_views_that_they_have_without_it(twins, tmp_path):
    """Partners are nine places apart, which is no multiple of seven views."""
    augment = dataclasses.replace(AUGMENT, views=("clean", "augmented:6"))
    load = loader(twins, "name", augment)
    cached = FeatureTrainLoader(load=load, stores=tuple(stores(load, tmp_path / "features")))
    for step in range(2 * 3):
        expected, found = load(step), cached(step)
        for field in ("label", "index", "valid", "bad"):
            assert np.array_equal(found[field], expected[field])
        assert np.array_equal(found["image"], expected["image"])


def test_groups_of_a_table_are_pairs(tmp_path):
    columns = {
        "image": structs(6),
        "label": [0, 1, 0, 1, 0, 1],
        "group": ["a", "a", "b", "c", None, None],
        "split": ["train"] * 6,
    }
    root = open_root(str(write_parquet(tmp_path / "a.parquet", columns)))
    images = root.load("train", name="train")
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert draw_places(images, "group").tolist() == [0, 1, 2, 0, 4, 5]
    assert draw_places(images, "none").tolist() == [0, 1, 2, 3, 4, 5]


def test_a_set_without_pairs_is_refused(tmp_path, twins):
    with pytest.raises(UserError, match=r"data.pairs=group: no group has both labels"):
        loader(twins, "group")


def test_rows_of_parquet_files_are_not_named_alike(tmp_path):
    """All have the name of their file: none is the partner of another for that."""
    columns = {"image": structs(4), "label": [0, 1, 0, 1], "split": ["train"] * 4}
    root = open_root(str(write_parquet(tmp_path / "a.parquet", columns)))
    with pytest.raises(UserError, match=r"data.pairs=name: no two files are named alike"):
        draw_places(root.load("train", name="train"), "name")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared images are not here")
def test_super_resolved_photographs_are_pairs():
    config = Config(data=Data(root=str(SHARED), classes=("bsd",), validation="none"))
    images, _ = load_train_and_val(config)
    places = draw_places(images, "name")
    assert (places != np.arange(len(images))).sum() == len(images) // 2
    batch = loader(images, "name")(0)
    assert batch["valid"].all()
