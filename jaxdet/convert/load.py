"""Weights from any file or folder that is not a run: what `W` may be on a command line."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxdet.config import Model
from jaxdet.convert.architectures import get_table, infer, shapes, width
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.folder import is_detector, read_detector
from jaxdet.convert.rules import Converted, nest, to_jax
from jaxdet.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """A detector's variables and what they are.

    Attributes:
      model: the network they belong to.
      variables: {"params", "batch_stats"}, nested dicts of numpy arrays f32.
      source: the file or folder, as errors and reports call it.
      replaced: places that hold fresh values, because the source's head has another size.
    """

    model: Model
    variables: dict[str, Any]
    source: str
    replaced: tuple[str, ...] = ()


def load_weights(
    path: Path, *, arch: str | None = None, seed: int = 0, head_deviation: float = 0.02
) -> LoadedWeights:
    """The weights of a folder of `jaxdet.convert`, or of a .pth, .pt or .safetensors file.

    Args:
      path: the file or folder.
      arch: the architecture of a file; found from its keys where left out.
      seed: of the head that takes the place of one with another size.
      head_deviation: of its normal weights.

    Raises:
      UserError: where nothing of that kind is there, or it does not fit the architecture.
    """
    if is_detector(path):
        return _from_folder(path, arch)
    if path.is_dir():
        raise UserError(f"{path}: a folder without detector.json; is it a run?")
    model, converted = convert_file(path, arch=arch)
    replaced = converted.coverage.replaced
    head = new_head(model, replaced, seed=seed, deviation=head_deviation)
    return LoadedWeights(
        model=model,
        variables=with_collections({**converted.arrays, **head}),
        source=str(path),
        replaced=replaced,
    )


def convert_file(path: Path, *, arch: str | None = None) -> tuple[Model, Converted]:
    """The network of a torch file and its arrays, a head of another size left open.

    Raises:
      UserError: where it cannot be read or does not fit the architecture.
    """
    state_dict = read_state_dict(path)
    name = arch or infer(state_dict, source=str(path))
    table = get_table(name)
    model = Model(name=name, width=width(state_dict, name, source=str(path)))
    return model, to_jax(state_dict, shapes(model), table=table, source=str(path))


def new_head(
    model: Model, places: tuple[str, ...], *, seed: int, deviation: float = 0.02
) -> dict[str, np.ndarray]:
    """Fresh arrays f32 for the places of the last layer: normal weights and a bias of 0.

    CNNDetection (networks/trainer.py) starts at N(0, 0.02).
    """
    rng = np.random.default_rng(seed)
    spread = {place: deviation if place.endswith("kernel") else 0 for place in places}
    return {
        place: rng.normal(0, spread[place], shapes(model)[place]).astype(np.float32)
        for place in places
    }


def with_collections(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Nested variables of arrays by place; a network without statistics has an empty dict."""
    return {"params": {}, "batch_stats": {}, **nest(arrays)}


def _from_folder(path: Path, arch: str | None) -> LoadedWeights:
    model, arrays, _ = read_detector(path)
    if arch is not None and arch != model.name:
        raise UserError(f"{path}: holds the weights of {model.name}, not of {arch}")
    return LoadedWeights(model=model, variables=with_collections(arrays), source=str(path))
