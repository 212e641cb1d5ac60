"""Lays devices out as one row, batches sharded across it, all else replicated on each."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxdet.errors import UserError
from jaxdet.runtime.memory import check_fits


def make_mesh(count: int) -> Mesh:
    """Returns a mesh with the one axis "data" over the first `count` devices; 0 takes all.

    Raises:
      UserError: where there are fewer devices.
    """
    devices = jax.devices()
    if count > len(devices):
        raise UserError(f"runtime.devices={count}, but there are {len(devices)}")
    return _row(devices[: count or len(devices)])


def make_even_mesh(rows: int) -> Mesh:
    """Returns a mesh like make_mesh's, over as many of this process's devices as divide `rows`."""
    devices = jax.local_devices()
    count = max(n for n in range(1, min(rows, len(devices)) + 1) if rows % n == 0)
    return _row(devices[:count])


def own_mesh(mesh: Mesh) -> Mesh:
    """Returns this process's devices of a mesh, as a mesh of their own."""
    return _row([d for d in mesh.devices.flat if d.process_index == jax.process_index()])


def one_device_mesh() -> Mesh:
    """Returns the device that JAX uses where nobody names one, as a mesh."""
    return _row([jax.device_put(0).device])


def _row(devices: Sequence[jax.Device]) -> Mesh:
    # Said aloud because jax.make_mesh's default became Explicit.
    return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of the first axis across the devices."""
    return NamedSharding(mesh, P("data"))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the replicated sharding: a full copy on each device."""
    return NamedSharding(mesh, P())


def check_divides(mesh: Mesh, *, batch_size: int, option: str) -> None:
    """Refuses a batch that the devices do not divide.

    Raises:
      UserError: naming the option.
    """
    if batch_size % mesh.size:
        raise UserError(f"{option}={batch_size} is not divided by the {mesh.size} devices")


def check_batch(mesh: Mesh, option: str, size: int, *, side: int) -> None:
    """Refuses a batch of images that the devices do not divide or the memory cannot hold.

    Raises:
      UserError: naming the option.
    """
    check_divides(mesh, batch_size=size, option=option)
    check_fits(f"{option}={size}", size // jax.process_count() * 3 * side**2)


def put_batch(mesh: Mesh, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
    """Returns this host's shard as part of global arrays [B, ...], sharded across the devices.

    On CPUs they are there when it returns: a computation whose input is still under way goes to
    another thread, and all that follow it, away from the memory that is kept (memory.py).
    """
    sharding = batch_sharding(mesh)
    placed = {
        name: jax.make_array_from_process_local_data(sharding, rows) for name, rows in batch.items()
    }
    if platform(mesh) == "cpu":
        jax.block_until_ready(placed)
    return placed


def platform(mesh: Mesh) -> str:
    """Returns what the devices are: cpu, gpu or tpu."""
    name: str = mesh.devices.flat[0].platform
    return name


def one_ahead(mesh: Mesh, placed: Iterable[Any]) -> Iterator[Any]:
    """Yields what is placed on the devices; on accelerators the next is under way before each.

    A copy to a card waits for all that was launched before it, so it passes while a step works
    only where it was asked for before that step (docs/evidence/gpu.md).

    Args:
      mesh: the devices.
      placed: gives arrays from `put_batch`, each placed as it is asked for.
    """
    return iter(placed) if platform(mesh) == "cpu" else one_step_late(placed, lambda arrays: arrays)


def put_number(mesh: Mesh, number: np.number[Any]) -> jax.Array:
    """Returns a number replicated on each device.

    All processes give the same one; `put_replicated` would ask them whether they do.
    """
    return jax.make_array_from_process_local_data(replicated(mesh), np.asarray(number))


def put_replicated(mesh: Mesh, tree: Any) -> Any:
    """Replicates host arrays on each device.

    Through numpy copies: device_put may alias its input, and a donated alias deletes it.
    """
    sharding = replicated(mesh)
    return jax.tree.map(lambda leaf: jax.device_put(np.array(leaf), sharding), tree)


def own_replicas(mesh: Mesh, tree: Any) -> Any:
    """Returns replicated arrays of a mesh as arrays of its `own_mesh`; nothing is copied."""
    sharding = replicated(own_mesh(mesh))
    return jax.tree.map(
        lambda leaf: jax.make_array_from_single_device_arrays(
            leaf.shape, sharding, [shard.data for shard in leaf.addressable_shards]
        ),
        tree,
    )


def one_step_late(
    results: Iterable[Any], fetch: Callable[[Any], Any] = jax.device_get
) -> Iterator[Any]:
    """Yields each result on the host while the devices compute the next.

    Args:
      results: trees of arrays, each launched as it is asked for.
      fetch: gives a tree on the host.
    """
    waiting = None
    try:
        for result in results:
            if waiting is not None:
                yield fetch(waiting)
            waiting = result
    except Exception:
        # What came before the failure is not lost with it.
        if waiting is not None:
            yield fetch(waiting)
        raise
    if waiting is not None:
        yield fetch(waiting)
