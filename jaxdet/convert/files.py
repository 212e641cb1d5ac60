"""Reads and writes arrays by name. The one file that touches safetensors."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import save

from jaxdet.convert.state_dicts import (
    Choose,
    StateDict,
    beside,
    first_of_largest,
    shorten,
    unwrap,
)
from jaxdet.convert.torch_read import read_torch
from jaxdet.errors import UserError
from jaxdet.workdir.files import open_regular, parse_json, read_json

# As the hub of Hugging Face names the parts of weights, and the index of them: "model" for
# model-00001-of-00002.safetensors and model.safetensors.index.json.
_PART = re.compile(r"(?P<name>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})(?P<suffix>\.\w+)")
# A header takes about a hundred bytes an array.
_LARGEST_HEADER, _MOST_AXES = 2**21, 32
_DTYPES: Mapping[str, Any] = MappingProxyType({
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
    "BOOL": np.bool_,
})  # fmt: skip


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
    dictionaries = {"": arrays}
    choice = choose(dictionaries)
    chosen = {key: arrays[key] for key in choice.entries}
    return StateDict(arrays=chosen, name=choice.name, beside=beside(arrays, choice, dictionaries))


def _read_index(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of all parts that an index names, which lie beside it."""
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places or not all(map(_is_plain_name, places.values())):
        raise UserError(f"{path}: neither weights nor an index of weight files beside it")
    arrays = {}
    for name in sorted(set(places.values())):
        part = path.with_name(name)
        part_arrays = _read_file(part, _first_bytes(part), first_of_largest).arrays
        wanted = [key for key, place in places.items() if place == name]
        lacking = [key for key in wanted if key not in part_arrays]
        if lacking:
            raise UserError(f"{part}: lacks {lacking[0]}, which {path.name} says is in it")
        arrays.update({key: part_arrays[key] for key in wanted})
    return arrays


def _is_plain_name(name: Any) -> bool:
    """Returns whether a name is that of a file in the same folder, not a path out of it."""
    return isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a safetensors file, which cannot hold code; views of read-only memory.

    Its header is read here and not by the package, which takes one of 100 MB, and knows no 8-bit
    floats for numpy.

    Raises:
      UserError: where it is damaged or of another kind.
    """
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            if length > _LARGEST_HEADER:
                raise ValueError(f"a header of {length} bytes, more than any network's")
            header, content = parse_json(file.read(length).decode()), memoryview(file.read())
        header.pop("__metadata__", None)
        return {key: _array(key, about, content) for key, about in header.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, LookupError) else error
        raise UserError(f"{path}: damaged or no safetensors file: {reason}") from None


def _array(key: str, about: Mapping[str, Any], content: memoryview) -> np.ndarray:
    """Returns the array that an entry of a header describes, in bounds."""
    kind, shape, (first, last) = about["dtype"], about["shape"], about["data_offsets"]
    if kind not in _DTYPES:
        raise ValueError(f"{shorten(key)} is an array of the kind {kind!a:.20}, which is not read")
    numbers = [first, last, *shape]
    if len(shape) > _MOST_AXES or not all(type(n) is int and 0 <= n < 2**48 for n in numbers):
        raise ValueError(f"{shorten(key)} has a shape or place that is no list of whole numbers")
    dtype = np.dtype(_DTYPES[kind])
    if not first <= last <= len(content) or math.prod(shape) * dtype.itemsize != last - first:
        raise ValueError(f"{shorten(key)} is not where it should be, or of another size")
    return np.frombuffer(content[first:last], dtype).reshape(shape)


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
