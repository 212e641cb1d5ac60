import numpy as np
import pytest
from PIL import Image

from jaxdet.data.images import SPLITS
from jaxdet.datasets.makers import photos
from jaxdet.errors import BadImageError, UserError


def save_photographs(folder, *, count, size=80):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pixels = np.random.default_rng(i).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"photo {i}.png")


def files_of(split):
    return [view for photograph in split for view in photograph.views]


def test_no_built_in_file_is_in_two_splits_and_all_are_there():
    split = photos.find_photographs(None, seed=0, size=72)
    files = [f for name in SPLITS for f in files_of(split[name])]
    assert len(files) == len(set(files)) == 16
    assert all(f.is_file() for f in files)


def test_the_stereo_pair_is_one_photograph():
    split = photos.find_photographs(None, seed=0, size=72)
    pairs = [p for name in SPLITS for p in split[name] if "motorcycle" in str(p.views)]
    assert [len(p.views) for p in pairs] == [2]


def test_built_in_photographs_refuse_a_size_that_does_not_fit():
    with pytest.raises(UserError, match="148 at most"):
        photos.find_photographs(None, seed=0, size=300)


def test_own_photographs_are_split_apart_by_the_seed(tmp_path):
    save_photographs(tmp_path, count=20)
    first = photos.find_photographs(tmp_path, seed=0, size=32)
    files = [f for name in SPLITS for f in files_of(first[name])]
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert [len(first[name]) for name in SPLITS] == [12, 3, 5]
    assert first == photos.find_photographs(tmp_path, seed=0, size=32)
    assert first != photos.find_photographs(tmp_path, seed=1, size=32)


def test_names_differ_where_stems_are_the_same(tmp_path):
    save_photographs(tmp_path / "a", count=3)
    save_photographs(tmp_path / "b", count=3)
    split = photos.find_photographs(tmp_path, seed=0, size=32)
    names = [p.name for name in SPLITS for p in split[name]]
    assert len(set(names)) == 6
    assert all(set(name) <= set("abphoto-0123456789") for name in names)


def test_too_few_large_photographs(tmp_path):
    save_photographs(tmp_path / "large", count=5)
    save_photographs(tmp_path / "small", count=4, size=63)
    with pytest.raises(UserError, match=r"5 photographs of at least 64x64 .*4 smaller"):
        photos.find_photographs(tmp_path, seed=0, size=32)


def test_a_broken_photograph_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"not a photograph")
    with pytest.raises(BadImageError, match=r"broken\.jpg"):
        photos.find_photographs(tmp_path, seed=0, size=32)


def test_crops_come_evenly_and_only_from_their_photographs(tmp_path):
    for i, gray in enumerate((40, 120)):
        tone = np.full((80, 80, 3), gray, np.uint8)
        tone[::2] += 30  # stripes, else the crops are flat
        Image.fromarray(tone).save(tmp_path / f"{i}.png")
    given = [photos.Photograph(str(i), (tmp_path / f"{i}.png",)) for i in range(2)]
    crops = photos.cut_crops(given, count=5, size=32, seed=(0,))
    assert crops.names == ("0_0000.png", "0_0001.png", "0_0002.png", "1_0000.png", "1_0001.png")
    assert crops.images.shape == (5, 32, 32, 3)
    assert crops.images.dtype == np.uint8
    assert crops.images[:3].max() <= 80 < 110 <= crops.images[3:].min()


def test_fewer_crops_than_photographs(tmp_path):
    save_photographs(tmp_path, count=3)
    given = [photos.Photograph(f.stem, (f,)) for f in sorted(tmp_path.iterdir())]
    assert len(photos.cut_crops(given, count=2, size=32, seed=(0,)).names) == 2
