"""Measures training steps per second on data on the devices: ours beside Flax's and PyTorch's.

Every way trains in a process of its own (`bench/stepper.py`) and they take turns, so that other
work on the machine hits all alike.
"""

import contextlib
import dataclasses
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdet.bench.arguments import ARCHITECTURES
from jaxdet.bench.reference import has_torch
from jaxdet.bench.stepper import Settings
from jaxdet.config.model import Model
from jaxdet.errors import RunFailedError, UserError
from jaxdet.models.detector import get_detector

# What the other rows are measured against, where the network has it and it runs; else ours.
REFERENCE = "flax"
# Our own way of training, and of features: where it fails, the command does.
OURS = ("jaxdet", "features")
# How the last line of a process that met a user's mistake begins.
_MISTAKE = f"{UserError.__module__}.{UserError.__qualname__}: "


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepPlan:
    """Describes what to measure.

    Attributes:
      settings: of the row jaxdet; the others differ in `way`.
      archs: the detectors, one after the other.
      batch_sizes: images a step; each gives rows of its own.
      torch: whether PyTorch's rows are measured.
      steps: in a turn.
      rounds: turns of each row.
      profile: folder that gets one of each row; none where it is None.
    """

    settings: Settings
    archs: Sequence[str]
    batch_sizes: Sequence[int]
    torch: bool
    steps: int
    rounds: int
    profile: Path | None = None


def measure_step(plan: StepPlan, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the rows of `bench step`, detector by detector and batch size by batch size.

    Raises:
      UserError: where PyTorch is asked for and not installed, or has no such network here, or
        an option does not fit a network or a batch.
      RunFailedError: where our own step fails; another way that fails has a row that says why.
    """
    if plan.torch:
        check_torch(plan.archs)
    for arch in plan.archs if plan.settings.rematerialise else ():
        get_detector(Model(name=arch)).rematerialised()
    uneven = [size for size in plan.batch_sizes if size % plan.settings.accumulate]
    if uneven:
        raise UserError(
            f"--accumulate={plan.settings.accumulate} does not divide --batch-size={uneven[0]}"
        )
    rows: list[dict[str, Any]] = []
    for arch, size in itertools.product(plan.archs, plan.batch_sizes):
        settings = dataclasses.replace(plan.settings, arch=arch, batch_size=size)
        rows += _measure_batch(plan, settings, say)
    return rows


def check_torch(archs: Sequence[str]) -> None:
    """Sees that PyTorch is there and has such networks.

    Raises:
      UserError: where it is not, or has not.
    """
    others = [arch for arch in archs if arch != "resnet50"]
    if others:
        raise UserError(f"--arch={others[0]}: PyTorch's rows are of resnet50 alone")
    check_torch_installed()


def check_torch_installed() -> None:
    """Raises UserError where PyTorch is not installed."""
    if not has_torch():
        raise UserError(
            "--reference=torch: PyTorch is not installed; "
            "in the checkout: pip install -e '.[torch]'"
        )


def _measure_batch(
    plan: StepPlan, settings: Settings, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    # Eager PyTorch is float32 as published, whatever the others compute in.
    flax = [REFERENCE] if settings.arch in ARCHITECTURES else []
    ways = [*flax, OURS[0], *(["torch", "torch_fast"] if plan.torch else [])]
    settings_of = [of_way(settings, way, plan.profile) for way in ways]
    return take_turns(settings_of, steps=plan.steps, rounds=plan.rounds, say=say)


def take_turns(
    ways: Sequence[Settings], *, steps: int, rounds: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Returns a row for each way of working on a batch, each in a process of its own.

    Args:
      ways: the first that does not fail is what the others are measured against.
      steps: in a turn.
      rounds: turns of each.
      say: is told how far it is.

    Raises:
      UserError: where some work on a card and others on the CPU.
    """
    names = ", ".join(settings.way for settings in ways)
    say(f"{ways[0].arch}, batch {ways[0].batch_size}: {names}; each compiles first")
    workers: list[Worker] = []
    try:
        for settings in ways:
            workers.append(Worker(settings))
            check_same_devices([worker.facts for worker in workers])
            if _need_device_alone(workers):
                for _ in range(rounds):
                    workers[-1].turn(steps)
                workers[-1].finish()
                workers[-1].end()
                say(f"{settings.way}: {rounds} turns")
        for turn in range(0 if _need_device_alone(workers) else rounds):
            for worker in workers:
                worker.turn(steps)
            say(f"turn {turn + 1} of {rounds}")
        return _rows(workers, steps)
    finally:
        for worker in workers:
            worker.end()


def check_same_devices(facts: Sequence[Mapping[str, Any]]) -> None:
    """Raises UserError where, by their facts, some processes have a card and others the CPU."""
    # One that failed has no facts.
    if len({one["platform"] == "cpu" for one in facts if one}) > 1:
        raise UserError(
            "--reference=torch: JAX and PyTorch do not both see the card; install both for it"
        )


def _need_device_alone(workers: Sequence["Worker"]) -> bool:
    """Returns whether ways come one after another: an accelerator's memory does not hold four."""
    return any(worker.facts.get("platform", "cpu") != "cpu" for worker in workers)


def of_way(settings: Settings, way: str, profile: Path | None) -> Settings:
    """Returns the settings of one way, which writes its profile into a folder of its own."""
    name = f"{settings.arch}-{way}-batch{settings.batch_size}"
    trace = str(profile / name) if profile else ""
    settings = dataclasses.replace(settings, way=way, trace=trace)
    if way in OURS:
        return settings
    # The others are what it is measured against: as they are used.
    return dataclasses.replace(settings, accumulate=1, rematerialise=False)


class Worker:
    """Runs one way of training in its own process, and keeps what that reported."""

    def __init__(self, settings: Settings):
        """Starts it and waits for its first step."""
        self.settings = settings
        self.turns: list[dict[str, float]] = []
        self.failure = ""
        # A file: nobody reads a pipe meanwhile, and a full one would stop the process.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in end()
        argument = json.dumps(dataclasses.asdict(settings))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jaxdet.bench.stepper", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self.facts = self._read() or {}
        self.last: dict[str, Any] | None = None

    def turn(self, steps: int) -> None:
        """Lets it make some steps; nothing where it has failed."""
        if self.failure:
            return
        assert self.process.stdin
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self._read()
        if answer:
            self.turns.append(answer)

    def finish(self) -> dict[str, Any]:
        """Ends the process's input and returns its last report; {} where it failed."""
        if self.last is None and not self.failure:
            assert self.process.stdin
            self.process.stdin.close()
            self.last = self._read()
        return self.last or {}

    def _read(self) -> dict[str, Any] | None:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        self.failure = lines[-1] if lines else f"ended with status {status}"
        if self.failure.startswith(_MISTAKE):
            raise UserError(self.failure.removeprefix(_MISTAKE))
        if self.settings.way in OURS:
            raise RunFailedError(f"{self.settings.way}, {self.settings}: {self.failure}")
        return None

    def end(self) -> None:
        """Sees that nothing is left of it."""
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            assert file
            with contextlib.suppress(BrokenPipeError):
                file.close()


def _rows(workers: Sequence[Worker], steps: int) -> list[dict[str, Any]]:
    """Returns a row for each way: medians over its turns, and the ratio to the reference's."""
    ended = [worker.finish() for worker in workers]
    images = steps * workers[0].settings.batch_size
    # Ours where Flax's layers failed: their memory may not do for a batch that ours cuts in parts.
    first = next(worker for worker in workers if not worker.failure)
    reference = images / _median(first, "seconds")
    # PyTorch's processes count none.
    counted = next(worker.facts for worker in workers if "flop_per_image" in worker.facts)
    flop, peak = counted["flop_per_image"], counted["peak_flop_per_second"]
    rows = []
    for worker, end in zip(workers, ended, strict=True):
        settings = worker.settings
        row: dict[str, Any] = {
            "what": f"{settings.arch}/{settings.way}/batch {settings.batch_size}"
        }
        if worker.failure:
            # The table needs a number: none was measured.
            rows.append({**row, "images_per_second": 0.0, "ratio_to_reference": 0.0,
                         "failed": worker.failure})  # fmt: skip
            continue
        speed = images / _median(worker, "seconds")
        rows.append({
            **row,
            "images_per_second": round(speed, 3),
            "ratio_to_reference": round(speed / reference, 3),
            "cpu_seconds_per_image": round(_median(worker, "cpu_seconds") / images, 5),
            "flop_per_second": round(speed * flop),
            "peak_share": None if peak is None else round(speed * flop / peak, 4),
            "dtype": "float32" if settings.way == "torch" else settings.dtype,
            "accumulate": settings.accumulate, "rematerialise": settings.rematerialise,
            "arch": settings.arch, "size": settings.size, "batch_size": settings.batch_size,
            **worker.facts, **end,
        })  # fmt: skip
    return rows


def _median(worker: Worker, name: str) -> float:
    return statistics.median(turn[name] for turn in worker.turns)
