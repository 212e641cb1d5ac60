"""Computes features of a frozen tower on a batch that lies on the device, as the cache does."""

import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdet.bench.jax_step import device_memory, flop_in
from jaxdet.bench.peaks import peak
from jaxdet.bench.stepper import Ready, Settings, make_batch, tower_array
from jaxdet.config import Model
from jaxdet.convert.rules import flatten, nest
from jaxdet.models.detector import get_detector
from jaxdet.runtime.memory import keep_freed_memory
from jaxdet.runtime.mesh import make_mesh, put_batch, put_replicated


def prepare(settings: Settings) -> Ready:
    """Compiles the tower, computes the features of a batch and tells how long that took."""
    keep_freed_memory()
    mesh = make_mesh(1)
    detector = get_detector(
        Model(name="linear_probe", tower=settings.arch, tune="head", dtype=settings.dtype)
    )
    shapes = jax.eval_shape(partial(detector.init, size=settings.size), jax.random.key(0))
    arrays = {
        path: tower_array(path.removeprefix("params/vit/"), leaf.shape)
        for path, leaf in flatten(shapes).items()
    }
    variables = put_replicated(mesh, {"batch_stats": {}, **nest(arrays)})
    image = put_batch(mesh, {"image": make_batch(settings)[0]})["image"]
    compute = jax.jit(detector.features, compiler_options=detector.compiler_options)
    held: dict[str, Any] = {}

    def step() -> None:
        held["features"] = compute(variables, image)

    began = time.perf_counter()
    step()
    jax.block_until_ready(held)
    most, source = peak(settings.dtype)
    one = jax.ShapeDtypeStruct((1, *image.shape[1:]), jnp.uint8)
    facts = {
        "first_step_seconds": round(time.perf_counter() - began, 2),
        "features": np.asarray(held["features"][0, :8], np.float32).tolist(),
        "flop_per_image": float(flop_in(jax.make_jaxpr(detector.features)(shapes, one).jaxpr)),
        "peak_flop_per_second": most,
        "peak_source": source,
        "devices": 1,
        "platform": mesh.devices.flat[0].platform,
    }
    return Ready(
        step=step,
        wait=lambda: jax.block_until_ready(held["features"]),
        facts=facts,
        traced=jax.profiler.trace,
        memory=device_memory,
    )
