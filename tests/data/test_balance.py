"""`data.balance=generator`: reals and each generator's fakes evenly, by the seed and step alone."""

import json
import shutil

import numpy as np
import pytest

from jaxdet.config import Augment, Config, Data, Model, validate
from jaxdet.data import order
from jaxdet.data.balance import balanced_order, find_groups
from jaxdet.data.feature_loaders import FeatureTrainLoader
from jaxdet.data.loaders import Shard, TrainLoader
from jaxdet.data.readers import training_reader
from jaxdet.data.sources import open_root
from jaxdet.data.store.layout import StorePaths, read_about
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import UserError
from jaxdet.workdir.identity import json_sha256
from tests.conftest import write_images
from tests.data.table_files import content, structs, write_csv, write_parquet, write_tree
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


def loader(images, *, batch_size=12, augment=AUGMENT, **more):
    read = training_reader(Data(), augment, images)
    settings = {"seed": 5, "balance": "generator", **more}
    return TrainLoader(read=read, augment=augment, batch_size=batch_size, **settings)


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
        places = load.position(step)[2]
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
    halves = [loader(images, shard=Shard(host=host, hosts=2)).position(7)[2] for host in (0, 1)]
    assert np.array_equal(np.concatenate(halves), steps[0])
    # Rows of one label do not stand at every other place, of which a part of a batch is made.
    assert 0 < images.labels[steps[0]][::2].sum() < 6


def shown(load, steps):
    """Returns the pixels of each showing of each image: its place -> a list."""
    seen = {}
    for step in steps:
        batch = load(step)
        for index, image in zip(batch["index"].tolist(), batch["image"], strict=True):
            seen.setdefault(index, []).append(image.tobytes())
    return seen


@pytest.mark.parametrize("scope", ["image", "batch"])
def test_what_comes_again_in_an_epoch_is_augmented_anew(folder, scope):
    images = train_set(folder)
    load = loader(images, augment=Augment(crop=8, scope=scope))
    epoch = shown(load, range(2))  # 12 rows each, of which 4 are the one image of c
    (single,) = load.groups.fakes["c"].tolist()
    assert len(epoch[single]) == 4
    assert len(set(epoch[single])) > 1
    # The second epoch begins where the first one ended, also in a loader that starts there.
    second = shown(loader(images, augment=load.augment), [2, 3])
    assert second == shown(load, [2, 3])
    assert not set(epoch[single]) & set(second[single])
    views = loader(images, augment=Augment(crop=8, views=("augmented:2",)))
    assert len(set(shown(views, range(2))[single])) == 1


def test_partners_share_the_draws_of_each_time(tmp_path):
    write_tree(tmp_path, [f"{folder}/{n}.png" for folder in ("coco", "sd1", "sd2") for n in "ij"])
    for file in tmp_path.rglob("*.png"):  # equal pixels, so that only draws can tell them apart
        file.write_bytes(content(1, size=40))
    rows = [[f"{folder}/{n}.png", int(folder != "coco"), "train", folder]
            for folder in ("coco", "sd1", "sd2") for n in "ij"]  # fmt: skip
    table = write_csv(tmp_path / "t.csv", ["image", "label", "split", "generator"], rows)
    images = train_set(table)
    load = loader(images, batch_size=4, augment=Augment(crop=16), pairs="name")
    seen = shown(load, range(8))  # 16 rows of two reals, 16 of four fakes
    assert {place: len(own) for place, own in seen.items()} == {0: 8, 1: 8, 2: 4, 3: 4, 4: 4, 5: 4}
    for place, own in seen.items():
        assert own == seen[place % 2][: len(own)]
        assert len(set(own)) > 1


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
    drawn, _ = balanced_order(
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
