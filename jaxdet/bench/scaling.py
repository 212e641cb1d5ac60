"""How long a run takes on how many devices: a small model, fed with measured speeds.

An epoch is its steps, a validation and a checkpoint. A step is computing, then the sum of the
gradients over all devices (a ring sends 2 (N - 1) / N of them over each link), and it cannot be
faster than the input. What overlaps in fact (the sum of one layer's gradients with the next
layer's computing) is not counted, so links cost at most what is told here.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """Describes the run whose time is predicted.

    Attributes:
      images: of training, an epoch.
      epochs: passes over them.
      validation: images scored after each epoch.
      test: images scored at the end.
      batch_size: images a step, over all devices.
      gradient_bytes: that devices sum up each step: 4 for each parameter.
      checkpoint_bytes: of the state: 12 for each parameter with Adam.
    """

    images: int
    epochs: int
    validation: int = 0
    test: int = 0
    batch_size: int
    gradient_bytes: float
    checkpoint_bytes: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """Describes the machine by what was measured of it.

    Attributes:
      step_rate: images/s that one device trains on (`bench step`).
      input_rate: images/s that one host's input makes (`bench input`, or the row of `bench e2e`).
      eval_rate: images/s that one device scores (`bench eval`).
      link: bytes/s between two devices, the slowest link of the ring.
      disk: bytes/s that a checkpoint is written with.
      devices_per_host: accelerators that share one host's input.
      shared_cores: whether steps and input run on the same cores, as on CPUs: then they do not
        overlap, they add up.
      price: of one device for an hour, in any currency.
    """

    step_rate: float
    input_rate: float
    eval_rate: float = float("inf")
    link: float = float("inf")
    disk: float = float("inf")
    devices_per_host: int = 1
    shared_cores: bool = False
    price: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """Holds the predicted speed, time and cost of a run on a number of devices.

    Attributes:
      devices: their number.
      images_per_second: of training, over all of them.
      hours: of the whole run.
      cost: of all devices for that long.
      limit: what bounds training: compute, links or input.
      waiting: share of a step in which devices wait for input.
    """

    devices: int
    images_per_second: float
    hours: float
    cost: float
    limit: str
    waiting: float


def predict(run: Run, machine: Machine, devices: int) -> Prediction:
    """Predicts the speed, time and cost of a run on a number of devices that divides the batch."""
    compute = run.batch_size / devices / machine.step_rate
    links = 2 * (devices - 1) / devices * run.gradient_bytes / machine.link
    hosts = -(-devices // machine.devices_per_host)
    reading = run.batch_size / (machine.input_rate * hosts)
    parts = {"compute": compute, "links": links, "input": reading}
    if machine.shared_cores:
        step, waited = compute + links + reading, reading
    else:
        step = max(compute + links, reading)
        waited = step - compute - links
        # They overlap: whichever ends last is what bounds the step.
        parts["input"] = step if waited else 0.0
    steps = run.images // run.batch_size
    scored = (run.epochs * run.validation + run.test) / (machine.eval_rate * devices)
    seconds = run.epochs * (steps * step + run.checkpoint_bytes / machine.disk) + scored
    hours = seconds / 3600
    return Prediction(
        devices=devices,
        images_per_second=run.batch_size / step,
        hours=hours,
        cost=hours * devices * machine.price,
        limit=max(parts, key=lambda part: parts[part]),
        waiting=waited / step,
    )


def rows(run: Run, machine: Machine, counts: Sequence[int]) -> list[dict[str, Any]]:
    """Returns the rows of `bench scaling`, one a number of devices; the first is the reference."""
    found = [predict(run, machine, count) for count in counts]
    return [
        {
            "what": f"predicted, {one.devices} devices",
            "ratio_to_reference": round(one.images_per_second / found[0].images_per_second, 2),
            **dataclasses.asdict(one),
        }
        for one in found
    ]
