"""`data.balance=generator`: reals and each generator's fakes evenly, by the seed and step alone."""

import json
import shutil

import numpy as np
import pytest

from jaxdet.config import Augment, Config, Data, Model, validate
from jaxdet.data import order
from jaxdet.data.balance import balanced_order, find_groups
from jaxdet.data.feature_loaders import FeatureTrainLoader
from jaxdet.data.loaders import Share, TrainLoader, training_reader
from jaxdet.data.sources import open_root
from jaxdet.data.store.layout import StorePaths, read_about
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import UserError
from jaxdet.workdir.identity import json_sha256
from tests.conftest import write_images
from tests.data.table_files import structs, write_csv, write_parquet
from tests.data.test_pairs import stores

COUNTS = {"a": 3, "b": 8, "c": 1}
AUGMENT = Augment(crop=16, views=("clean", "blur:1"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder a generator, each with as many reals as fakes."""
    root = tmp_path_factory.mktemp("generators")
    for seed, (name, count) in enumerate(COUNTS.items()):
        write_images(root / "train" / name, count=count, size=24, seed=seed)
    return root


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A Parquet file in which every second image is real and no real one has a generator."""
    made_by = [name for name, count in COUNTS.items() for _ in range(count)]
    rows = len(made_by)
    columns = {
        "image": structs(2 * rows),
        "label": [0, 1] * rows,
        "generator": [one for name in made_by for one in (None, name)],
        "split": ["train"] * 2 * rows,
    }
    return write_parquet(tmp_path_factory.mktemp("table") / "a.parquet", columns)


@pytest.fixture(scope="module")
def rows(folder):
    """A row for each file of the folder: path, label, split, generator of a fake, category."""
    files = [file.relative_to(folder) for file in sorted(folder.rglob("*.png"))]
    return [[str(file), int("fake" in str(file)), "train", file.parts[1] * ("fake" in str(file)),
             ("cat", "dog")[place % 2]] for place, file in enumerate(files)]  # fmt: skip


def train_set(root):
    return open_root(str(root)).load("train", name="train")


def loader(images, *, batch_size=12, share=None, seed=5):
    read = training_reader(Data(), AUGMENT, images)
    return TrainLoader(
        read=read, augment=AUGMENT, seed=seed, batch_size=batch_size, balance="generator",
        share=share or Share(),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_each_batch_has_as_many_of_each_generator_and_as_many_reals(kind, request):
    images = train_set(request.getfixturevalue(kind))
    load = loader(images)
    names = np.full(len(images), "")
    for name, own in load.groups.fakes.items():
        names[own] = name
    assert {name: len(own) for name, own in load.groups.fakes.items()} == COUNTS
    shown = []
    for step in range(8):
        _, _, places = load.position(step)
        fakes = places[images.labels[places] == 1]
        assert len(fakes) == 6
        assert np.unique(names[fakes], return_counts=True)[1].tolist() == [2, 2, 2]
        shown += places.tolist()
    # None twice before each of its group once: 16 of b in 8 batches, of 8 images.
    counts = np.bincount(shown, minlength=len(images))
    assert np.ptp(counts[images.labels == 0]) <= 1
    assert counts[(images.labels == 1) & (names == "b")].tolist() == [2] * 8
    assert counts[(images.labels == 1) & (names == "c")].tolist() == [16]


def test_a_batch_follows_from_seed_and_step_and_is_shared_out(folder):
    images = train_set(folder)
    steps = [loader(images).position(step)[2] for step in (7, 0)]
    again = loader(images)
    assert np.array_equal(again.position(7)[2], steps[0])
    assert not np.array_equal(loader(images, seed=6).position(7)[2], steps[0])
    halves = [loader(images, share=Share(host=host, hosts=2)).position(7)[2] for host in (0, 1)]
    assert np.array_equal(np.concatenate(halves), steps[0])
    # Rows of one label do not stand at every other place, of which a part of a batch is made.
    assert 0 < images.labels[steps[0]][::2].sum() < 6


@pytest.mark.parametrize("columns", [0, 4, 5])
def test_a_store_gives_the_batches_of_its_source(folder, rows, columns, tmp_path):
    source = folder
    if columns:
        shutil.copytree(folder / "train", tmp_path / "train")
        names = ["image", "label", "split", "generator", "category"][:columns]
        source = write_csv(tmp_path / "t.csv", names, [row[:columns] for row in rows])
    pack(source, tmp_path / "store", say=print)
    one, other = (loader(train_set(root)) for root in (source, tmp_path / "store"))
    assert {name: len(own) for name, own in other.groups.fakes.items()} == COUNTS
    for step in range(3):
        first, second = one(step), other(step)
        assert all(np.array_equal(first[name], second[name]) for name in first)


def test_generators_that_a_store_does_not_name_are_damage(table, tmp_path):
    pack(table, tmp_path / "store", say=print)
    paths = StorePaths(tmp_path / "store")
    about = {**read_about(paths), "generators": ["a"]}
    paths.about.write_text(json.dumps({**about, "digest": json_sha256(about)}))
    with pytest.raises(UserError, match=r"generators\.npy: not the generators of this store"):
        open_root(str(tmp_path / "store"))


def test_kept_features_give_the_batches_of_the_images(folder, tmp_path):
    load = loader(train_set(folder))
    cached = FeatureTrainLoader(load=load, stores=tuple(stores(load, tmp_path / "features")))
    for step in range(4):
        expected, found = load(step), cached(step)
        assert np.array_equal(found["index"], expected["index"])
        assert np.array_equal(found["label"], expected["label"])
        assert np.array_equal(found["image"], expected["image"])


def test_row_groups_are_read_in_windows(table, monkeypatch):
    images = train_set(table)
    monkeypatch.setattr(order, "WINDOW_BYTES", 1)
    groups = find_groups(images, "generator")
    drawn = balanced_order(
        groups, seed=0, epoch=0, steps=2, batch_size=len(images), blocks=images.blocks
    )
    reals = drawn[images.labels[drawn] == 0]
    assert sorted(reals.tolist()) == sorted(2 * groups.real.tolist())


def test_what_cannot_be_balanced_is_refused(folder, tmp_path):
    write_images(tmp_path / "train" / "cat", count=2, size=24)
    with pytest.raises(UserError, match=r"2 real images and fakes of 1 generators \(cat\)"):
        find_groups(train_set(tmp_path), "generator")
    model = Model(name="knn", tower="clip_b32", tune="head")
    with pytest.raises(UserError, match=r"data\.balance='generator' shows images twice, and knn"):
        validate(Config(data=Data(balance="generator"), model=model))
