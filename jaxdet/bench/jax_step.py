"""Runs the step of `jaxdet.train` on a batch on the devices: ours, and with Flax's layers."""

import dataclasses
import math
import time
from functools import partial
from typing import Any

import jax

from jaxdet.bench.peaks import peak
from jaxdet.bench.stepper import Ready, Settings, make_batch
from jaxdet.config import Config, Model, Optim
from jaxdet.models import resnet
from jaxdet.models.conv import flax_conv
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
        "platform": mesh.devices.flat[0].platform,
    }
    return Ready(
        step=one,
        wait=lambda: jax.block_until_ready(held["state"]),
        facts=facts,
        traced=jax.profiler.trace,
        memory=device_memory,
    )


def start(settings: Settings) -> tuple[Detector, TrainState]:
    """Returns the detector of a way of training and its state before the first step."""
    model = Model(name=settings.arch, width=settings.width, dtype=settings.dtype)
    detector = get_detector(model)
    if settings.way == "flax":
        network = getattr(resnet, settings.arch)(width=settings.width, **resnet.FLAX_LAYERS)
        detector = dataclasses.replace(detector, network=network)
    if settings.rematerialise:
        detector = detector.rematerialised()
    variables = detector.random(0, size=settings.size)
    return detector, new_state(Config(model=model), variables, make_mesh(0))


def _flop(detector: Detector, settings: Settings) -> float:
    """Returns the FLOPs of a training step for one image: three times the forward pass's.

    Counts two for each multiplication with its addition in convolutions and products of matrices,
    padding included, as papers state them. Counted in the traced program, since XLA's own analysis
    answers on CPUs alone.
    """
    if isinstance(detector.network, resnet.ResNet):
        # As the network is written, not in a platform's form of it.
        plain = dataclasses.replace(detector.network, conv=flax_conv)
        detector = dataclasses.replace(detector, network=plain)
    image = jax.ShapeDtypeStruct((1, settings.size, settings.size, 3), "uint8")
    variables = jax.eval_shape(partial(detector.init, size=settings.size), jax.random.key(0))
    return 3.0 * flop_in(jax.make_jaxpr(detector.apply)(variables, image).jaxpr)


def flop_in(jaxpr: Any) -> int:
    """Returns the FLOPs of convolutions and products of matrices in a traced program."""
    total = 0
    for equation in jaxpr.eqns:
        places = math.prod(equation.outvars[0].aval.shape) if equation.outvars else 0
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            outputs = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
            # Zeros that are put between the rows of a transposed convolution are not work.
            between = math.prod(equation.params["lhs_dilation"])
            total += 2 * places * math.prod(kernel) // (outputs * between)
        elif equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            sides = equation.invars[0].aval.shape
            total += 2 * places * math.prod(sides[axis] for axis in summed)
        total += sum(flop_in(inner) for inner in _inner(equation))
    return total


def _inner(equation: Any) -> list[Any]:
    """Returns the programs that an operation of a traced program calls."""
    inner = jax.tree.leaves(
        list(equation.params.values()), is_leaf=lambda one: hasattr(one, "eqns")
    )
    return [getattr(one, "jaxpr", one) for one in inner if hasattr(one, "eqns")]


def device_memory() -> int | None:
    """Returns the bytes that the device held at most; None where it does not say."""
    stats: dict[str, int] = jax.devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use")
