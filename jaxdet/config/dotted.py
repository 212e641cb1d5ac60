"""Names of the form `package.module:Name`: networks, losses and operations of one's own.

The config in a file of somebody else may name any module, and importing one runs it: only names
that the user gave in this process are looked up.
"""

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from jaxdet.config.schema import ARCHITECTURES, Config
from jaxdet.errors import UserError
from jaxdet.workdir.identity import fingerprint_of

# jaxdet's own, and what the user gave.
_TRUSTED = set(ARCHITECTURES.values())
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def is_dotted(name: str) -> bool:
    """Returns whether a name has the form of one in a module outside."""
    return _DOTTED.fullmatch(name) is not None


def dotted_names(config: Config) -> dict[str, str]:
    """Returns the dotted names in a config, each with the option that has it."""
    named = [("model.name", config.model.name), ("optim.loss", config.optim.loss)]
    named += [("augment.operations", name) for name in config.augment.operations]
    return {name: option for option, name in named if is_dotted(name)}


def trust(*names: str) -> None:
    """Lets `look_up` import the modules of these names, which the user gave."""
    _TRUSTED.update(names)


def look_up(option: str, name: str) -> Any:
    """Returns what a dotted name means; its module is imported, which runs its code.

    Args:
      option: that has the name, for messages.
      name: `package.module:Name`.

    Raises:
      UserError: where the user did not give it, or there is no such module or name.
    """
    if name not in _TRUSTED:
        given = "--arch or " if option == "model.name" else ""
        raise UserError(
            f"{option}={name[:80]}: code that a file names; to run it, name it yourself, by {given}"
            f"--config.{option} (--run-code of jaxdet.train.replay)"
        )
    module, _, attribute = name.partition(":")
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # the module is anybody's
        why = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{option}: {module} cannot be imported ({why:.200}); is its folder in PYTHONPATH?"
        ) from None
    try:
        return getattr(imported, attribute)
    except AttributeError:
        raise UserError(f"{option}: {module} has no {attribute}") from None


def look_up_operation(name: str) -> Any:
    """Returns the operation of a dotted name; a class is called without arguments.

    Raises:
      UserError: as `look_up`, or where it has no `apply`, or cannot be made.
    """
    operation = look_up("augment.operations", name)
    if isinstance(operation, type):
        try:
            operation = operation()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise UserError(f"augment.operations: {name} cannot be made: {why:.200}") from None
    if not callable(getattr(operation, "apply", None)):
        raise UserError(f"augment.operations: {name} has no apply(image, rng)")
    return operation


def look_up_all(config: Config) -> dict[str, str]:
    """Returns the dotted names in a config, each with a digest of its module's file.

    Raises:
      UserError: where one cannot be looked up, or is not what its option takes.
    """
    digests = {}
    for name, option in dotted_names(config).items():
        if option == "augment.operations":
            look_up_operation(name)
        elif not callable(look_up(option, name)) and option == "optim.loss":
            raise UserError(f"{option}: {name} cannot be called with logits and labels")
        spec = importlib.util.find_spec(name.partition(":")[0])
        source = Path(spec.origin) if spec and spec.origin else None
        content = source.read_bytes() if source and source.is_file() else b""
        digests[name] = fingerprint_of(content)
    return digests
