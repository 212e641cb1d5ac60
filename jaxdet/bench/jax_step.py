"""The step of `jaxdet.train` on a batch that lies on the devices: ours, and with Flax's layers."""

import dataclasses
import time
from functools import partial
from typing import Any

import jax

from jaxdet.bench.peaks import peak
from jaxdet.bench.stepper import Ready, Settings, make_batch
from jaxdet.config import Config, Model, Optim
from jaxdet.models import resnet
from jaxdet.models.detector import Detector, get_detector
from jaxdet.runtime.memory import keep_freed_memory
from jaxdet.runtime.mesh import check_divides, make_mesh, put_batch
from jaxdet.train.state import TrainState, make_optimizer, new_state
from jaxdet.train.step import make_train_step

RATE = 1e-4


def prepare(settings: Settings) -> Ready:
    """Compiles the step, makes it once and tells how long that took."""
    if settings.way == "jaxdet":
        keep_freed_memory()
    mesh = make_mesh(0)
    part = settings.batch_size // settings.accumulate
    check_divides(mesh, batch_size=part, option="--batch-size over --accumulate")
    detector, state = start(settings)
    step = make_train_step(
        detector, make_optimizer(Optim()), mesh, seed=0, accumulate=settings.accumulate
    )
    image, label = make_batch(settings)
    batch = put_batch(mesh, {"image": image, "label": label})
    held: dict[str, Any] = {"state": state}

    def one() -> None:
        held["state"], held["scalars"] = step(held["state"], batch["image"], batch["label"], RATE)

    began = time.perf_counter()
    one()
    jax.block_until_ready(held)
    scalars = jax.device_get(held["scalars"])
    most, source = peak(settings.dtype)
    facts = {
        "first_step_seconds": round(time.perf_counter() - began, 2),
        "loss": float(scalars["loss"]),
        "grad_norm": float(scalars["grad_norm"]),
        "flop_per_image": _flop(detector, settings),
        "peak_flop_per_second": None if most is None else most * mesh.size,
        "peak_source": source,
        "devices": mesh.size,
    }
    return Ready(
        step=one,
        wait=lambda: jax.block_until_ready(held["state"]),
        facts=facts,
        traced=jax.profiler.trace,
        memory=_memory,
    )


def start(settings: Settings) -> tuple[Detector, TrainState]:
    """The detector of a way of training and its state before the first step."""
    model = Model(name=settings.arch, width=settings.width, dtype=settings.dtype)
    detector = get_detector(model)
    if settings.way == "flax":
        network = getattr(resnet, settings.arch)(width=settings.width, **resnet.FLAX_LAYERS)
        detector = dataclasses.replace(detector, network=network)
    if settings.rematerialise:
        detector = detector.rematerialised()
    variables = jax.jit(partial(detector.init, size=settings.size))(jax.random.key(0))
    return detector, new_state(Config(model=model), variables, make_mesh(0))


def _flop(detector: Detector, settings: Settings) -> float:
    """Of a training step for one image: three times the forward pass, as is usual.

    Counted by XLA on the network as written, before any platform's own form of it.
    """
    image = jax.ShapeDtypeStruct((1, settings.size, settings.size, 3), "uint8")
    variables = jax.eval_shape(partial(detector.init, size=settings.size), jax.random.key(0))
    cost: Any = jax.jit(detector.apply).lower(variables, image).cost_analysis()
    return 3 * float(cost["flops"])


def _memory() -> int | None:
    found: dict[str, int] = jax.devices()[0].memory_stats() or {}
    return found.get("peak_bytes_in_use")
