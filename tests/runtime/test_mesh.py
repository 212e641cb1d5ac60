import pytest

from jaxdet.runtime import mesh
from jaxdet.runtime.mesh import make_even_mesh, one_ahead


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (3, 3), (4, 4), (6, 3), (7, 1), (8, 4)])
def test_an_even_mesh_is_the_largest_that_divides(rows, size):
    # Of four devices.
    assert make_even_mesh(rows).size == size


@pytest.mark.parametrize(
    ("platform", "order"),
    [("cpu", "place 1, use 1, place 2, use 2"), ("gpu", "place 1, place 2, use 1, use 2")],
)
def test_a_card_gets_the_next_batch_before_it_is_given_work(platform, order, monkeypatch):
    monkeypatch.setattr(mesh, "platform", lambda devices: platform)
    told = []

    def placed():
        for number in (1, 2):
            told.append(f"place {number}")
            yield number

    for number in one_ahead(None, placed()):
        told.append(f"use {number}")
    assert ", ".join(told) == order


def test_what_was_placed_before_a_failure_is_used(monkeypatch):
    monkeypatch.setattr(mesh, "platform", lambda devices: "gpu")
    used = []

    def placed():
        yield from (1, 2)
        raise OSError("the third")

    with pytest.raises(OSError, match="the third"):
        used.extend(one_ahead(None, placed()))
    assert used == [1, 2]
