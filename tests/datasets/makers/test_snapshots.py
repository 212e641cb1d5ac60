import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.datasets.makers.snapshots import load_snapshot, save_snapshot
from jaxdet.errors import UserError
from jaxdet.runtime.mesh import batch_sharding, make_even_mesh


def test_a_snapshot_comes_back_where_it_was(tmp_path):
    tree = {"row": 3, "weights": jnp.arange(6.0).reshape(2, 3), "fakes": np.zeros(4, np.uint8)}
    save_snapshot(tmp_path / "kept", tree)
    read = load_snapshot(tmp_path / "kept", like={**tree, "fakes": np.zeros(9, np.uint8)})
    assert isinstance(read["weights"], jax.Array)
    assert isinstance(read["fakes"], np.ndarray)
    jax.tree.map(np.testing.assert_array_equal, read, tree)


def test_arrays_on_many_devices_come_back_to_them(tmp_path):
    sharding = batch_sharding(make_even_mesh(4))
    tree = {"weights": jax.device_put(np.arange(8.0), sharding)}
    save_snapshot(tmp_path / "kept", tree)
    assert load_snapshot(tmp_path / "kept", like=tree)["weights"].sharding == sharding
    assert sharding.num_devices == 4


def test_arrays_of_other_shapes_are_another_tree(tmp_path):
    save_snapshot(tmp_path / "kept", {"weights": jnp.zeros((2, 3))})
    with pytest.raises(UserError, match=r"kept: .*\[2, 3\] stands for \[3, 2\].*remove it"):
        load_snapshot(tmp_path / "kept", like={"weights": jnp.zeros((3, 2))})
