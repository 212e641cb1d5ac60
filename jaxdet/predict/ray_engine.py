"""Scores a mass of images by Ray Data: decoded by tasks on CPUs, scored by a pool of actors.

Ray moves the data, holds readers back while actors are busy, starts lost work again and replaces
actors that died. Ours are what the workers do, in `ray_steps.py`, and here the beginning and the
end: what has no row yet, and whether each input has exactly one.
"""

import contextlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdet.errors import RunFailedError, UserError, first_line
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.inputs import Chunk, Inputs
from jaxdet.predict.parts import Stamp, check_stamp, read_columns, read_part
from jaxdet.predict.shards import Outcome
from jaxdet.progress import say
from jaxdet.scoring.protocol import Protocol
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.lock import claimed
from jaxdet.workdir.signals import keeping_handlers

# Scoring one's images is nobody else's business; who wants to be counted can say so.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
try:
    import ray

    from jaxdet.predict.ray_steps import PartSink, RayScorer, decode
except ImportError:
    ray = None  # `import_ray` says so in a line

# Inputs that are read one after the other by one task: what is done again where it is lost.
_CHUNK = 256
# Tasks of reading at most; each then has several chunks. Ray keeps a record of every task.
_MOST_TASKS = 10_000
# Images that an actor is given at once, where they are whole and may be large; and bytes of crops.
_WHOLE_IMAGES, _CROP_BYTES = 32, 2**25


def import_ray() -> None:
    """Sees that Ray Data is installed.

    Raises:
      UserError: naming the extra that brings it.
    """
    if ray is None:
        raise UserError(
            "--engine=ray: Ray Data is not installed; in the checkout: pip install -e '.[ray]'"
        )


def stay_on_the_host() -> None:
    """Keeps this process off the accelerators, which are the actors'; before JAX starts."""
    jax.config.update("jax_platforms", "cpu")


def score_by_ray(
    detector: AnyDetector,
    inputs: Inputs,
    stamp: Stamp,
    folder: Path,
    *,
    actors: int | None,
    lines: Iterable[str] = (),
) -> Outcome:
    """Scores the inputs that have no row in the folder yet.

    Args:
      detector: what scores; actors get its variables, and need no file of weights.
      inputs: files must be found under the same paths on every machine of the cluster.
      stamp: what the scores follow from.
      folder: of the parts, on a disk that all machines see.
      actors: processes with the model; None: one a GPU, or one a machine where there is none.
      lines: what is logged when all is in order.

    Raises:
      UserError: where the folder holds parts of another work.
      RunFailedError: where Ray gave up, or an input has not exactly one row in the end.
    """
    with claimed(folder, lock=folder / ".lock", instead="--out"):
        clear_leftovers(folder)
        scored = _scored(folder, stamp)
        for line in filter(None, lines):
            say(line)
        return _score_rest(detector, inputs, stamp, folder, scored, actors=actors)


def _score_rest(
    detector: AnyDetector,
    inputs: Inputs,
    stamp: Stamp,
    folder: Path,
    scored: np.ndarray,
    *,
    actors: int | None,
) -> Outcome:
    before, began = int(scored.sum()), time.monotonic()
    if before < len(inputs):
        with _cluster():
            began = time.monotonic()
            chunks = list(_missing(inputs, scored))
            _run(chunks, detector, stamp, folder, actors=actors)
    seconds = time.monotonic() - began
    counts = _scored(folder, stamp)
    if not np.all(counts == 1):
        raise RunFailedError(
            f"{folder}: {np.sum(counts == 0)} inputs have no row and {np.sum(counts > 1)} several; "
            "start the same command again for the former, with another --out for the latter"
        )
    parts = sorted(folder.glob("*.parquet"))
    errors = sum(part.errors for part in map(read_part, parts) if part)
    return Outcome(len(inputs), errors, len(inputs) - before, str(folder), parts, seconds)


def _scored(folder: Path, stamp: Stamp) -> np.ndarray:
    """Returns how many rows each input has on disk, i64 [count]."""
    counts = np.zeros(stamp.count, np.int64)
    for path in folder.glob("*.parquet"):
        part = read_part(path)
        if part is None:
            raise UserError(f"{path}: no part of `predict`, or damaged; remove it")
        check_stamp(part, stamp)
        numbers = read_columns(path, "number")["number"].to_numpy()
        if numbers.dtype != np.int64 or not np.all((numbers >= 0) & (numbers < stamp.count)):
            raise UserError(f"{path}: has rows of no input; remove it")
        counts += np.bincount(numbers, minlength=stamp.count)
    return counts


def _missing(inputs: Inputs, scored: np.ndarray) -> Iterator[Chunk]:
    """Yields runs of inputs without a row, of at most _CHUNK each."""
    numbers = np.flatnonzero(scored == 0)
    gaps = np.flatnonzero(np.diff(numbers) > 1) + 1
    for run in np.split(numbers, gaps):
        for start in range(int(run[0]), int(run[-1]) + 1, _CHUNK):
            yield from inputs.chunks(start, min(start + _CHUNK, int(run[-1]) + 1))


def _run(
    chunks: list[Chunk], detector: AnyDetector, stamp: Stamp, folder: Path, *, actors: int | None
) -> None:
    _quieten()
    actors = actors or _default_actors()
    # Held here for as long as Ray may start an actor again.
    variables = ray.put(detector.variables)
    made_with = {"model": detector.model, "variables": [variables], "stamp": stamp}
    with _one_line():
        read = ray.data.from_items(chunks, override_num_blocks=min(len(chunks), _MOST_TASKS))
        decoded = read.map_batches(
            decode,
            fn_kwargs={"scoring": stamp.scoring},
            batch_size=1,
            batch_format="numpy",
        )
        scored = decoded.map_batches(
            RayScorer,
            fn_constructor_kwargs=made_with,
            batch_size=_batch_size(stamp.scoring.protocol),
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=actors),
            **_resources(actors),
        )
        scored.write_datasink(PartSink(str(folder), stamp))


def _batch_size(protocol: Protocol) -> int:
    """Returns the number of images that an actor is given at once."""
    if protocol.parts != "crop":
        return _WHOLE_IMAGES
    return min(max(_WHOLE_IMAGES, _CROP_BYTES // (3 * protocol.crop**2)), _CHUNK)


def _default_actors() -> int:
    machines = sum(node["Alive"] for node in ray.nodes())
    return int(ray.cluster_resources().get("GPU", 0)) or machines


def _resources(actors: int) -> dict[str, float]:
    """Returns what each actor reserves: a GPU where there are any, and a share of the CPUs.

    Half of them stay for reading: without, a small machine would wait for ever. Never a whole one,
    as tasks of reading have: Ray would fuse these into the actors.
    """
    found = ray.cluster_resources()
    cpus = min(0.5, found.get("CPU", 1) / 2 / actors)
    return {"num_cpus": cpus, "num_gpus": 1.0 if found.get("GPU", 0) >= 1 else 0.0}


@contextlib.contextmanager
def _cluster() -> Iterator[None]:
    """Joins the cluster of RAY_ADDRESS, or starts one on this machine, while the body runs."""
    here: dict[str, Any] = {"address": "local", "include_dashboard": False}
    with _one_line(), warnings.catch_warnings(), keeping_handlers():
        # JAX warns of forks; what Ray forks becomes another program at once.
        warnings.simplefilter("ignore", RuntimeWarning)
        options = {} if "RAY_ADDRESS" in os.environ else here
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    try:
        yield
    finally:
        ray.shutdown()


def _quieten() -> None:
    """Leaves the bars to terminals, and failures to the one line that ends the command.

    Ray's own account of them, with tracebacks, is in its folder of logs.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = sys.stderr.isatty()
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turns what Ray raises into ours: the cause, where it is ours, or Ray's first line."""
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError) as error:
        ours = next(filter(_is_ours, _causes(error)), None)
        if ours is not None:
            # Ray puts advice below.
            raise RunFailedError(first_line(ours)) from None
        raise RunFailedError(f"--engine=ray: {first_line(error)}") from None


def _causes(error: Exception | None) -> Iterator[Exception]:
    while error is not None:
        yield error
        inner = getattr(error, "cause", None) or error.__cause__
        error = inner if isinstance(inner, Exception) else None


def _is_ours(error: Exception) -> bool:
    # Ray raises mixtures of its own classes and the cause's, whose texts are whole tracebacks.
    return isinstance(error, UserError | RunFailedError) and not isinstance(
        error, ray.exceptions.RayError
    )
