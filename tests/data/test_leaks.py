import os
import shutil

import pytest

from jaxdet import config as schema
from jaxdet.data.leaks import find_leaks
from jaxdet.data.splits import load_test_sets, load_train_and_val
from jaxdet.datasets.pack.store_writer import pack

AUDIT = "; `python -m jaxdet.data audit` finds all of them, and near copies"


def look(root):
    config = schema.Config(data=schema.Data(root=str(root)))
    return find_leaks(load_train_and_val(config), load_test_sets(config))


def test_images_of_one_size_that_differ_are_no_leak(dataset):
    # Two of one size in bytes, and a test set that is listed under two names.
    first, second = (dataset / "train/cat" / label / "000.png" for label in ("0_real", "1_fake"))
    sizes = [path.stat().st_size for path in (first, second)]
    for path, size in zip((first, second), sizes, strict=True):
        path.write_bytes(path.read_bytes() + b"\0" * (max(sizes) - size))
    (dataset / "test" / "delta").symlink_to("alpha")
    assert look(dataset) == []


@pytest.mark.parametrize("bring", [os.link, os.symlink, shutil.copy])
def test_tests_that_are_trained_on_are_told(bring, dataset):
    for number in range(3):
        bring(
            dataset / f"train/cat/0_real/{number:03d}.png",
            dataset / f"test/alpha/0_real/again{number}.png",
        )
    assert look(dataset) == [
        f"test images that are training images: at least 3, such as {dataset}/test/alpha/0_real/"
        f"again0.png and {dataset}/train/cat/0_real/000.png{AUDIT}"
    ]


def test_an_image_with_both_labels_is_told(dataset):
    real = dataset / "train/cat/0_real/000.png"
    shutil.copy(real, dataset / "train/horse/1_fake/other.png")
    assert look(dataset) == [
        "images labelled both real and fake: at least 1, such as "
        f"{dataset}/train/horse/1_fake/other.png and {real}{AUDIT}"
    ]


def test_a_store_tells_as_much(dataset, tmp_path):
    shutil.copy(dataset / "train/cat/0_real/000.png", dataset / "val/cat/0_real/again.png")
    pack(dataset, tmp_path / "store", say=str)
    [line] = look(tmp_path / "store")
    assert line.startswith("validation images that are training images: at least 1, such as ")


def test_files_that_are_gone_or_empty_are_passed_over(dataset):
    for place in ("train/cat/0_real", "test/alpha/1_fake"):
        (dataset / place / "nowhere.png").symlink_to("there/is/none.png")
        (dataset / place / "empty.png").touch()
    assert look(dataset) == []
