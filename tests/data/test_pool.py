"""Community Forensics' pool of augmentations: what is drawn, and what it does to an image."""

import collections

import numpy as np
import pytest

from jaxdet.config import Augment
from jaxdet.data.augment import Crop, Flip, Jpeg, Recipe, Resize, pool
from jaxdet.data.augment.pool import _DRAWS, CutOut, Move, Pad, Pool, ResizedCrop, Upturn
from jaxdet.data.ops.affine import affine
from jaxdet.data.order import Streams

N = 1500
AUGMENT = Augment(operations=("pool", "crop"), crop=384, jpeg_quality=(75, 100), small_images="pad")
KINDS = {
    "jpeg": Jpeg, "resize": Resize, "crop": Crop, "resized_crop": ResizedCrop, "flip": Flip,
    "vertical_flip": Upturn, "padding": Pad, "cut_out": CutOut,
}  # fmt: skip


def drawn(augment, count=N):
    """Returns what is drawn of the pool for each of many images."""
    recipe = Recipe(augment)
    pools = (recipe.sample(Streams(3, "train", 0, number))[0] for number in range(count))
    return [one.operations if isinstance(one, Pool) else () for one in pools]


def test_each_member_comes_none_one_or_two_times_in_any_order():
    every = drawn(AUGMENT)
    for kind in (Jpeg, Resize, Crop, ResizedCrop, Pad):
        times = collections.Counter(sum(isinstance(one, kind) for one in ops) for ops in every)
        assert set(times) == {0, 1, 2}
        assert all(count / N == pytest.approx(1 / 3, abs=0.05) for count in times.values())
    # A coin decides about these as well.
    for kind in (Flip, Upturn, CutOut):
        assert sum(isinstance(one, kind) for ops in every for one in ops) / N == pytest.approx(
            0.5, abs=0.06
        )
    moves = [one for ops in every for one in ops if isinstance(one, Move)]
    assert len(moves) / N == pytest.approx(3, abs=0.15)
    firsts = collections.Counter(type(ops[0]) for ops in every if ops)
    assert firsts.keys() >= set(KINDS.values()) | {Move}


def test_ranges_are_the_published_ones():
    every = [one for ops in drawn(AUGMENT) for one in ops]
    resized = [one for one in every if isinstance(one, Resize)]
    assert (min(one.side for one in resized), max(one.side for one in resized)) == (385, 471)
    assert len({one.kernel for one in resized}) == 6
    qualities = [one.quality for one in every if isinstance(one, Jpeg)]
    assert (min(qualities), max(qualities)) == (75, 100)
    moves = [one for one in every if isinstance(one, Move)]
    assert max(abs(one.turn) for one in moves) == pytest.approx(15, abs=0.2)
    assert max(abs(one.shear[0]) for one in moves) == pytest.approx(15, abs=0.2)
    assert max(abs(one.shift[1]) for one in moves) == pytest.approx(0.1, abs=0.002)
    areas = [one.box.area for one in every if isinstance(one, CutOut)]
    assert (min(areas), max(areas)) == pytest.approx((0.02, 0.06), abs=0.001)


def test_no_member_changes_what_another_draws(monkeypatch):
    whole = drawn(AUGMENT, 100)
    fewer = {name: _DRAWS[name] for name in ("resize", "cut_out")}
    monkeypatch.setattr(pool, "_DRAWS", fewer)
    for every, part in zip(whole, drawn(AUGMENT, 100), strict=True):
        assert [one for one in every if isinstance(one, Resize | CutOut)] == list(part)


@pytest.mark.parametrize("name", _DRAWS)
@pytest.mark.parametrize("shape", [(30, 50), (9, 7)])
def test_each_member_leaves_an_image_and_its_input_alone(name, shape, monkeypatch):
    image = np.random.default_rng(0).integers(1, 256, (*shape, 3), dtype=np.uint8)
    before = image.copy()
    monkeypatch.setattr(pool, "_DRAWS", {name: _DRAWS[name]})
    for number in range(20):
        augment = Augment(crop=16, operations=("pool", "crop"), small_images="pad")
        out = np.zeros((16, 16, 3), np.uint8)
        Recipe(augment)(image, Streams(0, "train", 0, number), out=out)
        assert out.any()
    assert np.array_equal(image, before)


def test_affine_maps_turn_shear_and_move_about_the_middle():
    image = np.random.default_rng(0).integers(1, 256, (21, 21, 3), dtype=np.uint8)
    assert np.array_equal(affine(image), image)
    assert np.array_equal(affine(image, turn=90), np.rot90(image, -1))
    moved = affine(image, shift=(1 / 21, -2 / 21))
    assert np.array_equal(moved[:-2, 1:], image[2:, :-1])
    assert not moved[-2:].any()
    sheared = affine(image, shear=(45.0, 0.0))
    assert np.array_equal(sheared[10], image[10])
    assert np.array_equal(sheared[13, 3:], image[13, :-3])


def test_a_box_is_cut_out_or_taken():
    image = np.full((100, 200, 3), 255, np.uint8)
    draw = np.random.default_rng(0)
    for _ in range(50):
        cut = next(one for one in iter(lambda: _DRAWS["cut_out"](AUGMENT, draw), 0) if one)
        black = (cut.apply(image) == 0).all(axis=2).mean()
        assert 0.015 < black < 0.065
        assert _DRAWS["resized_crop"](AUGMENT, draw).apply(image).shape == (384, 384, 3)
