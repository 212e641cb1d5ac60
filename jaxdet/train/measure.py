"""Measures the network's input over all training images, for the detectors that need that."""

import jax
import numpy as np
from jax.sharding import Mesh

from jaxdet.config.runtime import Runtime
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.models.detector import Detector, Variables
from jaxdet.progress import ProgressLine
from jaxdet.runtime.mesh import batch_sharding, put_batch, put_replicated, replicated
from jaxdet.workdir.watchdog import waited


def measure_inputs(
    detector: Detector, variables: Variables, loader: EvalLoader, *, mesh: Mesh, runtime: Runtime
) -> Variables:
    """Returns the variables, on the host, with the statistics of the loader's images in them.

    Args:
      detector: whose architecture is `measured`.
      variables: fresh ones.
      loader: gives each training image once.
      mesh: the devices.
      runtime: workers of the input.
    """
    full, sharded = replicated(mesh), batch_sharding(mesh)
    measure = jax.jit(detector.measure, in_shardings=(full, sharded, sharded), out_shardings=full)
    placed = put_replicated(mesh, variables)
    with (
        open_batches(loader, start=0, stop=loader.steps, runtime=runtime) as batches,
        ProgressLine("measure inputs", total=len(loader.read.images), unit="images") as progress,
    ):
        for batch in waited(batches, "waiting for images to measure the inputs"):
            rows = put_batch(mesh, {"image": batch["image"], "valid": batch["valid"]})
            placed = measure(placed, rows["image"], rows["valid"])
            progress.advance(int(batch["valid"].sum()))
    host: Variables = jax.tree.map(np.asarray, jax.device_get(placed))
    return host
