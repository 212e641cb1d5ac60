"""Works on one batch again and again in a process of its own, as `bench step` asks line by line.

Each way of training has a process of its own: threads and memory of one do not touch another's;
so has each way to the features of `bench features`.
`python -m jaxdet.bench.stepper SETTINGS` (JSON of `Settings`) prints one JSON object when it is
ready; to each line "N" it makes N steps and prints another; at the end of its input it prints the
last one.
"""

import dataclasses
import json
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.runtime.environment import peak_memory

# Steps of a profile: enough to see one end and the next begin.
_TRACED = 3

# Makes one step and returns at once where the device works on by itself.
Step = Callable[[], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Describes what is trained and how.

    Attributes:
      way: jaxdet; flax, the same with Flax's own convolutions and pooling, and memory and threads
        as the system and JAX hand them out; torch, as CNNDetection trains, eager in float32;
        torch_fast, channels last, autocast to the dtype, and torch.compile. features,
        torch_features and torch_features_fast do not train but compute a tower's features.
      arch: the detector; flax has the ResNets, torch resnet50 alone; of features the tower.
      width: channels of the first layer.
      size: side of the images, pixels.
      batch_size: images a step.
      dtype: float32 or bfloat16.
      accumulate: parts of the batch that ours works through one after another.
      rematerialise: whether ours computes the maps of its blocks again for the gradient.
      trace: folder for a profile of a few steps; none where empty.
      root: folder with train/ that torch takes its batches from, by its own loader with
        Blur+JPEG(0.5) as published; one batch again and again where empty.
    """

    way: str
    arch: str = "resnet50"
    width: int = 64
    size: int = 224
    batch_size: int = 64
    dtype: str = "float32"
    accumulate: int = 1
    rematerialise: bool = False
    trace: str = ""
    root: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ready:
    """Holds a way of training after its first step.

    Attributes:
      step: makes one more.
      wait: returns when all steps are done.
      facts: what is known by now, for the row.
      memory: bytes that the device held at most; None: that of the process counts.
      traced: a context that writes a profile of what is done in it into a folder.
    """

    step: Step
    wait: Callable[[], None]
    facts: dict[str, Any]
    traced: Callable[[Path], AbstractContextManager[Any]]
    memory: Callable[[], int | None] = lambda: None


def make_batch(settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Returns noise, u8 [B, H, W, 3], and labels, i32 [B], the same for all ways."""
    rng = np.random.default_rng(0)
    shape = (settings.batch_size, settings.size, settings.size, 3)
    image = rng.integers(0, 256, shape, np.uint8)
    return image, np.arange(settings.batch_size, dtype=np.int32) % 2


def tower_array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a tower's weights of a name, f32, the same for all ways, near what a tower has."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    near = 1.0 if name.endswith(("scale", "ls1", "ls2")) else 0.0
    return near + np.float32(0.02) * rng.standard_normal(shape, np.float32)


def main(argument: str) -> None:
    """Prepares, then makes steps as its input says."""
    settings = Settings(**json.loads(argument))
    ready = _prepare(settings)
    _tell(ready.facts)
    for line in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            ready.step()
        ready.wait()
        seconds = time.perf_counter() - began
        _tell({"seconds": seconds, "cpu_seconds": time.process_time() - used})
    # Before a trace, which takes memory of its own.
    end = {"memory_bytes": ready.memory() or peak_memory()}
    if settings.trace:
        with ready.traced(Path(settings.trace)):
            for _ in range(_TRACED):
                ready.step()
            ready.wait()
    _tell(end)


def _prepare(settings: Settings) -> Ready:
    # Either library is imported where it is needed alone.
    if settings.way.startswith("torch_features"):
        from jaxdet.bench.torch_tower import prepare
    elif settings.way.startswith("torch"):
        from jaxdet.bench.torch_step import prepare
    elif settings.way == "features":
        from jaxdet.bench.jax_tower import prepare
    else:
        from jaxdet.bench.jax_step import prepare
    return prepare(settings)


def _tell(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
