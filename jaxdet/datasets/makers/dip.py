"""Makes fakes by the deep image prior (Wang et al., CVPR 2020, appendix A.4).

One network for each image, the generator of ProGAN in the paper, learns to draw it from fixed
noise; what it draws on the way are the fakes. Images are independent, so many networks are trained
at once, on one device or on many.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxdet.data.images import SPLITS
from jaxdet.datasets.makers.fit import Say, to_pixels
from jaxdet.datasets.makers.grid import write_grid
from jaxdet.datasets.makers.hourglass import NOISE, UPSAMPLINGS, Hourglass
from jaxdet.datasets.makers.photos import Crops
from jaxdet.datasets.makers.progan import START, Generator
from jaxdet.datasets.makers.sets import CutSettings, fidelity, set_folder, write_images
from jaxdet.datasets.makers.snapshots import load_snapshot, save_snapshot
from jaxdet.errors import RunFailedError, UserError
from jaxdet.runtime.mesh import batch_sharding, make_even_mesh
from jaxdet.workdir.files import read_json, write_json

SNAPSHOTS = 6  # evenly over the iterations: 1000, 2000 ... 6000
RATES = (1e-2, 1e-3, 1e-4)  # each for a third of the iterations
NETWORKS = ("progan", "hourglass")
_NOISE_RANGE = 0.1  # of an hourglass: uniform from 0, Ulyanov et al.
_SHEET = 8  # images on a sheet, in columns: the photograph, then its snapshots

State = Any  # of one network, or of many: the same tree with one more axis in front
Numbers = dict[str, list[float]]  # snapshot -> one number an image


@dataclass(frozen=True)
class DipSettings(CutSettings):
    """Holds the settings that the dataset is a function of.

    For each image SNAPSHOTS fakes are made.
    """

    method: str = "dip"
    size: int = 128
    train_images: int = 200  # networks: each gives one fake for each snapshot
    val_images: int = 40
    test_images: int = 40
    iterations: int = 6000
    network: str = "progan"  # or hourglass, the one of Ulyanov et al.
    width: int | None = None  # channels; None: 512 of progan, 128 of hourglass
    upsampling: str | None = None  # of hourglass: bilinear, or nearest; None: bilinear
    levels: int | None = None  # of hourglass; None: 5
    at_once: int = 8  # networks; their number, like that of devices, changes the rounding alone

    def __post_init__(self) -> None:
        """Raises UserError for a value that cannot be."""
        super().__post_init__()
        self.one_of("network", NETWORKS)
        given = (name for name in ("width", "levels") if getattr(self, name) is not None)
        self.at_least(1, "at_once", *given)
        self.at_least(SNAPSHOTS, "iterations")
        if self.network == "hourglass":
            if self.upsampling is not None:
                self.one_of("upsampling", UPSAMPLINGS)
            # Two pixels a side are left at the bottom, for normalisation to take a deviation of.
            levels = self.make_network().levels
            self.multiple_of(2**levels, least=2 ** (levels + 1))
            return
        for name in ("upsampling", "levels"):
            if getattr(self, name) is not None:
                option = f"--{name}={getattr(self, name)}"
                raise UserError(f"{option}: --network=progan has its own; use --network=hourglass")
        if self.size < 2 * START or self.size & (self.size - 1):
            raise UserError(f"--size={self.size}: --network=progan draws a power of 2, 8 or more")

    def make_network(self) -> Generator | Hourglass:
        """Returns the untrained network."""
        if self.network == "progan":
            return Generator(size=self.size, width=self.width or 512)
        return Hourglass(
            width=self.width or 128,
            levels=self.levels or 5,
            upsampling=self.upsampling or "bilinear",
        )

    @property
    def snapshots(self) -> tuple[int, ...]:
        """Returns the iterations whose images are kept."""
        return tuple(self.iterations * (k + 1) // SNAPSHOTS for k in range(SNAPSHOTS))


@dataclass(frozen=True)
class Prior:
    """Holds compiled functions over a group of networks, the group in the first axis.

    Attributes:
        init: i32 [G] rows of the data -> the state; a row's network and noise follow from its
            number and the seed alone.
        update: `(state, f32 [G, S, S, 3] in 0..1) -> (state, l1 f32 [G])`; the old state is used
            up.
        draw: state -> f32 [G, S, S, 3] in 0..1.
    """

    init: Callable[[np.ndarray], State]
    update: Callable[[State, jax.Array], tuple[State, jax.Array]]
    draw: Callable[[State], jax.Array]


@functools.cache
def make_prior(settings: DipSettings, mesh: Mesh) -> Prior:
    """Returns the functions of these settings, for groups sharded evenly over the mesh."""
    network = settings.make_network()
    adam = optax.adam(make_rate(settings.iterations))

    def init(row: jax.Array) -> State:
        keys = jax.random.split(jax.random.fold_in(jax.random.key(settings.seed), row))
        if isinstance(network, Generator):
            noise = jax.random.normal(keys[0], (network.width,))
        else:
            shape = (settings.size, settings.size, NOISE)
            noise = jax.random.uniform(keys[0], shape, maxval=_NOISE_RANGE)
        variables = network.init(keys[1], noise)
        return {"noise": noise, "variables": variables, "moments": adam.init(variables)}

    def update(state: State, target: jax.Array) -> tuple[State, jax.Array]:
        def l1(variables: Any) -> jax.Array:
            drawn: Any = network.apply(variables, state["noise"])
            return jnp.abs(drawn - target).mean()

        loss, gradient = jax.value_and_grad(l1)(state["variables"])
        change, moments = adam.update(gradient, state["moments"], state["variables"])
        variables = optax.apply_updates(state["variables"], change)
        return {**state, "variables": variables, "moments": moments}, loss

    def draw(state: State) -> Any:
        return network.apply(state["variables"], state["noise"])

    def mapped(function: Callable[..., Any]) -> Callable[..., Any]:
        # Cut by hand, since the compiler is free to exchange what it has cut itself.
        return jax.shard_map(jax.vmap(function), mesh=mesh, in_specs=P("data"), out_specs=P("data"))

    return Prior(
        init=jax.jit(mapped(init)),
        update=jax.jit(mapped(update), donate_argnums=0),
        draw=jax.jit(mapped(draw)),
    )


def make_rate(iterations: int) -> optax.Schedule:
    """Returns the learning rate of an iteration: RATES, each for a third."""
    ends = [iterations * k // len(RATES) for k in range(1, len(RATES))]
    return optax.join_schedules([optax.constant_schedule(rate) for rate in RATES], ends)


def make_dip(
    folder: Path, *, crops: Mapping[str, Crops], settings: DipSettings, say: Say
) -> dict[str, Any]:
    """Writes the fakes of all splits; returns PSNR and loss of each snapshot for the record.

    Raises:
        RunFailedError: a loss is not finite.
    """
    facts: dict[str, Any] = {}
    first = 0
    for split in SPLITS:
        numbers = [
            make_group(folder, split, group, rows=rows, settings=settings, say=say)
            for group, rows in _groups(crops[split], first=first, size=settings.at_once)
        ]
        first += len(crops[split].names)
        facts[split] = summarise(numbers)
    return {"snapshots": facts}


def _groups(crops: Crops, *, first: int, size: int) -> list[tuple[Crops, np.ndarray]]:
    """Returns the crops in groups of a few, each with its rows in the whole data."""
    parts = [slice(k, k + size) for k in range(0, len(crops.names), size)]
    rows = np.arange(first, first + len(crops.names), dtype=np.int32)
    return [(Crops(crops.names[p], crops.images[p]), rows[p]) for p in parts]


def make_group(
    folder: Path, split: str, group: Crops, *, rows: np.ndarray, settings: DipSettings, say: Say
) -> dict[str, Numbers]:
    """Writes the fakes of one group, unless they are there; returns PSNR (dB) and l1 (0..255)."""
    done = folder / "snapshots" / f"{split}_{rows[0]:06d}.json"
    if done.exists():
        numbers: dict[str, Numbers] = read_json(done)
        return numbers
    where = f"dip  {split} {rows[0]}-{rows[-1]}"
    fakes = fit_group(folder, group, rows=rows, settings=settings, say=lambda x: say(where + x))
    numbers = {"psnr_db": {}, "l1": {}}
    for iteration, fake in zip(settings.snapshots, fakes, strict=True):
        place = set_folder(split, method=settings.method, kind=kind_of(iteration))
        write_images(folder / place / "1_fake", names=group.names, images=fake)
        each = [fidelity(r, f) for r, f in zip(group.images, fake, strict=True)]
        for name, values in numbers.items():
            values[str(iteration)] = [one[name] for one in each]
    shown = np.stack([group.images, *fakes], axis=1)[:_SHEET]
    sheet = folder / "samples" / f"dip_{split}_{rows[0]:06d}.png"
    write_grid(sheet, np.concatenate(list(shown)), columns=1 + SNAPSHOTS)
    write_json(done, numbers)
    return numbers


def kind_of(iteration: int) -> str:
    """Returns the name of the folder of a snapshot's images."""
    return f"iteration_{iteration:04d}"


def fit_group(
    folder: Path, group: Crops, *, rows: np.ndarray, settings: DipSettings, say: Say
) -> np.ndarray:
    """Returns the fakes u8 [SNAPSHOTS, N, S, S, 3], resumed from the last snapshot that is kept."""
    mesh, path = make_even_mesh(settings.at_once), folder / "snapshots" / "group.msgpack"
    prior = make_prior(settings, mesh)
    missing = settings.at_once - len(rows)  # the last group is filled up: one compilation
    padded = np.pad(group.images, ((0, missing), *[(0, 0)] * 3), "edge")
    target = jax.device_put(np.float32(padded / 255.0), batch_sharding(mesh))
    state = prior.init(np.pad(rows, (0, missing), "edge"))
    fakes, row, count = np.zeros((SNAPSHOTS, *group.images.shape), np.uint8), int(rows[0]), 0
    kept = load_snapshot(path, like={"row": 0, "count": 0, "state": state, "fakes": fakes})
    if kept is not None and kept["row"] == row:
        count, state, fakes = kept["count"], kept["state"], np.array(kept["fakes"])
    for number in range(count, SNAPSHOTS):
        before = settings.snapshots[number - 1] if number else 0
        end = settings.snapshots[number]
        state = _advance(prior, state, target, steps=end - before)
        drawn = np.asarray(prior.draw(state))[: len(rows)]
        fakes[number] = to_pixels(2 * drawn - 1, crops=group.images)
        save_snapshot(path, {"row": row, "count": number + 1, "state": state, "fakes": fakes})
        each = [fidelity(r, f) for r, f in zip(group.images, fakes[number], strict=True)]
        l1, psnr = (np.mean([one[name] for one in each]) for name in ("l1", "psnr_db"))
        numbers = f"l1 {l1:.2f}  psnr {psnr:.1f} dB"
        say(f"  iteration {end}/{settings.iterations}  {numbers}")
    return fakes


def _advance(prior: Prior, state: State, target: jax.Array, *, steps: int) -> State:
    for _ in range(steps):
        state, loss = prior.update(state, target)
    if not np.isfinite(np.asarray(loss)).all():
        raise RunFailedError(f"dip: a loss is not finite: {np.asarray(loss).tolist()}")
    return state


def summarise(groups: Sequence[Mapping[str, Numbers]]) -> dict[str, dict[str, float]]:
    """Returns each snapshot's mean, least and greatest PSNR over a split's images, and mean l1."""
    summary = {}
    for snapshot in groups[0]["psnr_db"]:
        psnr, l1 = (
            np.concatenate([group[name][snapshot] for group in groups])
            for name in ("psnr_db", "l1")
        )
        rows = {"psnr_db": psnr.mean(), "psnr_db_min": psnr.min(), "psnr_db_max": psnr.max()}
        summary[snapshot] = {k: round(float(v), 2) for k, v in {**rows, "l1": l1.mean()}.items()}
    return summary
