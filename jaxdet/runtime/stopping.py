"""Ends all processes of a run together where a signal asks one of them for the end."""

import contextlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxdet.errors import Stopped
from jaxdet.runtime.mesh import put_batch, replicated
from jaxdet.workdir.signals import requested


@contextlib.contextmanager
def leaving_together() -> Iterator[None]:
    """Shuts all processes of a run down together: none takes the end of another for a failure."""
    try:
        yield
    except Stopped as stop:
        if stop.together and jax.process_count() > 1:
            jax.distributed.shutdown()
        raise


class StopPoint:
    """Lets all processes of a run end together, between two of their steps.

    One process just looks at `requested`. Several agree by a maximum over their devices, which is
    fetched one step late so that nobody waits for it: they end at most a step later.
    """

    def __init__(self, mesh: Mesh):
        """Takes the devices of all processes."""
        self._mesh = mesh
        self._waiting: jax.Array | None = None
        self._most = jax.jit(jnp.max, out_shardings=replicated(mesh))

    def reached(self) -> int:
        """Returns the signal that asks for the end, the same on all processes; 0 where none does.

        Every process calls this after each of its steps.
        """
        if jax.process_count() == 1:
            return requested()
        waiting, self._waiting = self._waiting, self._ask()
        return 0 if waiting is None else int(jax.device_get(waiting))

    def _ask(self) -> jax.Array:
        mine = sum(d.process_index == jax.process_index() for d in self._mesh.devices.flat)
        signums = np.full(mine, requested(), np.int32)
        most: jax.Array = self._most(put_batch(self._mesh, {"signum": signums})["signum"])
        return most
