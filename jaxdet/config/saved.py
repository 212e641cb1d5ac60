"""Reads the config of a saved run out of its folder."""

import functools
from pathlib import Path
from typing import Any

from jaxdet.config.forms import config_hash, from_json_dict, saved_hash
from jaxdet.config.schema import Config
from jaxdet.config.validate import validate_saved
from jaxdet.errors import UserError
from jaxdet.progress import say
from jaxdet.workdir.files import read_json


def read_config(path: Path) -> Config:
    """Returns the config that a `config.json` holds.

    Raises:
      UserError: where it is missing, damaged, or has options that this jaxdet does not know.
    """
    return _read(path)[1]


def own_hash(path: Path) -> str:
    """Returns the hash of a `config.json` over the options that it has itself.

    Raises:
      UserError: as `read_config`.
    """
    return saved_hash(_read(path)[0])


def is_hash_of(known: str, path: Path) -> bool:
    """Returns whether results with this hash were made by the config that a `config.json` holds.

    Raises:
      UserError: as `read_config`.
    """
    nested, config = _read(path)
    return known in (saved_hash(nested), config_hash(config))


def _read(path: Path) -> tuple[dict[str, Any], Config]:
    nested = read_json(path)
    try:
        config = from_json_dict(nested)
        allowed = validate_saved(config)
    except UserError as error:
        raise UserError(f"{path}: made by a newer jaxdet, or damaged; {error}") from None
    for line in allowed:
        _note(f"{path}: {line}; saved by an earlier jaxdet, and left as it is")
    return nested, config


@functools.cache
def _note(line: str) -> None:
    """Logs a line once, however often the file is read."""
    say(line)
