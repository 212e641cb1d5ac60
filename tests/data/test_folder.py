import shutil

import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Augment, Config, Data, Evaluation
from jaxdet.data.folder import FolderSet, load_set, read_size
from jaxdet.data.splits import check_sizes, load_test_sets, load_train_and_val
from jaxdet.errors import UserError
from tests.conftest import write_images


def data_config(root, **options):
    return Config(data=Data(root=str(root), **options))


def test_label_comes_from_the_folder_of_the_file_alone(tmp_path):
    root = tmp_path / "0_real" / "1_fake stuff" / "real"
    write_images(root / "whichfaceisreal", count=2)
    images = load_set(root / "whichfaceisreal", name="x")
    assert images.ids == ("0_real/000.png", "0_real/001.png", "1_fake/000.png", "1_fake/001.png")
    assert images.labels.tolist() == [0, 0, 1, 1]
    assert images.labels.dtype == np.int32


def test_files_that_are_no_images_by_name_are_left_aside(tmp_path):
    folder = write_images(tmp_path / "a", count=1)
    for name in ("Thumbs.db", "notes.txt", ".hidden.png"):
        (folder / "0_real" / name).write_text("x")
    (folder / "0_real" / "folder.png").mkdir()
    assert len(load_set(folder, name="a")) == 2


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        load_set(tmp_path / "nowhere", name="a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="neither 0_real and 1_fake nor folders"):
        load_set(tmp_path / "empty", name="a")
    one = write_images(tmp_path / "one", count=1)
    (one / "1_fake" / "000.png").unlink()
    with pytest.raises(UserError, match="1_fake: holds no image files"):
        load_set(one, name="a")
    (one / "1_fake").rmdir()
    with pytest.raises(UserError, match="each class needs 0_real and 1_fake"):
        load_set(one, name="a")


def test_val_folder_is_used_where_there_is_one(dataset):
    train, val = load_train_and_val(data_config(dataset))
    assert (len(train), len(val)) == (48, 10)
    assert val.folder == dataset / "val"


def test_validation_can_be_taken_from_train_beside_a_val_folder(dataset):
    train, val = load_train_and_val(data_config(dataset, validation="train", val_fraction=0.25))
    assert (len(train), len(val)) == (36, 12)
    assert val.folder == dataset / "train"
    assert not set(train.ids) & set(val.ids)


def test_without_validation_all_of_train_is_trained_on_beside_a_val_folder(dataset):
    train, val = load_train_and_val(data_config(dataset, validation="none"))
    assert (len(train), len(val)) == (48, 0)
    assert val.sampled_fingerprint() == val.sampled_fingerprint() != train.sampled_fingerprint()


def test_training_images_come_from_train_root_and_tests_from_root(dataset, tmp_path):
    write_images(tmp_path / "other" / "train" / "face", count=8)
    config = data_config(dataset, train_root=str(tmp_path / "other"), val_fraction=0.25)
    train, val = load_train_and_val(config)
    assert {i.split("/")[0] for i in (*train.ids, *val.ids)} == {"face"}
    assert [one.name for one in load_test_sets(config)] == ["alpha", "beta", "gamma"]
    with pytest.raises(UserError, match=r"data\.train_root=nowhere: no such folder"):
        load_train_and_val(data_config(dataset, train_root="nowhere"))


def test_validation_is_held_out_of_train_where_there_is_no_val(dataset):
    (dataset / "val").rename(dataset / "elsewhere")
    config = data_config(dataset, val_fraction=0.25)
    train, val = load_train_and_val(config)
    assert len(train) == 36
    assert len(val) == 12
    assert not set(train.ids) & set(val.ids)
    folders = [i.rsplit("/", 1)[0] for i in val.ids]
    assert {name: folders.count(name) for name in folders} == {
        "cat/0_real": 3, "cat/1_fake": 3, "horse/0_real": 3, "horse/1_fake": 3
    }  # fmt: skip
    assert load_train_and_val(config)[1].ids == val.ids
    other = Config(data=config.data, seed=1)
    assert load_train_and_val(other)[1].ids != val.ids


def test_classes_and_their_number_choose_folders(dataset):
    (dataset / "val").rename(dataset / "elsewhere")
    train, _ = load_train_and_val(data_config(dataset, classes=("horse",)))
    assert {i.split("/")[0] for i in train.ids} == {"horse"}
    train, _ = load_train_and_val(data_config(dataset, num_classes=1))
    assert {i.split("/")[0] for i in train.ids} == {"cat"}
    with pytest.raises(UserError, match="zebra"):
        load_train_and_val(data_config(dataset, classes=("zebra",)))
    with pytest.raises(UserError, match="num_classes=3"):
        load_train_and_val(data_config(dataset, num_classes=3))


def test_fraction_takes_an_equal_share_of_each_folder(dataset):
    train, _ = load_train_and_val(data_config(dataset, fraction=0.5))
    folders = [i.rsplit("/", 1)[0] for i in train.ids]
    assert {folders.count(name) for name in folders} == {6}
    one = data_config(write_images(dataset / "one" / "train", count=12).parent, fraction=0.05)
    with pytest.raises(
        UserError, match=r"^data\.fraction=0\.05 leaves 1 real and 1 fake images of"
    ):
        load_train_and_val(one)


def test_test_sets_are_found_or_named_in_order(dataset):
    assert [s.name for s in load_test_sets(data_config(dataset))] == ["alpha", "beta", "gamma"]
    config = Config(data=Data(root=str(dataset)), evaluation=Evaluation(sets=("gamma", "alpha")))
    assert [s.name for s in load_test_sets(config)] == ["gamma", "alpha"]
    beta = load_test_sets(data_config(dataset))[1]
    assert {i.split("/")[0] for i in beta.ids} == {"x", "y"}
    with pytest.raises(UserError, match="delta"):
        load_test_sets(Config(data=Data(root=str(dataset)), evaluation=Evaluation(sets=("delta",))))


def test_images_smaller_than_the_crop_are_told_before_training(dataset):
    train, _ = load_train_and_val(data_config(dataset))
    check_sizes(train, Augment(crop=40))
    check_sizes(train, Augment(crop=64, resize=64))
    with pytest.raises(UserError, match=r"000.png: 40x40 pixels.*augment.crop=41"):
        check_sizes(train, Augment(crop=41))


def test_training_images_that_resizing_enlarges_are_told(dataset, capsys):
    train, _ = load_train_and_val(data_config(dataset))
    check_sizes(train, Augment(crop=32, resize=40))
    assert capsys.readouterr().err == ""
    check_sizes(train, Augment(crop=32, resize=41))
    (line,) = capsys.readouterr().err.splitlines()
    assert "000.png has 40x40 pixels, less than augment.resize=41" in line


def test_fingerprint_tells_sets_apart(tmp_path):
    a = load_set(write_images(tmp_path / "a", count=2), name="a")
    b = load_set(write_images(tmp_path / "b", count=2), name="b")
    assert a.fingerprint == b.fingerprint
    Image.new("RGB", (4, 4)).save(tmp_path / "b" / "0_real" / "new.png")
    assert load_set(tmp_path / "b", name="b").fingerprint != a.fingerprint


def test_the_fingerprint_of_content_tells_other_files_apart_and_not_other_times(tmp_path):
    def content(name):
        return load_set(tmp_path / name, name="x").content_fingerprint

    write_images(tmp_path / "a", count=2)
    shutil.copytree(tmp_path / "a", tmp_path / "b", copy_function=shutil.copyfile)
    assert content("b") == content("a")
    Image.new("RGB", (40, 40)).save(tmp_path / "b" / "0_real" / "000.png")
    assert content("b") != content("a")
    kept = load_set(tmp_path / "a", name="x")
    assert kept.take([0, 1]).content_fingerprint != kept.content_fingerprint
    (tmp_path / "a" / "1_fake" / "001.png").unlink()
    assert FolderSet(name="x", folder=kept.folder, files=kept.files).content_fingerprint != content(
        "b"
    )


def test_a_header_that_pillow_refuses_has_no_size(tmp_path):
    # A PNG whose first chunk is cut short: Pillow raises ValueError.
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x04IHDR\x00\x00\x00\x01")
    assert read_size(tmp_path / "a.png") is None
