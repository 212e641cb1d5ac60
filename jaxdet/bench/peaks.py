"""Gives the most that a chip computes: vendors' figures for dense products, or one timed here."""

import time

import jax
import jax.numpy as jnp

# FLOP/s by the beginning of jax's device_kind: bfloat16, and float32 as the tensor cores take it
# (TF32). NVIDIA's datasheets of H200, H100 (SXM), A100 and L4, Google's of its TPUs.
_VENDORS = {
    "NVIDIA H200": (989e12, 494e12),
    "NVIDIA H100": (989e12, 494e12),
    "NVIDIA A100": (312e12, 156e12),
    "NVIDIA L4": (121e12, 60e12),
    "TPU v4": (275e12, None),
    "TPU v5 lite": (197e12, None),
    "TPU v5p": (459e12, None),
    "TPU v6 lite": (918e12, None),
}
_SIDE = 2048
_ROUNDS = 5


def peak(dtype: str) -> tuple[float | None, str]:
    """Returns the peak FLOP/s of the first device, None where unknown, and the figure's source.

    Args:
      dtype: float32 or bfloat16.
    """
    device = jax.devices()[0]
    if device.platform == "cpu":
        return _measured(dtype), f"product of {_SIDE} x {_SIDE} matrices, timed in this run"
    for kind, (bfloat16, float32) in _VENDORS.items():
        if device.device_kind.startswith(kind):
            return (bfloat16 if dtype == "bfloat16" else float32), "vendor's, dense"
    return None, "not known for this chip"


def _measured(dtype: str) -> float:
    """Returns the best FLOP/s of a few matrix products on all cores."""
    matrix = jnp.ones((_SIDE, _SIDE), dtype)
    product = jax.jit(jnp.matmul).lower(matrix, matrix).compile()
    seconds = []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        jax.block_until_ready(product(matrix, matrix))
        seconds.append(time.perf_counter() - began)
    return 2 * _SIDE**3 / min(seconds[1:])
