"""Knows the kind of device that networks are written for."""

import contextlib
import contextvars
import os
from collections.abc import Iterator

import jax

# Channels of a head that cuDNN takes on every generation.
_WIDEST = 128
# Flags of XLA, either of which asks for deterministic operations.
_DETERMINISTIC = ("xla_gpu_deterministic_ops", "xla_gpu_exclude_nondeterministic_ops")

_named: contextvars.ContextVar[str | None] = contextvars.ContextVar("platform", default=None)


def is_cpu() -> bool:
    """Returns whether a network takes the form that suits CPUs."""
    return _platform() == "cpu"


def is_onnx() -> bool:
    """Returns whether a network is written for ONNX: with the layers that its runtimes know."""
    return _platform() == "onnx"


def forward_options() -> dict[str, bool] | None:
    """Returns what XLA is told of a vision tower in bfloat16 that is not trained, for `jax.jit`.

    On GPUs its products then add biases and sums themselves: 1.08 times as many images/s on an H200
    (docs/evidence/gpu.md).
    """
    return {"xla_gpu_enable_triton_gemm": False} if _platform() == "gpu" else None


def _platform() -> str:
    return _named.get() or jax.default_backend()


def has_flash_attention(width: int) -> bool:
    """Returns whether this machine's GPU has cuDNN's fused attention for heads of a width.

    That is Ampere or later; not where a network is written for another platform.
    """
    if _named.get() or width % 8 or width > _WIDEST:
        return False
    # Of NVIDIA's "9.0", of AMD's a name.
    generation = str(getattr(jax.devices()[0], "compute_capability", "")).partition(".")[0]
    return generation.isdigit() and int(generation) >= 8


def has_flash_gradient() -> bool:
    """Returns whether XLA compiles the gradient of cuDNN's attention.

    Of JAX 0.11.2 on an H200 it does not where operations have to be deterministic.
    """
    given = {}
    for flag in os.environ.get("XLA_FLAGS", "").split():
        name, _, value = flag.removeprefix("--").partition("=")
        # A flag by itself is true; of several, XLA takes the last.
        given[name] = value.lower() not in ("false", "0")
    return not any(given.get(name) for name in _DETERMINISTIC)


@contextlib.contextmanager
def written_for(platform: str) -> Iterator[None]:
    """Makes networks called in the body take the form for another platform than this machine's.

    Args:
      platform: as `jax.default_backend()` names it; "onnx" for an ONNX file.
    """
    token = _named.set(platform)
    try:
        yield
    finally:
        _named.reset(token)
