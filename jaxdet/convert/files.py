"""Reading and writing arrays by name. The one file that touches safetensors."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxdet.convert.state_dicts import Choose, StateDict, beside, first_of_largest, unwrap
from jaxdet.convert.torch_read import read_torch
from jaxdet.errors import UserError
from jaxdet.workdir.files import open_regular, read_json

# As the hub of Hugging Face names the parts of weights, and the index of them: "model" for
# model-00001-of-00002.safetensors and model.safetensors.index.json.
_PART = re.compile(r"(?P<name>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})(?P<suffix>\.\w+)")


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Reads the largest state dict of a file, its keys without what wrappers put into them.

    Raises:
      UserError: where the file is missing, damaged or of another kind.
    """
    arrays = read_weights(path).arrays
    bare, _ = unwrap(arrays)
    return {bare[key]: value for key, value in arrays.items()}


def read_weights(path: Path, choose: Choose = first_of_largest) -> StateDict:
    """Reads a state dict, key to array, from a file or an index of files; nothing is run.

    Which kind of file it is follows from its first bytes, not from its name.

    Args:
      path: of the file.
      choose: which of the state dicts in it, where it holds several.

    Raises:
      UserError: where the file is missing, damaged or of another kind.
    """
    head = _first_bytes(path)
    if not head:
        raise UserError(f"{path}: is empty, no weight file")
    if head.lstrip()[:1] == b"{" and head[8:9] != b"{":
        return _chosen(_read_index(path), choose)
    part = _PART.fullmatch(path.name)
    if part and int(part["parts"]) > 1:
        raise UserError(
            f"{path}: part {int(part['part'])} of {int(part['parts'])} of a set of weights; give "
            f"their index in its place, {part['name']}{part['suffix']}.index.json"
        )
    return _read_file(path, head, choose)


def _read_file(path: Path, head: bytes, choose: Choose) -> StateDict:
    if head[8:9] == b"{":
        return _chosen(read_safetensors(path), choose)
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return read_torch(path, choose)
    raise UserError(f"{path}: neither a safetensors file nor one of torch.save")


def _chosen(arrays: dict[str, np.ndarray], choose: Choose) -> StateDict:
    found = {"": arrays}
    choice = choose(found)
    chosen = {key: arrays[key] for key in choice.entries}
    return StateDict(arrays=chosen, name=choice.name, beside=beside(arrays, choice, found))


def _read_index(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of all parts that an index names, which lie beside it."""
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places or not all(map(_is_plain_name, places.values())):
        raise UserError(f"{path}: neither weights nor an index of weight files beside it")
    arrays = {}
    for name in sorted(set(places.values())):
        part = path.with_name(name)
        found = _read_file(part, _first_bytes(part), first_of_largest).arrays
        wanted = [key for key, place in places.items() if place == name]
        lacking = [key for key in wanted if key not in found]
        if lacking:
            raise UserError(f"{part}: lacks {lacking[0]}, which {path.name} says is in it")
        arrays.update({key: found[key] for key in wanted})
    return arrays


def _is_plain_name(name: Any) -> bool:
    """Tells the name of a file in the same folder from a path out of it, and from no name."""
    return isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a safetensors file, which cannot hold code.

    Raises:
      UserError: where it is damaged or of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no mapping
    except AttributeError as error:
        raise UserError(f"{path}: an array of a kind that is not read: {error}") from None
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged or no safetensors file: {error}") from None


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name."""
    # save_file would leave a file that only its owner can read.
    path.write_bytes(save(dict(arrays)))


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path}: a folder, not a weight file")
    try:
        with open_regular(path) as file:
            return file.read(16)
    except FileNotFoundError:
        raise UserError(f"{path}: no such weight file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}, and no weight file") from None
