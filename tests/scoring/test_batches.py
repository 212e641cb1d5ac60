import math

import numpy as np
import pytest

from jaxdet.scoring.batches import MAX_SHAPES, Shapes, batch_pixels, batches, close_shape
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, MAX_WHOLE_SIDE, Piece


def pieces(rng, count, most=300):
    return [
        Piece(i, rng.integers(0, 256, (*rng.integers(1, most, 2), 3), np.uint8))
        for i in range(count)
    ]


@pytest.mark.parametrize(("often", "most", "padding"), [(0, 2 * MAX_SHAPES, 2), (1000, 22, 6)])
def test_shapes_are_few_however_many_sizes_there_are(often, most, padding):
    rng, find, found, close = np.random.default_rng(0), Shapes(often), [], []
    for _ in range(20000):
        height, width = np.exp(rng.uniform(0, np.log(MAX_WHOLE_SIDE), 2)).astype(int).tolist()
        width = min(width, MAX_WHOLE_PIXELS // height)
        shape = find(height, width)
        assert shape[0] >= height
        assert shape[1] >= width
        found.append(shape)
        close.append(close_shape(height, width))
    assert len(set(found)) <= most
    if often == 0:
        areas = zip(map(math.prod, found), map(math.prod, close), strict=True)
        assert all(area <= 4 * least for area, least in areas)
    # Sides from 1 to 2,048, each as likely as its double: no set of pictures is as mixed.
    assert sum(map(math.prod, found)) <= padding * sum(map(math.prod, close))


def test_sides_that_come_often_get_a_shape_that_fits_closely():
    assert Shapes()(30, 200) == (32, 224)
    find = Shapes(often=2)
    assert [find(30, 200) for _ in range(4)] == [(256, 256), (256, 256), (32, 224), (32, 224)]
    assert find(20, 220) == (32, 224)
    assert find(100, 20) == (128, 128)
    assert find(31, 200) == (32, 224)


@pytest.mark.parametrize(
    ("gibibytes", "crops"),
    [(None, 32), (3, 32), (9, 32), (18, 64), (60, 256), (105, 512), (999, 512)],
)
def test_an_accelerator_scores_as_many_crops_as_its_memory_suggests(gibibytes, crops):
    pixels = batch_pixels("gpu", gibibytes and gibibytes * 2**30)
    crop = np.zeros((224, 224, 3), np.uint8)
    given = (Piece(owner, crop) for owner in range(crops + 1))
    assert [len(arrays["image"]) for _, arrays in batches(given, pixels=pixels)] == [crops, 1]


@pytest.mark.parametrize("devices", [1, 4])
def test_full_batches_have_one_length_for_each_shape(devices):
    rng = np.random.default_rng(1)
    given = pieces(rng, 150)
    options = {"pixels": 2**20, "find": close_shape, "devices": devices}
    found = list(batches(given, **options, full=True))
    assert sorted(p.owner for held, _ in found for p in held) == list(range(150))
    lengths = {}
    for _, arrays in found:
        length, *shape, _ = arrays["image"].shape
        lengths.setdefault(tuple(shape), set()).add(length)
    assert all(len(counts) == 1 for counts in lengths.values())
    for _, arrays in [*found, *batches(given, **options)]:
        assert len(arrays["image"]) % devices == 0


def test_the_rest_of_an_interrupted_work_makes_the_same_batches():
    given = pieces(np.random.default_rng(2), 400, most=100)
    options = {"pixels": 2**20, "find": close_shape, "full": True}
    whole = [[p.owner for p in held] for held, _ in batches(given, **options)]
    done = {owner for batch in whole[:5] for owner in batch}
    left = batches([p for p in given if p.owner not in done], **options)
    assert [[p.owner for p in held] for held, _ in left] == whole[5:]


def test_a_few_pieces_go_in_the_shortest_batch_that_is_compiled():
    crop = np.zeros((64, 64, 3), np.uint8)

    def lengths(count, compiled):
        given = (Piece(owner, crop) for owner in range(count))
        found = batches(given, pixels=2**18, lengths=compiled)
        return [len(arrays["image"]) for _, arrays in found]

    assert [lengths(count, ()) for count in (1, 2, 32, 33)] == [[1], [32], [32], [32, 1]]
    counts = (1, 2, 3, 4, 5, 31, 35)
    assert [lengths(count, (2, 4)) for count in counts] == [[1], [2], [4], [4], [32], [32], [32, 4]]
