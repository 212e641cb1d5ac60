"""Describes an experiment: its options, their forms, and what cannot work together.

A config file (`configs/*.py`) builds one frozen `Config` and hands it out as an
ml_collections `ConfigDict`, so that `--config.section.key=value` works on the command
line. `from_config_dict` turns it back and refuses what does not fit; `validate` refuses
what cannot work together. Nothing else in jaxdet reads a ConfigDict.
"""

from jaxdet.config.augment import Augment
from jaxdet.config.benchmarks import listed_benchmarks
from jaxdet.config.data import Data
from jaxdet.config.evaluation import Evaluation
from jaxdet.config.forms import (
    common_options,
    config_hash,
    differences,
    flatten,
    from_config_dict,
    from_json_dict,
    load_file,
    refuse_argument,
    to_config_dict,
    to_json_dict,
)
from jaxdet.config.model import PROBES, Model
from jaxdet.config.options import Experiment, chosen_workdir, parse_options, read_options
from jaxdet.config.runtime import Runtime
from jaxdet.config.saved import is_hash_of, own_hash, read_config
from jaxdet.config.schema import Config
from jaxdet.config.training import Checkpoint, Optim, Plateau, Validation
from jaxdet.config.validate import validate

__all__ = [
    "PROBES",
    "Augment",
    "Checkpoint",
    "Config",
    "Data",
    "Evaluation",
    "Experiment",
    "Model",
    "Optim",
    "Plateau",
    "Runtime",
    "Validation",
    "chosen_workdir",
    "common_options",
    "config_hash",
    "differences",
    "flatten",
    "from_config_dict",
    "from_json_dict",
    "is_hash_of",
    "listed_benchmarks",
    "load_file",
    "own_hash",
    "parse_options",
    "read_config",
    "read_options",
    "refuse_argument",
    "to_config_dict",
    "to_json_dict",
    "validate",
]
