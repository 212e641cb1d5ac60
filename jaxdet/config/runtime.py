"""Defines the options of `runtime`: the machine, on which results do not depend."""

import dataclasses

from jaxdet.config.fields import option

# How files are known again, the default first.
COMPARE = ("times", "bytes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """Describes the machine; no result depends on it but on `deterministic`, on GPUs."""

    devices: int = option(
        0, "accelerators (or simulated CPU devices) to use; 0: all", within="[0, 1e6]"
    )
    workers: int = option(
        -1, "input workers a host; -1: one per core, 0: none, in line", within="[-1, 1024]"
    )
    worker_kind: str = option(
        "auto",
        "threads or processes; auto: processes where more than four workers make 4 GiB of crops or "
        "more and shared memory holds their batches, threads otherwise",
        choices=("auto", "threads", "processes"),
    )
    log_every: int = option(
        50, "steps between lines in metrics.jsonl", unit="steps", within="[1, 1e9]"
    )
    trackers: tuple[str, ...] = option(
        (),
        "who else is given the lines of metrics.jsonl: tensorboard, event files in the run's "
        "folder tensorboard; wandb, Weights & Biases, whose WANDB_MODE and WANDB_PROJECT hold",
    )
    hang_seconds: float = option(
        1800.0,
        "end the run with a diagnosis where nothing moves for so long; where the stage is known "
        "to be long without a sign (compiling, looking up images, scores' intervals) after an "
        "hour at least; 0: never",
        unit="seconds",
        within="[0, 1e7]",
    )
    compare_images: str = option(
        "times",
        "how scores and spectra of an earlier start know their images again: times, by names, "
        "sizes and times of change; bytes, by SHA-256 of all files, which is for data that is "
        "copied anew for each start",
        choices=COMPARE,
    )
    deterministic: bool = option(
        False,
        "same machine, same bits on GPUs too, by XLA's deterministic operations, without its "
        "autotuning; CPUs give the same bits in any case",
    )
    features: str = option(
        "",
        "folder that keeps what a frozen tower (`model.tune=head`) sees of each image in each of "
        "`augment.views`, and of validation images in the clean one; runs share it. Empty: the "
        "tower looks anew each epoch",
    )
    compile_cache: str = option(
        "",
        "folder that keeps compiled programs for later starts; empty: JAX_COMPILATION_CACHE_DIR "
        "where that is set, else ~/.cache/jaxdet/compiled on accelerators and none on CPUs; none: "
        "none. Refused where others may write",
    )
