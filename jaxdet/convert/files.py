"""Reading weight files. The one file that touches torch's formats."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from jaxdet.errors import UserError


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """State dict of torch, key to array, from a .safetensors file (which cannot hold code).

    Raises:
      UserError: where the file is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such weight file")
    if path.suffix != ".safetensors":
        raise UserError(f"{path}: not a .safetensors file; see docs/training.md to make one")
    try:
        weights: dict[str, np.ndarray] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: damaged or no safetensors file: {error}") from None
    return weights
