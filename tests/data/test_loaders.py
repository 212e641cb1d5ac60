import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Augment, Data, Runtime
from jaxdet.data.folder import load_set
from jaxdet.data.loaders import EvalLoader, Shard, TrainLoader
from jaxdet.data.ops import center_crop, kernel_blur
from jaxdet.data.order import epoch_order, steps_per_epoch
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import Reader, evaluation_reader, training_reader
from jaxdet.errors import BadImageError, UserError

AUGMENT = Augment(crop=24, blur_probability=0.5, jpeg_probability=0.5)


def reader(folder, *, skip=False):
    return Reader(images=load_set(folder, name="set"), max_pixels=10**6, skip_bad=skip)


def train_loader(folder, *, shard=None, skip=False, augment=AUGMENT, batch_size=8):
    return TrainLoader(
        read=reader(folder, skip=skip),
        augment=augment,
        seed=3,
        batch_size=batch_size,
        shard=shard or Shard(),
    )


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("decode", "side"), [("whole", 400), ("scaled", 100)])
def test_training_images_are_decoded_as_far_as_resizing_needs(tmp_path, decode, side):
    for label in ("0_real", "1_fake"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (480, 400)).save(tmp_path / label / "a.jpg")
    images = load_set(tmp_path, name="set")
    augment = Augment(crop=64, resize=96, decode=decode)
    read = training_reader(Data(), augment, images)
    assert read(0).shape[0] == side
    batch = TrainLoader(read=read, augment=augment, seed=0, batch_size=2)(0)
    assert batch["image"].shape == (2, 64, 64, 3)


@pytest.mark.parametrize(
    ("kind", "workers"),
    [("threads", 1), ("threads", 3), ("processes", 1), ("processes", 3)],
)
def test_batches_do_not_depend_on_the_workers(dataset, kind, workers):
    load = train_loader(dataset / "train")
    expected = [load(step) for step in range(2, 9)]
    runtime = Runtime(workers=workers, worker_kind=kind)
    with open_batches(load, start=2, stop=9, runtime=runtime) as batches:
        # Copies: a worker process reuses the shared memory of a batch.
        given = [{name: np.array(rows) for name, rows in batch.items()} for batch in batches]
    assert len(given) == len(expected)
    assert all(same(a, b) for a, b in zip(given, expected, strict=True))


def test_in_line_batches_are_the_loader_s(dataset):
    load = train_loader(dataset / "train")
    with open_batches(load, start=0, stop=3, runtime=Runtime(workers=0)) as batches:
        assert all(same(batch, load(step)) for step, batch in enumerate(batches))


def test_shards_of_two_hosts_make_the_batch_of_one(dataset):
    whole = train_loader(dataset / "train")
    first, second = (
        train_loader(dataset / "train", shard=Shard(host=host, hosts=2)) for host in (0, 1)
    )
    for step in (0, 5, 11):
        parts = [first(step), second(step)]
        joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        assert same(joined, whole(step))


def test_an_epoch_shows_every_image_and_the_next_another_order(dataset):
    n = len(reader(dataset / "train").images)
    first = epoch_order(n, seed=3, epoch=0, batch_size=10)
    second = epoch_order(n, seed=3, epoch=1, batch_size=10)
    assert first.shape == (steps_per_epoch(n, batch_size=10), 10) == (5, 10)
    assert sorted(first.ravel()[:n]) == list(range(n))
    assert np.array_equal(first.ravel()[n:], first.ravel()[: 50 - n])
    assert not np.array_equal(first, second)


def test_augmentation_differs_between_epochs_and_images(dataset):
    augment = Augment(crop=24, blur_probability=1.0, blur_sigma=(0.5, 3.0))
    load = train_loader(dataset / "train", augment=augment, batch_size=48)
    a, b = load(0), load(1)
    of_a = {int(i): a["image"][row] for row, i in enumerate(a["index"])}
    changed = [
        not np.array_equal(of_a[int(i)], b["image"][row]) for row, i in enumerate(b["index"])
    ]
    assert np.mean(changed) > 0.95


def test_training_pixels_come_from_the_image_of_the_index(dataset):
    load = train_loader(dataset / "train", augment=Augment(crop=40, flip_probability=0.0))
    batch = load(4)
    for row, index in enumerate(batch["index"]):
        assert np.array_equal(batch["image"][row], load.read(int(index))[:, :, ::-1])
        assert batch["label"][row] == load.read.images.labels[index]


def test_evaluation_shows_each_image_once_in_order(dataset):
    loader = EvalLoader(read=reader(dataset / "test" / "beta"), crop=32, batch_size=4)
    batches = [loader(step) for step in range(loader.steps)]
    assert loader.steps == 4
    index = np.concatenate([b["index"] for b in batches])
    valid = np.concatenate([b["valid"] for b in batches])
    assert index[valid].tolist() == list(range(14))
    assert index[~valid].tolist() == [-1, -1]
    assert all((b["image"][~b["valid"]] == 0).all() for b in batches)


def test_evaluation_shards_of_two_hosts_make_the_whole(dataset):
    def make(shard):
        return EvalLoader(
            read=reader(dataset / "test" / "beta"), crop=32, batch_size=4, shard=shard
        )

    whole = make(Shard())
    parts = [make(Shard(host=h, hosts=2)) for h in (0, 1)]
    for step in range(whole.steps):
        halves = [p(step) for p in parts]
        joined = {name: np.concatenate([h[name] for h in halves]) for name in halves[0]}
        assert same(joined, whole(step))


def test_published_validation_is_the_same_in_an_epoch_and_new_in_the_next(dataset):
    def make(epoch):
        return EvalLoader(
            read=reader(dataset / "val"),
            crop=24,
            batch_size=10,
            augment=AUGMENT,
            seed=3,
            epoch=epoch,
        )

    assert same(make(0)(0), make(0)(0))
    assert not same(make(0)(0), make(1)(0))


def validation(dataset, augment, *, epoch=0):
    """Batches of validation by the augmentation of training."""
    loader = EvalLoader(
        read=reader(dataset / "val"), crop=24, batch_size=5, augment=augment, as_published=False,
        seed=3, epoch=epoch,
    )  # fmt: skip
    return [loader(0), loader(1)]


def test_validation_by_the_training_augmentation_crops_at_random_anew_each_epoch(dataset):
    plain = Augment(crop=24, flip_probability=0.0)
    first, again, next_epoch = (validation(dataset, plain, epoch=e) for e in (0, 0, 1))
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not same(first[0], next_epoch[0])
    centre = EvalLoader(read=reader(dataset / "val"), crop=24, batch_size=5)(0)
    assert not np.array_equal(first[0]["image"], centre["image"])
    image = reader(dataset / "val")(0)[:, :, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(image, (24, 24, 3)).reshape(-1, 24, 24, 3)
    assert (windows == first[0]["image"][0]).all((1, 2, 3)).any()


def test_validation_draws_once_a_batch_where_training_does(dataset):
    augment = Augment(
        crop=24, corner="centre", flip_probability=0.0, scope="batch", blur="kernel",
        blur_probability=1.0,
    )  # fmt: skip
    read = reader(dataset / "val")

    def blurred(size, batch):
        images = [
            center_crop(kernel_blur(read(int(i)), size=size), size=24) for i in batch["index"]
        ]
        return np.stack(images)[..., ::-1]

    found = [
        [size for size in (1, 3, 5, 7) if np.array_equal(blurred(size, batch), batch["image"])]
        for epoch in range(6)
        for batch in validation(dataset, augment, epoch=epoch)
    ]
    assert {len(sizes) for sizes in found} == {1}
    assert len({size for (size,) in found}) > 1


def test_a_validation_image_that_a_random_crop_does_not_fit_in_is_named(dataset):
    with pytest.raises(UserError, match=r"val/cat/0_real/000\.png: 40x40 pixels .* crop of 41"):
        EvalLoader(
            read=reader(dataset / "val"), crop=41, batch_size=5, augment=Augment(crop=41),
            as_published=False,
        )(0)  # fmt: skip


@pytest.fixture
def broken(dataset):
    """The data root with one text file named .png and one truncated image."""
    folder = dataset / "train" / "cat"
    (folder / "0_real" / "003.png").write_text("no image")
    path = folder / "1_fake" / "005.png"
    path.write_bytes(path.read_bytes()[:700])
    return dataset


def test_policy_stop_names_the_broken_image(broken):
    load = train_loader(broken / "train", batch_size=48)
    with pytest.raises(BadImageError, match=r"00[35]\.png: .*on_bad_image=skip"):
        load(0)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_policy_stop_comes_out_of_the_workers(broken, kind):
    load = train_loader(broken / "train", batch_size=48)
    runtime = Runtime(workers=2, worker_kind=kind)
    with (
        pytest.raises(BadImageError, match=r"00[35]\.png"),
        open_batches(load, start=0, stop=4, runtime=runtime) as batches,
    ):
        next(batches)


def test_policy_skip_replaces_in_training_and_leaves_all_others(broken):
    load = train_loader(broken / "train", batch_size=48, skip=True)
    ids = load.read.images.ids
    batch = load(0)
    bad = sorted(ids[i] for i in batch["bad"] if i >= 0)
    assert bad == ["cat/0_real/003.png", "cat/1_fake/005.png"]
    order = epoch_order(48, seed=3, epoch=0, batch_size=48)[0]
    untouched = batch["bad"] < 0
    assert np.array_equal(batch["index"][untouched], order[untouched])
    replaced = [(ids[order[r]], ids[batch["index"][r]]) for r in np.flatnonzero(~untouched)]
    assert sorted(replaced) == [
        ("cat/0_real/003.png", "cat/0_real/004.png"),
        ("cat/1_fake/005.png", "cat/1_fake/006.png"),
    ]
    assert np.array_equal(batch["label"], load.read.images.labels[order])


def test_policy_skip_masks_in_evaluation(broken):
    loader = EvalLoader(read=reader(broken / "train", skip=True), crop=24, batch_size=48)
    batch = loader(0)
    missing = [loader.read.images.ids[i] for i in batch["bad"] if i >= 0]
    assert missing == ["cat/0_real/003.png", "cat/1_fake/005.png"]
    assert batch["valid"].sum() == 46


def test_a_folder_without_any_readable_image_ends_even_under_skip(tmp_path):
    for label in ("0_real", "1_fake"):
        (tmp_path / "a" / label).mkdir(parents=True)
        (tmp_path / "a" / label / "0.png").write_text("no image")
    with pytest.raises(BadImageError, match="no 0_real image can be read"):
        train_loader(tmp_path / "a", skip=True)(0)


@pytest.fixture
def thin(tmp_path):
    """A set in which one image of each label is readable, but absurd once it is resized."""
    for label in ("0_real", "1_fake"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (3000, 4)).save(tmp_path / label / "0.png")
        Image.new("RGB", (300, 280)).save(tmp_path / label / "1.png")
    return load_set(tmp_path, name="thin")


RESIZED = Augment(crop=224, resize=256)
OPTIONS = {"augment": RESIZED, "seed": 3, "batch_size": 4}


@pytest.mark.parametrize("policy", ["skip", "replace"])
def test_an_image_whose_size_an_operation_refuses_is_replaced_in_training(thin, policy):
    batch = TrainLoader(
        read=training_reader(Data(on_bad_image=policy), RESIZED, thin), **OPTIONS
    )(0)  # fmt: skip
    assert (
        sorted(thin.ids[i] for i in batch["index"]) == ["0_real/1.png"] * 2 + ["1_fake/1.png"] * 2
    )
    assert sorted(thin.ids[i] for i in batch["bad"] if i >= 0) == ["0_real/0.png", "1_fake/0.png"]


def test_an_image_whose_size_an_operation_refuses_is_named(thin):
    policy = Data(on_bad_image="stop")
    train = TrainLoader(read=training_reader(policy, RESIZED, thin), **OPTIONS)
    validation = EvalLoader(read=evaluation_reader(policy, thin), crop=224, **OPTIONS)
    for load in (train, validation):
        with pytest.raises(BadImageError, match=r"0\.png: would become .* by padding or resizing"):
            load(0)


def test_an_image_smaller_than_the_crop_is_named(dataset):
    load = train_loader(dataset / "train", augment=Augment(crop=41))
    with pytest.raises(UserError, match=r"\.png: 40x40 pixels .* crop of 41"):
        load(0)
