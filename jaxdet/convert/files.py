"""Reading and writing arrays by name. The one file that touches safetensors."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from jaxdet.convert.torch_read import read_torch
from jaxdet.errors import UserError
from jaxdet.files import open_regular


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """State dict of torch, key to array, from a file that is read without running anything.

    Which kind of file it is follows from its first bytes, not from its name.

    Raises:
      UserError: where the file is missing, damaged or of another kind.
    """
    head = _first_bytes(path)
    if not head:
        raise UserError(f"{path}: is empty, no weight file")
    if head[8:9] == b"{":
        return _without_prefix(read_safetensors(path))
    if head[:2] in (b"PK", b"\x80\x02"):
        return _without_prefix(read_torch(path))
    raise UserError(f"{path}: neither a safetensors file nor one of torch.save")


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, which cannot hold code.

    Raises:
      UserError: where it is damaged or of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no mapping
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


def _without_prefix(state_dict: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Torch's DataParallel puts `module.` before every key."""
    if state_dict and all(key.startswith("module.") for key in state_dict):
        return {key.removeprefix("module."): value for key, value in state_dict.items()}
    return state_dict
