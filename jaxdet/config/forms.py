"""Converts a config between file, ConfigDict, JSON, flat text and hash, every type checked."""

import dataclasses
import difflib
import json
import runpy
import types
import typing
from pathlib import Path
from typing import Any

import ml_collections

from jaxdet.config.dotted import dotted_names, trust
from jaxdet.config.schema import Config
from jaxdet.errors import UserError
from jaxdet.ranges import show_value
from jaxdet.workdir import identity

# Options that say where and how a run goes, not what it computes: left out of the hash.
_NOT_HASHED = ("runtime.", "checkpoint.on_full_disk", "data.root", "data.train_root", "name",
               "evaluation.benchmark_root")  # fmt: skip

# Options in which the processes of one run may differ: where a machine finds the images, whose
# content is compared, and how it reads, compiles and watches.
_PER_PROCESS = ("data.root", "data.train_root", "evaluation.benchmark_root", "runtime.workers",
                "runtime.worker_kind", "runtime.hang_seconds", "runtime.compile_cache")  # fmt: skip


def list_options() -> dict[str, dataclasses.Field[Any]]:
    """Returns the field behind each dotted option name, in the order of the schema."""

    def walk(section: Any, prefix: str) -> typing.Iterator[tuple[str, dataclasses.Field[Any]]]:
        for field in dataclasses.fields(section):
            if dataclasses.is_dataclass(field.default):
                yield from walk(field.default, f"{prefix}{field.name}.")
            else:
                yield f"{prefix}{field.name}", field

    return dict(walk(Config, ""))


def flatten(config: Config) -> dict[str, Any]:
    """Returns the values of a config by dotted option names, in the order of the schema."""
    return dict(_walk(dataclasses.asdict(config), ""))


def _walk(section: dict[str, Any], prefix: str) -> typing.Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def to_json_dict(config: Config) -> dict[str, Any]:
    """Returns what `config.json` holds: nested, with lists for tuples."""
    nested: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return nested


def from_json_dict(nested: dict[str, Any]) -> Config:
    """Returns the config of a saved run.

    Raises:
      UserError: where an option is unknown or of another type.
    """
    return _build(Config, nested, "")


def to_config_dict(config: Config) -> ml_collections.ConfigDict:
    """Returns a locked ConfigDict for `--config.key=value`; the end of every `get_config`."""
    config_dict = ml_collections.ConfigDict(dataclasses.asdict(config))
    config_dict.lock()
    return config_dict


def from_config_dict(config_dict: ml_collections.ConfigDict) -> Config:
    """Returns the frozen config behind a ConfigDict, whose dotted names the user gave.

    Raises:
      UserError: where an option is unknown or of another type.
    """
    config: Config = _build(Config, config_dict.to_dict(), "")
    trust(*dotted_names(config))
    return config


def refuse_argument(arg: str) -> None:
    """Checks that a config file which takes no `:ARG` is given none.

    Raises:
      UserError: where one is given.
    """
    if arg:
        raise UserError(f"config: this file takes no argument, got :{arg}")


def config_hash(config: Config) -> str:
    """Returns 16 hex digits over all options that can change a result."""
    return _hash(flatten(config))


def saved_hash(nested: dict[str, Any]) -> str:
    """Returns the hash of a saved config, over the options that it has itself.

    Later versions of jaxdet may have more options, which the run did not know.
    """
    return _hash(dict(_walk(nested, "")))


def _hash(options: dict[str, Any]) -> str:
    return identity.json_sha256(_hashed_options(options))[:16]


def _hashed_options(options: dict[str, Any]) -> dict[str, Any]:
    return {k: _unplaced(k, v) for k, v in options.items() if not k.startswith(_NOT_HASHED)}


def _unplaced(key: str, value: Any) -> Any:
    """Returns the value of an option without where data lies: of benchmarks names and layouts."""
    if key == "data.negatives":
        return "given" if value else ""
    if key != "evaluation.benchmarks":
        return value
    return tuple(one.partition("=")[0] for one in value)


def common_options(config: Config) -> dict[str, Any]:
    """Returns the options that all processes of one run must be told alike."""
    options = flatten(config).items()
    return {key: _unplaced(key, value) for key, value in options if key not in _PER_PROCESS}


def differences(old: Config, new: Config) -> list[str]:
    """Returns lines `option: old -> new` for every option behind the hash that differs."""
    return identity.differences(_hashed_options(flatten(old)), _hashed_options(flatten(new)))


def load_file(name: str) -> Any:
    """Returns what `get_table(ARG)` or else `get_config(ARG)` of FILE gives, for FILE[:ARG].

    FILE is a path, or the name of a preset without its ending, `small` or `papers/wang_table2`. It
    runs as code. A table of experiments is for `jaxdet.experiments`, a ConfigDict for
    `parse_options`.

    Raises:
      UserError: where there is no such file or it gives neither.
    """
    file, _, argument = name.partition(":")
    path = _find_config(file)
    try:
        defined = runpy.run_path(str(path))
        made = defined.get("get_table") or defined["get_config"]
        given = made(*([argument] if argument else []))
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"--config={file}: not a config file: {type(error).__name__}: {error}"
        ) from None
    if "get_table" not in defined and not isinstance(given, ml_collections.ConfigDict):
        raise UserError(f"--config={file}: get_config gives no ConfigDict")
    return given


def _find_config(name: str) -> Path:
    """Returns the path that is given, or the preset's of that name."""
    package = Path(__file__).parents[1]
    # An installed package has them inside, a checkout beside it.
    folders = (package / "presets", package.parent / "configs")
    wanted = name.removesuffix(".py").removeprefix("configs/")
    for path in (Path(name), *(folder / f"{wanted}.py" for folder in folders)):
        if path.is_file():
            return path
    presets = [
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
    ]
    near = difflib.get_close_matches(wanted, presets, n=1)
    offered = f"did you mean {near[0]}?" if near else f"presets are {', '.join(presets)}"
    raise UserError(f"--config={name}: no such file, nor a preset of that name; {offered}")


def _build(cls: Any, values: Any, prefix: str) -> Any:
    """Returns a dataclass of type `cls` from nested plain values, every type checked."""
    if not isinstance(values, dict):
        raise UserError(f"config: {prefix.rstrip('.')} is a section, not a value")
    hints = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UserError(f"config: unknown option {prefix}{unknown[0]:.80}")
    return cls(**{key: _convert(hints[key], value, prefix + key) for key, value in values.items()})


def _convert(kind: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, key + ".")
    if typing.get_origin(kind) is tuple:
        return _convert_tuple(typing.get_args(kind), value, key)
    if kind is float and type(value) is int and abs(value) < 2**1023:
        return float(value)
    if type(value) is not kind:
        raise UserError(f"config: {key}={show_value(value)} must be of type {_type_name(kind)}")
    return value


def _convert_tuple(kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    items = list(value) if isinstance(value, list | tuple) else [value]
    if kinds[-1] is Ellipsis:
        # `--config.data.classes=horse,cat` reaches us as one string.
        items = [part for item in items for part in _split(item)]
        kinds = (kinds[0],) * len(items)
    if len(items) != len(kinds):
        given = ", ".join(map(str, items))
        raise UserError(f"config: {key}={given:.80} must have {len(kinds)} values")
    return tuple(_convert(kind, item, key) for kind, item in zip(kinds, items, strict=True))


def _split(item: Any) -> list[Any]:
    if not isinstance(item, str):
        return [item]
    # `--config.evaluation.analyses=` names none.
    return [part.strip() for part in item.split(",") if part.strip()]


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type | types.GenericAlias) else str(kind)
