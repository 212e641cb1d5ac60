import threading

import numpy as np
import pytest

from jaxdet.scoring.ahead import in_order


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
    with pytest.raises(ValueError, match="the third"):
        next(given)
