import pytest

from jaxdet.runtime.mesh import make_even_mesh


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (3, 3), (4, 4), (6, 3), (7, 1), (8, 4)])
def test_an_even_mesh_is_the_largest_that_divides(rows, size):
    # Of four devices.
    assert make_even_mesh(rows).size == size
