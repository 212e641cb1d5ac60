import threading

import numpy as np
import pytest

from jaxdet.data.ahead import in_order
from jaxdet.data.buckets import Buckets, batch_pixels, batches, bucket
from jaxdet.data.pieces import MAX_WHOLE_PIXELS, Piece
from jaxdet.errors import RunFailedError


def pieces(rng, count, most=300):
    return [
        Piece(i, rng.integers(0, 256, (*rng.integers(1, most, 2), 3), np.uint8))
        for i in range(count)
    ]


def test_shapes_are_few_however_many_sizes_there_are():
    rng, find = np.random.default_rng(0), Buckets()
    for _ in range(20000):
        height = int(np.exp(rng.uniform(0, np.log(5000))))
        width = min(int(np.exp(rng.uniform(0, np.log(5000)))), MAX_WHOLE_PIXELS // height)
        shape = find(height, width)
        assert shape[0] >= height
        assert shape[1] >= width
        fine = bucket(height, width)
        assert shape[0] * shape[1] <= 4 * fine[0] * fine[1]
    assert 64 <= len(find.shapes) <= 128


def test_shapes_are_the_fine_ones_up_to_the_bound():
    find = Buckets(most=2)
    assert [find(30, 30), find(200, 300)] == [(32, 32), (224, 320)]
    assert find(20, 10) == (32, 32)  # known
    assert find(190, 260) == (224, 320)  # held by one that is known
    assert find(40, 40) == (64, 64)  # held by none at less than four times its pixels
    assert find(500, 20) == (512, 32)


@pytest.mark.parametrize(
    ("gibibytes", "crops"),
    [(None, 32), (3, 32), (9, 32), (18, 64), (60, 256), (105, 512), (999, 512)],
)
def test_an_accelerator_scores_as_many_crops_as_its_memory_suggests(gibibytes, crops):
    pixels = batch_pixels("gpu", gibibytes and gibibytes * 2**30)
    crop = np.zeros((224, 224, 3), np.uint8)
    given = (Piece(owner, crop) for owner in range(crops + 1))
    assert [len(b.image) for b in batches(given, pixels=pixels)] == [crops, 1]


@pytest.mark.parametrize("devices", [1, 4])
def test_full_batches_have_one_number_of_rows_for_each_shape(devices):
    rng = np.random.default_rng(1)
    given = pieces(rng, 150)
    found = list(batches(given, pixels=2**20, devices=devices, full=True))
    assert sorted(p.owner for b in found for p in b.pieces) == list(range(150))
    rows = {}
    for batch in found:
        rows.setdefault(batch.image.shape[1:], set()).add(len(batch.image))
    assert all(len(counts) == 1 for counts in rows.values())
    assert all(len(b.image) % devices == 0 for b in found)
    assert all(len(b.image) % devices == 0 for b in batches(given, pixels=2**20, devices=devices))


def test_the_rest_of_an_interrupted_work_makes_the_same_batches():
    given = pieces(np.random.default_rng(2), 400, most=100)
    whole = [[p.owner for p in b.pieces] for b in batches(given, pixels=2**20, full=True)]
    done = {owner for batch in whole[:5] for owner in batch}
    left = batches([p for p in given if p.owner not in done], pixels=2**20, full=True)
    assert [[p.owner for p in b.pieces] for b in left] == whole[5:]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_work_ahead_comes_in_order_and_within_its_budget(workers):
    costs = np.random.default_rng(3).integers(1, 60, 80)
    lock, alive, most = threading.Lock(), [0], [0]

    def work(place):
        with lock:
            alive[0] += int(costs[place])
            most[0] = max(most[0], alive[0])
        return place

    for number, place in enumerate(
        in_order(work, range(80), cost=lambda p: int(costs[p]), budget=100, workers=workers)
    ):
        assert place == number
        with lock:
            alive[0] -= int(costs[place])
    assert number == 79
    assert most[0] <= 160


def test_an_error_ahead_comes_out_at_its_place():
    def work(place):
        if place == 3:
            raise ValueError("the third")
        return place

    given = in_order(work, range(9), cost=lambda p: 1, budget=100, workers=2)
    assert [next(given) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RunFailedError, match="ValueError: the third"):
        next(given)
