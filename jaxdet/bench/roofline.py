"""Compiles a step for a described card, without one, and adds up the least time that it takes.

JAX's plugin for CUDA compiles for a card by its description, with no driver. Nothing is tuned on
the card then: which algorithms cuDNN takes is open, as is the time of each. What is known is the
program: its operations, fusions, layouts and memory, and from the bytes and FLOPs of each
operation the least time at the ceilings of the card.
"""

import collections
import dataclasses
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from jaxdet.bench.hlo import Operation, operations
from jaxdet.config.model import Model
from jaxdet.config.training import Optim
from jaxdet.errors import UserError, first_line
from jaxdet.models.detector import get_detector
from jaxdet.models.platform import written_for
from jaxdet.runtime.layouts import stepped
from jaxdet.scoring.launch import make_score_step
from jaxdet.train.state import TrainState, make_optimizer, unplaced_state
from jaxdet.train.step import whole_step
from jaxdet.train.step_functions import StepFunctions

# NVIDIA's figures of Hopper cards (compute capability 9.0), as XLA describes a device.
_DESCRIPTION = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth}
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: {memory}
  shared_memory_per_block_optin: 232448
  cuda_compute_capability {{ major: 9 }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{name}"
"""
# Largest operations that are listed one by one.
_SLOWEST = 15


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """Describes a card as XLA is given it, and the rates that it reaches.

    Attributes:
      name: as its driver gives it.
      memory: bytes.
      nominal_bandwidth: bytes/s, by which XLA weighs.
      bandwidth: bytes/s of a copy, measured.
      flop_rates: FLOP/s of a product by dtype, measured; float32 as TF32.
      link: bytes/s that one card sends to another, NVLink 4.
    """

    name: str
    memory: int
    nominal_bandwidth: int
    bandwidth: float
    flop_rates: Mapping[str, float]
    link: float = 450e9


_RATES = MappingProxyType({"bf16": 790e12, "f16": 790e12, "f32": 400e12, "f64": 60e12})
# Measured on such cards (docs/evidence/gpu.json has the H200's).
CARDS = MappingProxyType({
    "h100": Card(
        name="NVIDIA H100 80GB HBM3", memory=84942979072, nominal_bandwidth=3352320000000,
        bandwidth=3.0e12, flop_rates=_RATES,
    ),
    "h200": Card(
        name="NVIDIA H200", memory=150754820096, nominal_bandwidth=4915200000000,
        bandwidth=4.2e12, flop_rates=_RATES,
    ),
})  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class RooflinePlan:
    """Describes what is compiled.

    Attributes:
      target: name of a card.
      cards: how many of them share a batch.
      model: of the detector.
      optim: how it is trained.
      batch_size: images over all cards, at once.
      size: pixels a side.
      scoring: the step that scores, not the one that trains.
      deterministic: as `runtime.deterministic` has it compiled.
      link: bytes/s that one card sends to another; the card's own where None.
    """

    target: str
    cards: int = 1
    model: Model
    optim: Optim
    batch_size: int
    size: int
    scoring: bool = False
    deterministic: bool = False
    link: float | None = None


def measure_roofline(plan: RooflinePlan) -> dict[str, Any]:
    """Returns what the program of a step does on the card, as one row.

    Raises:
      UserError: where JAX's plugin for CUDA is missing, or the program cannot be compiled.
    """
    card = CARDS[plan.target]
    card = dataclasses.replace(card, link=plan.link or card.link)
    model, mesh = plan.model, _described(card, plan.cards)
    began = time.perf_counter()
    try:
        with written_for("gpu"):
            lowered = _lower(plan, mesh)
        compiled = lowered.compile(compiler_options=_options(plan))
    except Exception as error:
        raise UserError(f"{model.name} cannot be compiled: {first_line(error)}") from None
    seconds = time.perf_counter() - began
    work = operations(compiled.as_text())
    times = [_least(operation, card, plan.cards) for operation in work]
    return {
        "what": f"{'scoring' if plan.scoring else 'training'}, {model.name} "
        f"{model.dtype}, {plan.batch_size} images of {plan.size} pixels, "
        f"{plan.cards} x {plan.target}",
        "least_ms": round(1e3 * sum(times), 3),
        "images_per_second": round(plan.batch_size / sum(times), 1),
        **_totals(work),
        "below_a_mebibyte": sum(operation.moved < 2**20 for operation in work),
        "memory_gib": round(_memory(compiled.memory_analysis()) / 2**30, 3),
        "bandwidth": card.bandwidth,
        "flop_rates": dict(card.flop_rates),
        "link": card.link,
        "compile_seconds": round(seconds, 1),
        "kinds": _by_kind(work, times),
        "slowest": _slowest(work, times),
    }


def _memory(analysis: Any) -> int:
    """Returns the bytes of a card that a program needs, its arguments and results included."""
    held: int = (
        analysis.argument_size_in_bytes
        + analysis.output_size_in_bytes
        - analysis.alias_size_in_bytes
        + analysis.temp_size_in_bytes
    )
    return held


def _totals(work: Sequence[Operation]) -> dict[str, Any]:
    return {
        "operations": len(work),
        "gib": round(sum(operation.moved for operation in work) / 2**30, 4),
        "tflop": round(sum(operation.flop for operation in work) / 1e12, 4),
    }


def _described(card: Card, count: int) -> Mesh:
    description = _DESCRIPTION.format(
        bandwidth=card.nominal_bandwidth, memory=card.memory, name=card.name
    )
    try:
        topology = topologies.get_topology_desc(
            "described", platform="cuda", topology=f"1x1x{count}", target_config=description
        )
    except Exception as error:
        raise UserError(
            "bench roofline compiles by the plug-in for CUDA of this JAX's release, which needs no "
            f"card: pip install 'jaxdet[roofline]' ({first_line(error)})"
        ) from None
    return Mesh(np.array(topology.devices), ("data",), axis_types=(AxisType.Auto,))


def _options(plan: RooflinePlan) -> dict[str, bool]:
    if not plan.deterministic:
        return {}
    return {
        "xla_gpu_deterministic_ops": True,
        "xla_gpu_exclude_nondeterministic_ops": True,
        # Its tiles are timed on a card.
        "xla_gpu_enable_triton_gemm": False,
    }


def _lower(plan: RooflinePlan, mesh: Mesh) -> Any:
    """Returns the step, traced for shapes."""
    optim, detector = plan.optim, get_detector(plan.model)
    detector = detector.rematerialised() if optim.rematerialise else detector

    def build() -> TrainState:
        variables = detector.init(jax.random.key(0), size=plan.size)
        return unplaced_state(plan.model, optim, variables)

    state = jax.eval_shape(build)
    shape = jax.ShapeDtypeStruct
    image = shape((plan.batch_size, plan.size, plan.size, 3), jnp.uint8)
    if plan.scoring:
        batch = {"image": image}
        for name, dtype in (("valid", jnp.bool_), ("sharpness", jnp.float32)):
            batch[name] = shape((plan.batch_size,), dtype)
        return make_score_step(detector, mesh).lower(state.variables, batch)  # type: ignore[attr-defined]
    functions = StepFunctions(
        detector=detector,
        optimizer=make_optimizer(optim),
        seed=0,
        skip_nonfinite=optim.on_nonfinite == "skip",
        loss=optim.loss,
        contrastive=optim.contrastive,
        tune=plan.model.tune,
        ema=optim.ema,
        supcon=optim.supcon,
    )
    label, rate = shape((plan.batch_size,), jnp.int32), shape((), jnp.float32)
    return whole_step(functions, mesh, stepped(mesh, state)).lower(state, image, label, rate)


def _least(operation: Operation, card: Card, cards: int) -> float:
    """Returns the seconds at the ceilings: the larger of memory's, the products' and the link's."""
    computed = operation.flop / card.flop_rates.get(operation.dtype, card.flop_rates["f32"])
    sent = 0.0
    if operation.kind == "collective":
        # A ring sends all but one part of an operand, and once more for the sum of all to be on
        # every card. Half of what is moved is the operand, the other half the result.
        turns = 2 if "all-reduce" in operation.name else 1
        sent = turns * (cards - 1) / cards * (operation.moved / 2) / card.link
    return max(operation.moved / card.bandwidth, computed, sent)


def _by_kind(work: Sequence[Operation], times: Sequence[float]) -> list[dict[str, Any]]:
    """Returns the totals of each kind of work, the longest first."""
    kinds: dict[str, list[tuple[Operation, float]]] = collections.defaultdict(list)
    for operation, seconds in zip(work, times, strict=True):
        kinds[operation.kind].append((operation, seconds))
    rows = [
        {
            "kind": kind,
            "least_ms": round(1e3 * sum(seconds for _, seconds in members), 3),
            **_totals([operation for operation, _ in members]),
        }
        for kind, members in kinds.items()
    ]
    return sorted(rows, key=lambda row: -row["least_ms"])


def _slowest(work: Sequence[Operation], times: Sequence[float]) -> list[dict[str, Any]]:
    places = sorted(range(len(work)), key=lambda place: -times[place])[:_SLOWEST]
    return [
        {
            "kind": work[place].kind,
            "source": work[place].source,
            "name": work[place].name,
            "least_ms": round(1e3 * times[place], 3),
            **_totals([work[place]]),
        }
        for place in places
    ]
