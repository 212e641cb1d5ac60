"""Checks that a batch fits into memory, and keeps the memory that a step on CPUs gives back."""

import ctypes
import os

import jax

from jaxdet.errors import UserError

# malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = -1


def check_fits(option: str, size: int) -> None:
    """Raises UserError where a batch of so many bytes is larger than this machine's memory."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > there:
        raise UserError(
            f"{option}: one batch of images takes {size / 2**30:.0f} GiB on this machine, which "
            f"has {there / 2**30:.0f} GiB of memory; give smaller batches or crops"
        )


def device_memory(device: jax.Device) -> int | None:
    """Returns the bytes that JAX may take of a device's memory; None where it does not say."""
    limits: dict[str, int] = device.memory_stats() or {}
    return limits.get("bytes_limit")


def keep_freed_memory() -> None:
    """Lets malloc hand large blocks out again that were given back, on CPUs under glibc.

    For commands, which end with their work: it holds for the whole process. To be called from the
    main thread before anything is computed.

    XLA for CPUs takes and frees its buffers anew each step, and glibc gives blocks of that size
    back to the system each time: filling their pages with zeros again cost a fifth of the time of
    a ResNet-50's step here (docs/evidence/step.md). Only the main thread's heap holds blocks
    above 64 MiB, whatever malloc is told, so computations for one CPU device run in the thread that
    calls them, which a host that works on the same cores does not miss; those over several devices
    or processes do not. The process holds on to the most that it ever used. Computations for
    accelerators are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    # Read when JAX starts its backends, which the next question makes it do. One process among
    # several would wait for the others inside such a call, with signals unanswered.
    if not jax.distributed.is_initialized():
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    if jax.default_backend() != "cpu":
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, _NEVER)
