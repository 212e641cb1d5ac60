import shutil

import numpy as np
import pytest
from PIL import Image

from jaxdet.datasets.audit.duplicates import MOST_BITS, hash_pairs
from tests.conftest import draw_image


def counts(findings):
    return {
        name: found["total"]
        for name, found in findings["duplicates"].items()
        if name != "repeats" and found["total"]
    }


def test_a_copy_in_another_split_is_found_by_its_pixels(make_tree, audit):
    root = make_tree(count=8)
    source = root / "train/cat/0_real/003.png"
    # Other bytes, other name, the same pixels.
    Image.open(source).save(root / "test/alpha/0_real/again.png", compress_level=1)
    status, findings, said = audit(root)
    assert (status, counts(findings)) == (1, {"exact_across_splits": 1})
    listed = findings["duplicates"]["exact_across_splits"]["listed"]
    assert listed == [["train/cat/0_real/003.png", "test/alpha/0_real/again.png"]]
    assert "train/cat/0_real/003.png" in said.out


def test_one_image_with_both_labels_is_a_fault(make_tree, audit):
    root = make_tree(count=8)
    shutil.copy(root / "val/cat/0_real/001.png", root / "val/cat/1_fake/other.png")
    status, findings, _ = audit(root)
    assert (status, counts(findings)) == (1, {"exact_across_labels": 1})


@pytest.mark.parametrize(
    "change",
    [
        lambda image, path: image.save(path.with_suffix(".jpg"), quality=60),
        lambda image, path: image.resize((54, 52), Image.Resampling.BICUBIC).save(path),
        lambda image, path: image.point(lambda level: min(level + 3, 255)).save(path),
    ],
    ids=["recompressed", "resized", "brighter"],
)
def test_a_near_copy_in_another_split_is_a_fault(change, make_tree, audit):
    root = make_tree(count=8)
    change(Image.open(root / "train/cat/1_fake/002.png"), root / "val/cat/1_fake/again.png")
    status, findings, _ = audit(root)
    assert (status, counts(findings)) == (1, {"near_across_splits": 1})
    pair = findings["duplicates"]["near_across_splits"]["listed"][0]
    assert sorted(path.rsplit(".")[0] for path in pair) == [
        "train/cat/1_fake/002", "val/cat/1_fake/again",
    ]  # fmt: skip


def test_a_fake_beside_its_own_photograph_is_listed_and_no_fault(make_tree, audit):
    root = make_tree(count=8)
    photo = Image.open(root / "train/cat/0_real/002.png")
    photo.resize((24, 24)).resize((48, 48)).save(root / "train/cat/1_fake/made of 002.png")
    status, findings, said = audit(root)
    assert (status, counts(findings)) == (0, {"near_across_labels": 1})
    assert "(no fault)" in said.out


def test_repeats_within_a_split_and_label_are_counted(make_tree, audit):
    root = make_tree(count=8)
    for number in range(3):
        shutil.copy(root / "train/cat/0_real/000.png", root / f"train/cat/0_real/r{number}.png")
    status, findings, _ = audit(root)
    assert (status, findings["duplicates"]["repeats"]) == (0, 3)


def test_plain_images_are_not_taken_for_each_other(make_tree, audit):
    root = make_tree(count=8)
    for place, level in (("train/cat", 90), ("val/cat", 91), ("test/alpha", 92)):
        Image.new("RGB", (48, 48), (level,) * 3).save(root / place / "0_real" / "sky.png")
    assert audit(root)[0] == 0


def test_pairs_are_those_of_a_comparison_of_all_with_all():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 2**64, 300, dtype=np.uint64)
    near = base.copy()
    for row in range(300):
        for bit in rng.choice(64, rng.integers(0, 10), replace=False):
            near[row] ^= np.uint64(1) << np.uint64(bit)
    hashes, side = np.concatenate([base, near]), rng.integers(0, 2, 600)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = np.argwhere((bits <= MOST_BITS) & (side[:, None] < side) | False)
    expected = np.unique(np.sort(expected, axis=1), axis=0)
    assert len(expected) > 50
    np.testing.assert_array_equal(hash_pairs(hashes, side=side), expected)


def test_long_lists_are_capped_and_counted(make_tree, audit):
    root = make_tree(count=2, sets=("val/cat",))
    for label in ("0_real", "1_fake"):
        (root / "train/cat" / label).mkdir(parents=True)
        (root / "test/alpha" / label).mkdir(parents=True)
    rng = np.random.default_rng(7)
    for number in range(120):
        image = Image.fromarray(draw_image(rng, 16, False))
        for place in ("train/cat", "test/alpha"):
            image.save(root / place / ("0_real", "1_fake")[number % 2] / f"{number}.bmp")
    findings = audit(root)[1]
    exact = findings["duplicates"]["exact_across_splits"]
    assert (exact["total"], len(exact["listed"])) == (120, 100)
