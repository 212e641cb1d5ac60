"""What the processes of one run tell each other; one process alone asks nobody."""

import jax
from jax.experimental import multihost_utils


def agreed(value: bool) -> bool:
    """What the first process says, in all of them; every process must ask."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(value))


def meet(what: str) -> None:
    """Returns when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)
