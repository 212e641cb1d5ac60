"""Measures the whole line, packed images to updates, beside the step alone at one batch size.

What is measured is what `jaxdet.main` does between two epochs: batches made ahead with
Blur+JPEG(0.5), placed on the devices, trained on; results fetched one step late.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax

from jaxdet.bench.jax_step import RATE
from jaxdet.bench.reference import AUGMENT, ENDLESS
from jaxdet.bench.step import Worker, check_same_devices
from jaxdet.bench.stepper import Settings
from jaxdet.config import Config, Data, Model, Optim, Runtime
from jaxdet.data.batches import Batch
from jaxdet.data.loaders import Shard, TrainLoader
from jaxdet.data.pipeline import open_batches, worker_count
from jaxdet.data.readers import training_reader
from jaxdet.data.splits import load_train_and_val
from jaxdet.models.detector import get_detector
from jaxdet.runtime.mesh import check_divides, make_mesh, one_ahead, put_batch
from jaxdet.train.state import TrainState, make_optimizer, new_state
from jaxdet.train.step import make_train_step

# More batches than wait ready: of all workers together, and of each.
_READY, _READY_EACH = 24, 4
# How many are then timed, at least.
_TIMED = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinePlan:
    """Describes what to measure.

    Attributes:
      root: images with train/, a folder or a packed store.
      model: the detector.
      size: side of the crops, pixels.
      batch_size: images a step.
      backend: of blur and JPEG, faithful or fast.
      runtime: input workers and their kind.
      steps: in a turn.
      rounds: turns of each row.
      profile: folder that gets one of the whole pipeline; none where it is None.
      torch_root: the same images as a folder, for PyTorch's line; none where it is None.
    """

    root: Path
    model: Model
    size: int
    batch_size: int
    backend: str
    runtime: Runtime
    steps: int
    rounds: int
    profile: Path | None = None
    torch_root: Path | None = None


def measure_e2e(plan: LinePlan, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the rows of `bench e2e`: step alone (the reference), input alone, whole pipeline.

    PyTorch's whole pipeline too where asked for: as published, eager in float32.

    Raises:
      UserError: where PyTorch works on a card and JAX on the CPU, or the other way round.
    """
    if plan.torch_root is None:
        return _measure(plan, None, say)
    published = Worker(
        Settings(
            way="torch",
            width=plan.model.width,
            size=plan.size,
            batch_size=plan.batch_size,
            root=str(plan.torch_root),
        )
    )
    try:
        check_same_devices([{"platform": jax.default_backend()}, published.facts])
        return _measure(plan, published, say)
    finally:
        published.end()


def _measure(
    plan: LinePlan, published: Worker | None, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    trainer = _Trainer(plan)
    loader = _loader(plan)
    rounds: dict[str, list[dict[str, float]]] = {"step": [], "input": [], "e2e": []}
    ready, timed = _drained(plan)
    with open_batches(loader, start=0, stop=ENDLESS, runtime=plan.runtime) as batches:
        first = trainer.first_step(next(batches))
        for turn in range(plan.rounds):
            # What was made ahead while the device worked is no measure of the input.
            _drain(batches, ready)
            rounds["input"].append(_timed(partial(_drain, batches, timed)))
            # Nothing lies ready after that: the workers get ahead again as far as they can.
            trainer.train(batches, worker_count(plan.runtime))
            rounds["e2e"].append(_timed(partial(trainer.train, batches, plan.steps)))
            if published:
                published.turn(plan.steps)
            say(f"turn {turn + 1} of {plan.rounds}")
        if plan.profile:
            with jax.profiler.trace(plan.profile):
                trainer.train(batches, plan.steps)
    # Without the input's threads on the same cores.
    rounds["step"] = [_timed(partial(trainer.repeat, plan.steps)) for _ in range(plan.rounds)]
    rows = _rows(plan, rounds, first)
    return [*rows, _published_row(plan, published, rows[0])] if published else rows


class _Trainer:
    """Holds the training state between steps."""

    def __init__(self, plan: LinePlan):
        self.mesh = make_mesh(0)
        check_divides(self.mesh, batch_size=plan.batch_size, option="--batch-size")
        detector = get_detector(plan.model)
        config = Config(model=plan.model, optim=Optim(batch_size=plan.batch_size))
        variables = detector.random(0, size=64)
        self.state: TrainState = new_state(config, variables, self.mesh)
        self.step = make_train_step(detector, make_optimizer(config.optim), self.mesh, seed=0)

    def first_step(self, batch: Batch) -> float:
        """Compiles and makes one step on a batch; returns the seconds of both together."""
        began = time.perf_counter()
        self.batch = self._place(batch)
        self._advance(self.batch)
        jax.block_until_ready(self.state)
        return time.perf_counter() - began

    def train(self, batches: Iterator[Batch], steps: int) -> dict[str, float]:
        """Makes steps on new batches; returns how long the host waited for them, seconds."""
        waited, late = 0.0, None

        def placed() -> Iterator[dict[str, jax.Array]]:
            nonlocal waited
            for _ in range(steps):
                began = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - began
                yield self._place(batch)

        for arrays in one_ahead(self.mesh, placed()):
            scalars = self._advance(arrays)
            if late is not None:
                jax.device_get(late)
            late = scalars
        jax.block_until_ready(self.state)
        return {"waited": waited}

    def repeat(self, steps: int) -> dict[str, float]:
        """Makes steps on the batch of the first step again and again."""
        for _ in range(steps):
            self._advance(self.batch)
        jax.block_until_ready(self.state)
        return {}

    def _place(self, batch: Batch) -> dict[str, jax.Array]:
        return put_batch(self.mesh, {"image": batch["image"], "label": batch["label"]})

    def _advance(self, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        self.state, scalars = self.step(self.state, batch["image"], batch["label"], RATE)
        return scalars


def _loader(plan: LinePlan) -> TrainLoader:
    config = Config(data=Data(root=str(plan.root)))
    images, _ = load_train_and_val(config)
    return TrainLoader(
        read=training_reader(config.data, config.augment, images),
        augment=dataclasses.replace(AUGMENT, crop=plan.size, backend=plan.backend),
        seed=0,
        batch_size=plan.batch_size,
        shard=Shard(),
    )


def _drain(batches: Iterator[Batch], steps: int) -> dict[str, float]:
    for _ in range(steps):
        next(batches)
    return {}


def _drained(plan: LinePlan) -> tuple[int, int]:
    """Returns how many batches may wait ready, and how many are then timed."""
    each = _READY_EACH * worker_count(plan.runtime)
    return _READY + each, max(_TIMED, each)


def _timed(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    began = time.perf_counter()
    result = work()
    return {**result, "seconds": time.perf_counter() - began}


def _rows(
    plan: LinePlan, rounds: dict[str, list[dict[str, float]]], first: float
) -> list[dict[str, Any]]:
    batches = {"step": plan.steps, "input": _drained(plan)[1], "e2e": plan.steps}
    seconds = {
        what: statistics.median(t["seconds"] for t in turns) / batches[what]
        for what, turns in rounds.items()
    }
    rows: list[dict[str, Any]] = [
        {
            "what": f"{what}/batch {plan.batch_size}",
            "images_per_second": round(plan.batch_size / seconds[what], 3),
            "ratio_to_reference": round(seconds["step"] / seconds[what], 3),
        }
        for what in ("step", "input", "e2e")
    ]
    waited = statistics.median(turn["waited"] / turn["seconds"] for turn in rounds["e2e"])
    rows[2] |= {
        "share_waiting_for_input": round(waited, 4),
        "first_step_seconds": round(first, 2),
        "backend": plan.backend,
        "dtype": plan.model.dtype,
    }
    return rows


def _published_row(plan: LinePlan, published: Worker, step: dict[str, Any]) -> dict[str, Any]:
    row = {"what": f"e2e, PyTorch as published/batch {plan.batch_size}"}
    if published.failure:
        # The table needs a number: none was measured.
        return {
            **row,
            "images_per_second": 0.0,
            "ratio_to_reference": 0.0,
            "failed": published.failure,
        }
    seconds = statistics.median(turn["seconds"] for turn in published.turns)
    speed = plan.steps * plan.batch_size / seconds
    ratio = speed / step["images_per_second"]
    return {
        **row,
        "images_per_second": round(speed, 3),
        "ratio_to_reference": round(ratio, 3),
        "dtype": "float32",
        **published.facts,
    }
