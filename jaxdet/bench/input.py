"""Measures images per second of the input, by source and back-end, beside the published way.

Every row does Blur+JPEG(0.5) of Wang et al. on the same images: 256 pixels, random crops of 224,
batches ready for the device. The rows "jpeg" have photographs of mixed sizes, resized to 256 before
that, and a reference of their own. The rows take turns for some rounds, so that what else the
machine does hits all of them; a row's figure is the median of its rounds, with the kind and number
of workers that was fastest for it in a trial. The reference runs in processes, as published, by
PyTorch's DataLoader where that is installed; its trials in threads stand beside.
"""

import dataclasses
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.bench.pictures import write_jpegs, write_table
from jaxdet.bench.reference import (
    AUGMENT,
    ENDLESS,
    PublishedDataset,
    ReferenceLoader,
    has_torch,
    open_torch_batches,
)
from jaxdet.config import Augment, Data, Runtime
from jaxdet.data.folder import load_set
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import training_reader
from jaxdet.data.sources import open_root
from jaxdet.datasets.pack.listing import list_files
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import UserError

REFERENCE = "reference"
_JPEG_REFERENCE = "jpeg/reference"
# JPEGs under each label, enough that no two batches are alike.
_JPEGS = 128

Load = TrainLoader | ReferenceLoader
# Opens a stream of batches; each counts as `batch_size` images.
Open = Callable[[], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Describes how a row's loader is run: kind and number of workers."""

    kind: str
    workers: int

    def __str__(self) -> str:
        return f"{self.workers} {self.kind}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputPlan:
    """Describes what to measure.

    Attributes:
      root: folder in ForenSynths layout with `train/`.
      scratch: empty folder for the packed forms.
      batch_size: images a batch.
      seconds: of each measurement, after a warm-up of two batches.
      rounds: turns of each row.
      settings: what each row is tried with, before the rounds.
    """

    root: Path
    scratch: Path
    batch_size: int
    seconds: float
    rounds: int
    settings: tuple[Setting, ...]


def default_settings() -> tuple[Setting, ...]:
    """Returns threads and processes, each with one worker and with one for each core."""
    counts = sorted({1, os.cpu_count() or 1})
    return tuple(
        Setting(kind=kind, workers=count) for kind in ("threads", "processes") for count in counts
    )


def measure_input(plan: InputPlan, *, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Returns the rows of `bench input`, each reference last; see the contract of bench's JSON.

    Raises:
      UserError: where the images are missing or smaller than the crop.
    """
    loaders = _loaders(plan, say)
    trials = {what: _try(what, load, plan, say) for what, load in loaders.items()}
    best = {what: _fastest(what, rates) for what, rates in trials.items()}
    speeds: dict[str, list[float]] = {what: [] for what in loaders}
    for number in range(plan.rounds):
        for what, load in loaders.items():
            speeds[what].append(_speed(_opener(load, best[what]), plan))
        say(f"round {number + 1} of {plan.rounds}: " + _line({w: s[-1] for w, s in speeds.items()}))
    medians = {what: statistics.median(rates) for what, rates in speeds.items()}
    return [
        {
            "what": what,
            "images_per_second": round(median, 1),
            "ratio_to_reference": round(median / medians[_reference_of(what)], 3),
            "workers": str(best[what]),
            "trials": {str(setting): round(speed, 1) for setting, speed in trials[what].items()},
            "rounds": [round(one, 1) for one in speeds[what]],
        }
        for what, median in medians.items()
    ]


def _loaders(plan: InputPlan, say: Callable[[str], None]) -> dict[str, Load]:
    """Returns the loader of each row, over all sources."""
    # tensorflow_datasets takes a second to import.
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    root = _training_part(plan)
    say("packing the pictures")
    pack(root, plan.scratch / "store", say=lambda line: None)
    listing, table = list_files(root), plan.scratch / "table.parquet"
    records = write_tfds(listing, plan.scratch / "tfds", name="bench")
    write_table(listing, table)
    roots = {
        "folder": str(root),
        "packed": str(plan.scratch / "store"),
        "arrayrecord": f"tfds:{records}",
    }
    rows: dict[str, Load] = {
        f"{source}/{backend}": _ours(root, dataclasses.replace(AUGMENT, backend=backend), plan)
        for source, root in roots.items()
        for backend in ("fast", "faithful")
    }
    # Only reading differs from the folder: one back-end shows it.
    rows["parquet/fast"] = _ours(str(table), dataclasses.replace(AUGMENT, backend="fast"), plan)
    return {**_jpegs(plan, say), **rows, REFERENCE: _published(root, AUGMENT, plan)}


def _jpegs(plan: InputPlan, say: Callable[[str], None]) -> dict[str, Load]:
    """Returns the rows of JPEGs of mixed sizes, whole and by libjpeg's scaled decoding."""
    root = plan.scratch / "jpegs"
    say("writing JPEGs of mixed sizes")
    write_jpegs(root, count=_JPEGS)
    augment = dataclasses.replace(AUGMENT, resize=256)
    rows: dict[str, Load] = {
        f"jpeg/{backend}/{decode}": _ours(
            str(root), dataclasses.replace(augment, backend=backend, decode=decode), plan
        )
        for backend in ("fast", "faithful")
        for decode in ("scaled", "whole")
    }
    return {**rows, _JPEG_REFERENCE: _published(root, augment, plan)}


def _published(root: Path, augment: Augment, plan: InputPlan) -> ReferenceLoader:
    images = load_set(root / "train", name="train")
    dataset = PublishedDataset(images=images, augment=augment, seed=0, length=ENDLESS)
    return ReferenceLoader(dataset=dataset, batch_size=plan.batch_size)


def _reference_of(what: str) -> str:
    return _JPEG_REFERENCE if what.startswith("jpeg/") else REFERENCE


def _training_part(plan: InputPlan) -> Path:
    """Makes a root with `train/` alone: nothing else is measured, so nothing else is packed."""
    images = load_set(plan.root / "train", name="train")
    size = images.size(0)
    if size is None or min(size) < AUGMENT.crop:
        raise UserError(f"{images.where(0)}: less than {AUGMENT.crop} pixels a side")
    root = plan.scratch / "root"
    root.mkdir()
    (root / "train").symlink_to((plan.root / "train").resolve())
    return root


def _ours(root: str, augment: Augment, plan: InputPlan) -> TrainLoader:
    images = open_root(root).load("train", name="train")
    return TrainLoader(
        read=training_reader(Data(), augment, images),
        augment=augment,
        seed=0,
        batch_size=plan.batch_size,
    )


def _opener(load: Load, setting: Setting) -> Open:
    if isinstance(load, ReferenceLoader) and setting.kind == "processes" and has_torch():
        return lambda: open_torch_batches(load, workers=setting.workers)
    runtime = Runtime(workers=setting.workers, worker_kind=setting.kind)
    return lambda: open_batches(load, start=0, stop=ENDLESS, runtime=runtime)


def _try(
    what: str, load: Load, plan: InputPlan, say: Callable[[str], None]
) -> dict[Setting, float]:
    """Runs each setting once, half as long; returns the images per second of each."""
    short = dataclasses.replace(plan, seconds=plan.seconds / 2)
    trials = {setting: _speed(_opener(load, setting), short) for setting in plan.settings}
    say(f"{what}: " + _line({str(s): speed for s, speed in trials.items()}))
    return trials


def _fastest(what: str, trials: dict[Setting, float]) -> Setting:
    # The published loader is PyTorch's, with worker processes; threads are our way.
    published = {s: speed for s, speed in trials.items() if s.kind == "processes"}
    is_published = what in (REFERENCE, _JPEG_REFERENCE)
    allowed = published if is_published and published else trials
    return max(allowed, key=lambda setting: allowed[setting])


def _speed(opened: Open, plan: InputPlan) -> float:
    """Returns the images per second over the plan's time, once two batches have come."""
    with opened() as batches:
        _take(batches, 2)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < plan.seconds:
            _take(batches, 1)
            count += plan.batch_size
        return count / (time.perf_counter() - began)


def _take(batches: Iterator[Any], count: int) -> None:
    for _ in range(count):
        batch = next(batches)
        # What a copy to the device would do: look at every page of it.
        np.add.reduce(batch["image"].reshape(-1).view(np.uint8)[::4096])


def _line(speeds: dict[str, float]) -> str:
    return ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items()) + " images/s"
