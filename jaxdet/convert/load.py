"""Loads weights from any file or folder that is not a run: what `W` may be on a command line."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdet.config.dotted import is_dotted
from jaxdet.config.model import PROBES, Model
from jaxdet.convert.architectures import Network, check_arch, identify, shapes
from jaxdet.convert.choose import bare_keys, listed, make_choose
from jaxdet.convert.facts import read_facts
from jaxdet.convert.files import read_weights
from jaxdet.convert.fit import fitted
from jaxdet.convert.folder import is_detector, read_detector
from jaxdet.convert.kinds import shorter_side
from jaxdet.convert.low_rank import with_kernels, with_low_rank
from jaxdet.convert.rules import Converted, flatten, nest, to_jax
from jaxdet.convert.spellings import head_arch
from jaxdet.convert.towers import Facts
from jaxdet.errors import UserError
from jaxdet.models.towers import Tower, read_tower


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """Holds a detector's variables and what is known of them.

    Attributes:
      model: the network they belong to.
      variables: {"params", "batch_stats"}, nested dicts of numpy arrays f32.
      source: the file or folder, as errors and reports call it.
      replaced: places that hold fresh values, because the source's head has another size; empty
        unless these were asked for.
      spelling: whose names the arrays of its tower had; "" where there is no tower.
      crop: side of the crops that the network was trained on, in pixels, where it takes no others
        or the source says so; else None.
      resize: see `Network`.
      notes: what was taken off keys and passed over on the way, one sentence each.
    """

    model: Model
    variables: dict[str, Any]
    source: str
    replaced: tuple[str, ...] = ()
    spelling: str = ""
    crop: int | None = None
    resize: int = 0
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertedFile:
    """Holds the weights of a torch file in our form.

    Attributes:
      network: what they are of.
      converted: the arrays, without a head of another size, and what became of each key.
      notes: see `LoadedWeights`.
    """

    network: Network
    converted: Converted
    notes: tuple[str, ...]


def load_weights(
    path: Path,
    *,
    arch: str | None = None,
    state_dict: str | None = None,
    facts: Facts = MappingProxyType({}),
    head_seed: int | None = None,
    head_deviation: float = 0.02,
    headless: bool = False,
    tower: Tower | None = None,
) -> LoadedWeights:
    """Loads the weights of a folder of `jaxdet.convert`, or of a torch or safetensors file.

    Args:
      path: the file or folder.
      arch: the architecture of a file; found from its keys where left out.
      state_dict: the name of one of several state dicts in a file.
      facts: what somebody told of the tower in a file, where the file does not say it.
      head_seed: draws a new last layer in place of one of another size, to start a training from;
        None, as whoever answers needs it, to refuse such weights.
      head_deviation: of its normal weights.
      headless: whether a tower without a last layer will do.
      tower: that is asked for; a file's is brought into its form where that changes nothing.

    Raises:
      UserError: where nothing of that kind is there, it does not fit the architecture, holds values
        that are not finite, or, without `head_seed`, lacks one that the network needs.
    """
    if is_detector(path):
        loaded = _from_folder(path, arch, state_dict)
    elif path.is_dir():
        raise UserError(
            f"{path}: neither a run, with config.json, nor converted weights, with detector.json"
            "; give one of these, a checkpoint of a run, or a file"
        )
    else:
        loaded = _from_file(path, arch, state_dict, facts)
    _check_finite(loaded)
    loaded = loaded if tower is None else _fitted(loaded, tower)
    if head_seed is None:
        if not (headless and loaded.model.name in PROBES):
            _check_complete(loaded)
        return loaded
    head = new_head(
        loaded.model, loaded.replaced, side=loaded.crop, seed=head_seed, deviation=head_deviation
    )
    variables = with_collections({**flatten(loaded.variables), **head})
    return dataclasses.replace(loaded, variables=variables)


def _fitted(loaded: LoadedWeights, tower: Tower) -> LoadedWeights:
    """Returns weights in the form of the tower that is asked for; see `fitted`."""
    model, arrays, notes = fitted(
        loaded.model, flatten(loaded.variables), tower, bare=bool(loaded.replaced)
    )
    return dataclasses.replace(
        loaded, model=model, variables=with_collections(arrays), notes=(*loaded.notes, *notes),
        crop=read_tower(model.tower).size if model.name in PROBES else loaded.crop,
    )  # fmt: skip


def convert_file(
    path: Path,
    *,
    arch: str | None = None,
    state_dict: str | None = None,
    facts: Facts = MappingProxyType({}),
) -> ConvertedFile:
    """Brings a torch file into our form, a head of another size left open.

    Raises:
      UserError: where it cannot be read, or fits no architecture, or several, or does not say what
        its tower is.
    """
    if arch is not None:
        check_arch(arch)
    found = read_weights(path, with_low_rank(make_choose(arch, state_dict, source=str(path))))
    whole, merged = with_kernels(found.arrays, source=str(path))
    bare, taken = bare_keys(whole, arch, source=str(path))
    notes = (*merged, *taken)
    arrays = {bare[key]: value for key, value in whole.items()}
    if head_arch(arrays):
        raise UserError(
            f"{path}: a head alone; put it on its tower with `python -m jaxdet.convert to-jax "
            "--tower=TOWER HEAD DST`"
        )
    beside = cache(partial(read_facts, path))
    network = identify(arrays, arch, source=str(path), beside=beside, told=facts)
    ours = shapes(network.model, side=network.side)
    converted = to_jax(arrays, ours, table=network.table, source=str(path))
    if network.model.name == "linear_probe" and not converted.coverage.replaced:
        tower = vars(read_tower(network.model.tower))
        side = shorter_side(tower, network.spelling)
        network = dataclasses.replace(network, resize=side)
    return ConvertedFile(
        network=network,
        converted=converted,
        notes=(*found.notes, *notes, *_assumed(network.model, facts, beside)),
    )


def _assumed(model: Model, facts: Facts, beside: Callable[[], Facts]) -> Iterator[str]:
    """Yields lines on what a tower's kind says of its pixels and its pooling, and no file does."""
    if model.name not in PROBES:
        return
    own, known = read_tower(model.tower), beside()
    if not facts.get("normalisation") and not known.get("normalisation"):
        yield (
            f"pixels are normalised as most of its kind are ({own.normalisation}): no file beside "
            "it says how"
        )
    if own.pool == "mean" and not known.keys() & {"pool", "global_pool"}:
        yield (
            "its head takes the mean of the patches, as timm's DINOv3 does by default: no "
            "config.json beside it has another global_pool"
        )


def new_head(
    model: Model,
    places: tuple[str, ...],
    *,
    side: int | None = None,
    seed: int,
    deviation: float = 0.02,
) -> dict[str, np.ndarray]:
    """Draws fresh arrays f32 for the places of the last layer: normal weights and a bias of 0.

    CNNDetection (networks/trainer.py) starts at N(0, 0.02).
    """
    rng = np.random.default_rng(seed)
    spread = {place: deviation if place.endswith("kernel") else 0 for place in places}
    return {
        place: rng.normal(0, spread[place], shapes(model, side=side)[place]).astype(np.float32)
        for place in places
    }


def with_collections(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Nests arrays by place as variables; a network without statistics has an empty dict."""
    return {"params": {}, "batch_stats": {}, **nest(arrays)}


def check_choices(path: Path, model: Model, arch: str | None, state_dict: str | None) -> None:
    """Sees that a run or folder, which says itself what it holds, is not taken for something else.

    Raises:
      UserError: where another architecture, or a part of a file, is asked for.
    """
    if arch not in (None, model.name):
        if not is_dotted(str(arch)):
            check_arch(str(arch))
        raise UserError(f"{path}: holds the weights of {model.name}, not of {arch}")
    if state_dict is not None:
        raise UserError(f"{path}: holds one set of weights; --state-dict chooses within a file")


def _from_folder(path: Path, arch: str | None, state_dict: str | None) -> LoadedWeights:
    model, arrays, about = read_detector(path)
    check_choices(path, model, arch, state_dict)
    return LoadedWeights(
        model=model,
        variables=with_collections(arrays),
        source=str(path),
        replaced=tuple(about["coverage"]["replaced"]),
        spelling=about["spelling"],
        crop=about["crop"],
        resize=about["resize"],
    )


def _from_file(path: Path, arch: str | None, state_dict: str | None, facts: Facts) -> LoadedWeights:
    file = convert_file(path, arch=arch, state_dict=state_dict, facts=facts)
    return LoadedWeights(
        model=file.network.model,
        variables=with_collections(file.converted.arrays),
        source=str(path),
        replaced=file.converted.coverage.replaced,
        spelling=file.network.spelling,
        crop=file.network.side,
        resize=file.network.resize,
        notes=file.notes,
    )


def _check_finite(loaded: LoadedWeights) -> None:
    """Refuses weights that are infinite or NaN, from which nothing can be trained either."""
    flat = flatten(loaded.variables)
    broken = [place for place, value in flat.items() if not np.isfinite(value).all()]
    if broken:
        raise UserError(f"{loaded.source}: values that are not finite in {listed(broken)}")


def _check_complete(loaded: LoadedWeights) -> None:
    """Refuses weights from which no score can come."""
    if loaded.replaced and loaded.model.name in PROBES:
        raise UserError(
            f"{loaded.source}: a tower without a head: it gives features (jaxdet.load_tower) and "
            "can start a training (model.init), but answers nothing"
        )
    if loaded.replaced:
        raise UserError(
            f"{loaded.source}: without values for {', '.join(loaded.replaced)}, since its last "
            "layer is of another size: it can start a training (model.init), but answers nothing"
        )
    if not flatten(loaded.variables).get("batch_stats/scaler/count", 1) > 0:
        raise UserError(
            f"{loaded.source}: the statistics of its inputs (scaler) were never measured"
        )
