import errno
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Augment, Config, Data
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.readers import Reader
from jaxdet.data.sources import open_root
from jaxdet.data.splits import load_test_sets, load_train_and_val
from jaxdet.datasets.pack import store_writer
from jaxdet.datasets.pack.draft import Draft
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import RunFailedError, UserError
from jaxdet.workdir.lock import claimed
from tests.conftest import write_images

REPOSITORY = Path(__file__).parents[3]
SETS = ("train", "val", "test/alpha", "test/beta", "test/gamma")


def packed(root, dst):
    lines = []
    pack(root, dst, say=lines.append)
    return lines


@pytest.fixture
def odd_dataset(dataset):
    """With a broken file, a palette, an alpha channel, a 16-bit image and strange names."""
    folder = dataset / "test" / "alpha" / "0_real"
    (folder / "broken.png").write_bytes((folder / "000.png").read_bytes()[:300])
    picture = Image.open(folder / "000.png")
    picture.quantize(8).save(folder / "palette.png")
    picture.convert("RGBA").save(folder / "alpha.png")
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(folder / "deep.png")
    picture.save(folder / "\N{SNOWMAN} name.png")
    picture.save(os.fsencode(folder) + b"/not\xff-utf8.png")
    return dataset


def test_a_store_is_the_folder_in_pixels_order_labels_and_sizes(odd_dataset, tmp_path):
    packed(odd_dataset, tmp_path / "store")
    assert_same(open_root(str(odd_dataset)), open_root(str(tmp_path / "store")))


def assert_same(folder, other):
    assert other.categories("train") == folder.categories("train")
    assert other.categories("test") == folder.categories("test")
    assert other.categories("test/alpha") == [""]
    for place in SETS:
        a, b = folder.load(place, name="x"), other.load(place, name="x")
        assert list(b.ids) == list(a.ids)
        assert np.array_equal(b.labels, a.labels)
        assert b.fingerprint == a.fingerprint
        assert len(b.content_fingerprint) == 16
        for index in range(len(a)):
            assert b.size(index) == a.size(index)
            assert outcome(b, index) == outcome(a, index)
    one, other_one = (
        root.load("train", name="x", categories=["horse"]) for root in (folder, other)
    )
    assert list(one.ids) == list(other_one.ids)
    taken, other_taken = one.take([3, 1]), other_one.take(np.array([3, 1]))
    assert list(taken.ids) == list(other_taken.ids)
    assert np.array_equal(taken.read(1, max_pixels=10**6), other_taken.read(1, max_pixels=10**6))


def outcome(images, index):
    try:
        pixels = images.read(index, max_pixels=10**6)
    except ValueError as error:
        return str(error)
    return pixels.shape, pixels.tobytes()


def test_images_of_one_lossless_size_are_raw_and_the_rest_are_the_files(odd_dataset, tmp_path):
    packed(odd_dataset, tmp_path / "store")
    images = open_root(str(tmp_path / "store")).load("test/alpha", name="x")
    raw = {i: bool(images.store.index["raw"][images.records[n]]) for n, i in enumerate(images.ids)}
    assert raw["0_real/001.png"]
    assert not any(raw[f"0_real/{name}.png"] for name in ("broken", "palette", "alpha", "deep"))
    jpeg = open_root(str(tmp_path / "store")).load("test/beta", name="x", categories=["x"])
    for number, name in enumerate(jpeg.ids):
        file = odd_dataset / "test" / "beta" / name
        assert jpeg.store.content(int(jpeg.records[number])).tobytes() == file.read_bytes()


def test_batches_do_not_depend_on_the_source(dataset, tmp_path):
    packed(dataset, tmp_path / "store")
    augment = Augment(crop=24, blur_probability=0.5, jpeg_probability=0.5)
    batches = []
    for root in (dataset, tmp_path / "store"):
        config = Config(data=Data(root=str(root)), augment=augment)
        train, val = load_train_and_val(config)
        read = Reader(images=train, max_pixels=10**6, skip_bad=False)
        load = TrainLoader(read=read, augment=augment, seed=3, batch_size=8)
        batches.append([load(step) for step in range(7)])
        assert [len(one) for one in load_test_sets(config)] == [14, 14, 4]
        assert len(val) == 10
    for a, b in zip(*batches, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)


def test_limits_hold_for_raw_images_too(dataset, tmp_path):
    packed(dataset, tmp_path / "store")
    images = open_root(str(tmp_path / "store")).load("train", name="x")
    with pytest.raises(ValueError, match=r"40x40 pixels are more than data\.max_pixels=1000"):
        images.read(0, max_pixels=1000)


def test_a_store_travels_to_workers_as_its_path(dataset, tmp_path):
    packed(dataset, tmp_path / "store")
    images = open_root(str(tmp_path / "store")).load("train", name="x")
    content = pickle.dumps(images)
    assert len(content) < 2000
    again = pickle.loads(content)  # noqa: S301 - made a line above
    assert list(again.ids) == list(images.ids)
    assert np.array_equal(again.read(5, max_pixels=10**6), images.read(5, max_pixels=10**6))


def test_packing_again_says_so_and_other_images_are_refused(dataset, tmp_path):
    store = tmp_path / "store"
    packed(dataset, store)
    before = snapshot(store)
    assert packed(dataset, store) == [f"{store}: is packed already"]
    (dataset / "train" / "cat" / "0_real" / "000.png").unlink()
    with pytest.raises(UserError, match="a store of other files"):
        packed(dataset, store)
    assert snapshot(store) == before


def snapshot(folder):
    return {p: zlib.crc32(p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("taken", ["file", "folder"])
def test_what_is_there_already_is_left_alone(dataset, tmp_path, taken):
    dst = tmp_path / "dst"
    dst.write_text("mine") if taken == "file" else (dst / "mine").mkdir(parents=True)
    with pytest.raises(UserError, match="exists already and is no packed store"):
        packed(dataset, dst)


@pytest.mark.parametrize("empty", ["nothing", "no label"])
def test_a_folder_without_the_layout_is_refused(tmp_path, empty):
    root = tmp_path / "root"
    root.mkdir()
    if empty == "no label":
        (root / "cat").mkdir()
        (root / "cat" / "a.png").touch()
    says = {"nothing": "holds no train/, val/ or test/", "no label": "no folder says which images"}
    with pytest.raises(UserError, match=says[empty]):
        packed(root, tmp_path / "store")
    assert not (tmp_path / "store.partial").exists()


# Packs with shards of a few images, so that a kill finds some of them done.
KILLED = """
import sys
from pathlib import Path
from jaxdet.datasets.pack import store_writer
store_writer.SHARD_BYTES = 20_000
store_writer.pack(Path(sys.argv[1]), Path(sys.argv[2]), say=print)
"""


def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    root = tmp_path / "root"
    for number in range(3):
        write_images(root / "train" / f"c{number}", count=150, seed=number)
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 20_000)
    packed(root, tmp_path / "whole")
    draft = tmp_path / "store.partial"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(root), str(tmp_path / "store")], cwd=REPOSITORY
    )
    while process.poll() is None and len(list(draft.glob("parts/*.npy"))) < 5:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = sorted(p.name for p in draft.glob("parts/*.npy"))
    assert 5 <= len(done) < len(list((tmp_path / "whole" / "shards").iterdir()))
    first = draft / "shards" / "00000.bin"
    written = first.stat().st_mtime_ns
    packed(root, tmp_path / "store")
    assert (tmp_path / "store/shards/00000.bin").stat().st_mtime_ns == written
    assert not draft.exists()
    a, b = snapshot(tmp_path / "whole"), snapshot(tmp_path / "store")
    assert list(a.values()) == list(b.values())
    assert [p.name for p in a] == [p.name for p in b]


def test_a_draft_of_other_images_is_not_added_to(dataset, tmp_path):
    draft = tmp_path / "store.partial"
    draft.mkdir()
    (draft / "plan.json").write_text(json.dumps({"source": "0", "schema_version": 1}))
    with pytest.raises(UserError, match="was begun with other files"):
        packed(dataset, tmp_path / "store")


def test_two_starts_do_not_write_the_same_store(dataset, tmp_path):
    with (
        claimed(tmp_path / "store", instead="DST"),
        pytest.raises(UserError, match="store: another process works on it"),
    ):
        packed(dataset, tmp_path / "store")
    packed(dataset, tmp_path / "store")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data root", "store"]


def stopped(dataset, tmp_path, monkeypatch):
    """A draft with all its shards, as a start leaves it that was killed before the end."""
    monkeypatch.setattr(store_writer, "SHARD_BYTES", 20_000)
    with monkeypatch.context() as patched:
        patched.setattr(store_writer, "_finish", raise_full)
        with pytest.raises(RunFailedError, match="the disk is full; free disk space"):
            packed(dataset, tmp_path / "store")
    return tmp_path / "store.partial"


def raise_full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("damage", ["short shard", "no shard", "torn part", "none"])
def test_a_damaged_draft_is_made_good_from_the_first_damage_on(
    dataset, tmp_path, monkeypatch, damage
):
    draft = stopped(dataset, tmp_path, monkeypatch)
    assert len(list((draft / "shards").iterdir())) > 5
    if damage == "short shard":
        (draft / "shards/00002.bin").write_bytes(b"short")
    elif damage == "no shard":
        (draft / "shards/00002.bin").unlink()
    elif damage == "torn part":
        (draft / "parts/00002.npy").write_bytes(b"torn")
    packed(dataset, tmp_path / "store")
    assert_same(open_root(str(dataset)), open_root(str(tmp_path / "store")))
    packed(dataset, tmp_path / "other")
    assert list(snapshot(tmp_path / "store").values()) == list(
        snapshot(tmp_path / "other").values()
    )


def test_a_start_stopped_before_the_renaming_only_renames(dataset, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Draft, "become", raise_full)
        with pytest.raises(RunFailedError):
            packed(dataset, tmp_path / "store")
    shard = tmp_path / "store.partial/shards/00000.bin"
    written = shard.stat().st_mtime_ns
    packed(dataset, tmp_path / "store")
    assert (tmp_path / "store/shards/00000.bin").stat().st_mtime_ns == written
    assert not (tmp_path / "store.partial").exists()
    assert sorted(p.name for p in (tmp_path / "store").iterdir()) == [
        "index.npy", "names.bin", "shards", "store.json",
    ]  # fmt: skip


def test_files_that_changed_under_their_names_are_other_files(dataset, tmp_path, monkeypatch):
    stopped(dataset, tmp_path, monkeypatch)
    image = dataset / "train/cat/0_real/000.png"
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(image)
    with pytest.raises(UserError, match="or they changed since"):
        packed(dataset, tmp_path / "store")
    packed(dataset, tmp_path / "other")
    os.utime(image, ns=(0, 0))
    with pytest.raises(UserError, match="a store of other files"):
        packed(dataset, tmp_path / "other")


@pytest.mark.parametrize("place", ["train/store", "store", "val"])
def test_a_store_in_the_folder_of_its_images_is_refused(dataset, place):
    before = sorted(dataset.rglob("*"))
    with pytest.raises(UserError, match="which is read; give another DST"):
        packed(dataset, dataset / place)
    assert sorted(dataset.rglob("*")) == before


def test_a_place_that_cannot_be_is_told(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"store: cannot be written: .*file is in the way"):
        packed(dataset, tmp_path / "file" / "store")


def test_a_file_that_cannot_be_read_is_named(dataset, tmp_path):
    image = dataset / "test" / "gamma" / "1_fake" / "001.png"
    image.unlink()
    os.mkfifo(image)
    with pytest.raises(UserError, match=r"001\.png: cannot be packed: is no regular file"):
        packed(dataset, tmp_path / "store")


def test_a_broken_first_file_does_not_keep_the_others_from_being_raw(dataset, tmp_path):
    (dataset / "train" / "cat" / "0_real" / "000.png").write_bytes(b"")
    packed(dataset, tmp_path / "store")
    images = open_root(str(tmp_path / "store")).load("train", name="x")
    assert images.store.index["raw"][images.records].sum() == len(images) - 1


def test_a_split_without_classes_is_the_same_from_every_source(dataset, tmp_path):
    root = tmp_path / "flat"
    write_images(root / "train", count=6)
    packed(root, tmp_path / "store")
    for source in (root, tmp_path / "store"):
        config = Config(data=Data(root=str(source), num_classes=1, val_fraction=0.5))
        train, val = load_train_and_val(config)
        assert (len(train), len(val)) == (6, 6)


@pytest.mark.parametrize("name", ["index.npy", "names.bin"])
def test_a_damaged_index_is_told_at_once(dataset, tmp_path, name):
    packed(dataset, tmp_path / "store")
    flip(tmp_path / "store" / name, at=-3)
    with pytest.raises(UserError, match=f"{name}: missing or damaged"):
        open_root(str(tmp_path / "store"))


def test_a_changed_description_is_told_at_once(dataset, tmp_path):
    packed(dataset, tmp_path / "store")
    about = tmp_path / "store" / "store.json"
    about.write_text(about.read_text().replace("train/cat/0_real", "train/cas/0_real"))
    with pytest.raises(UserError, match="is not as it was written"):
        open_root(str(tmp_path / "store"))


def flip(path, *, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_missing_short_or_newer_parts_are_told_at_once(dataset, tmp_path):
    packed(dataset, tmp_path / "store")
    shard = tmp_path / "store" / "shards" / "00000.bin"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="bytes instead of"):
        open_root(str(tmp_path / "store"))
    shard.unlink()
    with pytest.raises(UserError, match="the store is not whole"):
        open_root(str(tmp_path / "store"))
    shard.write_bytes(whole)
    about = tmp_path / "store" / "store.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "schema_version": 2}))
    with pytest.raises(UserError, match="schema version 2"):
        open_root(str(tmp_path / "store"))


def test_a_class_that_was_not_packed_is_named(dataset, tmp_path):
    packed(dataset, tmp_path / "store")
    root = open_root(str(tmp_path / "store"))
    with pytest.raises(UserError, match="no class dog; there are cat, horse"):
        root.load("train", name="x", categories=["dog"])
    shutil.rmtree(dataset / "test")
    packed(dataset, tmp_path / "other")
    with pytest.raises(UserError, match="/test: no such folder"):
        load_test_sets(Config(data=Data(root=str(tmp_path / "other"))))


def test_a_picture_is_raw_whatever_lossless_container_it_came_in(tmp_path):
    root = tmp_path / "root"
    write_images(root / "train", count=2)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "bmp")
    (root / "train" / "0_real" / "z.bmp").write_bytes(file.getvalue())
    packed(root, tmp_path / "store")
    images = open_root(str(tmp_path / "store")).load("train", name="x")
    place = list(images.ids).index("0_real/z.bmp")
    assert images.store.index["raw"][images.records[place]]
    assert np.array_equal(images.read(place, max_pixels=10**6)[:, :, ::-1], pixels)


def test_the_fingerprint_of_content_is_over_checksums(tmp_path):
    found = []
    for seed in (1, 1, 2):
        root, store = tmp_path / f"d{len(found)}", tmp_path / f"s{len(found)}"
        write_images(root / "test" / "x", count=2, seed=seed)
        packed(root, store)
        found.append(open_root(str(store)).load("test/x", name="x"))
    one, same, other = found
    assert one.fingerprint == other.fingerprint
    assert one.content_fingerprint == same.content_fingerprint != other.content_fingerprint
