import shutil
from pathlib import Path

import pytest
from PIL import Image

from jaxdet.datasets.audit.places import list_root


def faults(findings, which="broken"):
    return {(fault["path"], fault["kind"]) for fault in findings[which]}


def test_empty_cut_short_foreign_and_too_large_files_are_told_apart(make_tree, audit):
    root = make_tree(count=10)
    folder = root / "train/cat/0_real"
    (folder / "000.png").write_bytes(b"")
    whole = (folder / "001.png").read_bytes()
    (folder / "001.png").write_bytes(whole[: len(whole) // 2])
    (folder / "002.png").write_bytes(b"not an image" * 100)
    Image.new("RGB", (300, 300)).save(folder / "003.png")
    status, findings, said = audit(root, "--max-pixels=50000")
    assert status == 1
    assert findings["faults"] == ["4 broken files"]
    assert faults(findings) == {
        ("train/cat/0_real/000.png", "empty"),
        ("train/cat/0_real/001.png", "truncated"),
        ("train/cat/0_real/002.png", "unreadable"),
        ("train/cat/0_real/003.png", "too large"),
    }
    assert findings["groups"][0]["real"] == {"files": 10, "read": 6}
    assert "300x300" in said.out


def test_a_jpeg_without_its_end_is_broken(make_tree, audit):
    root = make_tree(count=10)
    place = root / "val/cat/1_fake/late.jpg"
    Image.open(root / "val/cat/1_fake/000.png").resize((200, 90)).save(place)
    place.write_bytes(place.read_bytes()[:-600])
    assert faults(audit(root)[1]) == {("val/cat/1_fake/late.jpg", "truncated")}


def test_an_ending_that_lies_is_told_and_no_fault(make_tree, audit):
    root = make_tree(lambda pixels, path, fake: Image.fromarray(pixels).save(
        path.with_suffix(".png"), "JPEG"), count=8)  # fmt: skip
    status, findings, said = audit(root)
    assert (status, len(findings["misnamed"])) == (0, 48)
    assert "named PNG, is JPEG" in said.out
    assert "and 38 more" in said.out


def test_each_set_and_category_is_counted_once(dataset):
    listing = list_root(dataset)
    assert len(listing) == 2 * (24 + 5 + 7 + 3 + 4 + 2)
    assert listing.sets == ("train", "val", "test/alpha", "test/beta", "test/gamma")
    assert listing.categories("test/beta") == ["x", "y"]
    assert listing.categories("test/alpha") == []
    assert listing.label[listing.rows("test/beta", "y")].tolist() == [0] * 4 + [1] * 4
    assert all(Path(listing.where(i)).is_file() for i in range(len(listing)))
    assert {listing.ids[i].split("/")[1] for i in listing.rows("train")} == {"cat", "horse"}


@pytest.mark.parametrize("kept", ["train", "val", "test"])
def test_one_split_is_enough(kept, make_tree, audit):
    root = make_tree(count=3)
    for split in {"train", "val", "test"} - {kept}:
        shutil.rmtree(root / split)
    assert audit(root)[0] == 0
