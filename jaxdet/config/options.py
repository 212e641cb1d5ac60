"""Lays `--config.key=value` and the other options of the main command over a config file's.

And the same from a Python program.
"""

import dataclasses
import difflib
import functools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxdet.config.forms import flatten, from_config_dict, list_options, load_file
from jaxdet.config.schema import Config
from jaxdet.config.validate import validate
from jaxdet.errors import BadArgumentError, UserError
from jaxdet.workdir.files import is_step


def parse_options(
    options: ConfigDict,
    arguments: Sequence[str],
    define: Callable[[flags.FlagValues], None] = lambda values: None,
) -> tuple[Config, flags.FlagValues]:
    """Returns the config with the options of a command line, and the values of the other flags.

    Args:
      options: of the config file; changed by this.
      arguments: of the command, the program's name first, without --config.
      define: defines the flags there are beside --workdir.

    Raises:
      UserError: naming what is unknown, of a wrong type, or cannot work.
    """
    known = flatten(from_config_dict(options))
    for argument in arguments[1:]:
        if option := _OPTION.match(argument):
            _check_name(option[1], known)
    arguments = list(_as_literals(arguments))
    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    define(values)
    try:
        overridden = config_flags.DEFINE_config_dict(
            "config", options, flag_values=values, sys_argv=list(arguments)
        )
        rest = values(list(arguments))[1:]
    except flags.UnrecognizedFlagError as error:
        nearest = difflib.get_close_matches(error.flagname, list(values), n=1)
        raise UserError(_unknown(f"--{error.flagname}", nearest, "see --help")) from None
    except flags.IllegalFlagValueError as error:
        raise UserError(_refused_value(error, known)) from None
    except flags.Error as error:
        raise UserError(f"{error}; see --help") from None
    if rest:
        raise UserError(f"{rest[0]}: not an option; see --help")
    config = from_config_dict(overridden.value)
    validate(config)
    return config, values


# What names a config to a Python program: itself, or FILE[:ARG] as `load_file` takes it.
Experiment = Config | str | os.PathLike[str]


def read_options(given: Experiment, options: Mapping[str, Any] | None = None) -> Config:
    """Returns the config that a Python program names, with options of its own, validated.

    Args:
      given: names the config; files run as code.
      options: dotted names, as "optim.batch_size", to values; paths may be pathlib's.

    Raises:
      BadArgumentError: where it is neither.
      UserError: naming what is unknown, of a wrong type, or cannot work.
    """
    if isinstance(given, str | os.PathLike):
        loaded = load_file(os.fspath(given))
        if not isinstance(loaded, ConfigDict):
            raise UserError(f"{given}: a table of experiments; python -m jaxdet.main runs its rows")
        given = from_config_dict(loaded)
    elif not isinstance(given, Config):
        raise BadArgumentError(f"{given!r:.40}: give a jaxdet.config.Config, or a preset or a file")
    nested, known = dataclasses.asdict(given), flatten(given)
    for name, value in (options or {}).items():
        _check_name(str(name), known)
        *sections, last = name.split(".")
        plain = os.fspath(value) if isinstance(value, os.PathLike) else value
        functools.reduce(dict.__getitem__, sections, nested)[last] = plain
    config = from_config_dict(ConfigDict(nested))
    validate(config)
    return config


def chosen_workdir(given: str | None, name: str) -> Path:
    """Returns the folder of a run or table: the one given, else `runs/NAME`.

    Raises:
      UserError: where the option is empty, or the name cannot be a folder's.
    """
    if given is not None:
        if not given:
            raise UserError("--workdir is empty; give a folder, or leave it out for runs/NAME")
        return Path(given)
    if not is_step(name):
        raise UserError(f"{name!r:.80} is no name of a folder; give one with --workdir=DIR")
    return Path("runs", name)


def _check_name(name: str, known: Mapping[str, Any]) -> None:
    """Raises UserError unless there is such an option."""
    if name in known:
        return
    inner = [key for key in known if key.startswith(f"{name}.")]
    if inner:
        raise UserError(f"--config.{name} is a section; give its options, as --config.{inner[0]}")
    last = name.rpartition(".")[2]
    nearest = [key for key in known if key.rpartition(".")[2] == last]
    nearest = nearest or difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
    options = [f"config.{key}" for key in nearest]
    raise UserError(_unknown(f"--config.{name}", options, "see docs/configuration.md"))


def _as_literals(arguments: Sequence[str]) -> Iterator[str]:
    """Yields the arguments, with the words of `--config.KEY=blur,mine.ops:Gamma` in quotes.

    Without them words are read as Python, in which `blur:1+jpeg:75` or `NAME=/a/folder` is nothing.
    The value may be the next argument; whatever else there is stays as it is.
    """
    is_value = False
    for argument in arguments:
        option, equals, value = ("", "", argument) if is_value else argument.partition("=")
        name = _OPTION.match(option)
        field = list_options().get(name[1]) if name else None
        takes_words = field is not None and field.type in ("tuple[str, ...]", tuple[str, ...])
        if (is_value or takes_words) and _WORDS.fullmatch(value):
            words = value.strip("()").rstrip(",").split(",")
            argument = f"{option}{equals}{tuple(word.strip() for word in words)!r}"
        yield argument
        is_value = takes_words and not equals


def _unknown(option: str, nearest: Sequence[str], see: str) -> str:
    meant = f"did you mean {' or '.join(f'--{name}' for name in nearest)}? " if nearest else ""
    return f"{option}: no such option; {meant}{see}"


def _refused_value(error: flags.IllegalFlagValueError, known: Mapping[str, Any]) -> str:
    """Returns what is wrong with a value; the error reads `flag --NAME=VALUE: CAUSE`."""
    option = str(error).removesuffix(f": {error.__context__}").removeprefix("flag ")
    name = option.partition("=")[0].removeprefix("--config.")
    return f"{option}: {_EXPECTED.get(type(known.get(name, False)), 'not a value of this option')}"


# As `--config.optim.batch_size=8` or `--noconfig.runtime.deterministic`.
_OPTION = re.compile(r"--?(?:no)?config\.([^=]*)")
_WORD = r"[A-Za-z_][^\s,()'\"]*"
_WORDS = re.compile(rf"\(?{_WORD}( *, *{_WORD})*,?\)?")
_EXPECTED = MappingProxyType(
    {bool: "neither true nor false", int: "not a whole number", float: "not a number"}
)
