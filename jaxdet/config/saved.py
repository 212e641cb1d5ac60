"""The config of a saved run, out of its folder."""

from pathlib import Path

from jaxdet.config.forms import from_json_dict, saved_hashes
from jaxdet.config.schema import Config
from jaxdet.config.validate import validate
from jaxdet.errors import UserError
from jaxdet.workdir.files import read_json


def read_config(path: Path) -> Config:
    """Returns the config that a `config.json` holds.

    Raises:
      UserError: where it is missing, damaged, or has options that this jaxdet does not know.
    """
    nested = read_json(path)
    try:
        config = from_json_dict(nested)
        validate(config)
    except UserError as error:
        raise UserError(f"{path}: made by a newer jaxdet, or damaged; {error}") from None
    return config


def is_hash_of(config_hash: str, path: Path) -> bool:
    """Returns whether results of this hash were made by the config that a `config.json` holds.

    Raises:
      UserError: where it is missing, damaged, or has options that this jaxdet does not know.
    """
    read_config(path)
    return config_hash in saved_hashes(read_json(path))
