"""Looks up names of the form `package.module:Name`: networks, losses and operations of one's own.

The config in a file of somebody else may name any module, and importing one runs it: only names
that the user gave in this process are looked up.
"""

import contextlib
import importlib
import re
from collections.abc import Iterator
from typing import Any

from jaxdet.config.model import ARCHITECTURES
from jaxdet.config.schema import Config
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
    except (Exception, SystemExit) as error:  # the module is anybody's
        raise UserError(
            f"{option}: {module} cannot be imported ({_in_a_line(error)}); is its folder in "
            "PYTHONPATH?"
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
        with running(f"augment.operations: {name} cannot be made"):
            operation = operation()
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
        digests[name] = _digest_of(option, name.partition(":")[0])
    return digests


@contextlib.contextmanager
def running(failure: str) -> Iterator[None]:
    """Turns whatever code of one's own raises in the body into a UserError of one line.

    Args:
      failure: begins the line, as `optim.loss: mine.parts:hinge fails`.
    """
    try:
        yield
    except (Exception, SystemExit) as error:  # the code is anybody's
        raise UserError(f"{failure}: {_in_a_line(error)}") from error


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def _digest_of(option: str, module: str) -> str:
    """Returns the digest of an imported module's file, which may lie in an archive.

    Raises:
      UserError: where it has none, so that nothing would show that it has changed.
    """
    spec: Any = getattr(importlib.import_module(module), "__spec__", None)
    try:
        content: bytes = spec.loader.get_data(spec.origin)
    except (AttributeError, OSError, TypeError):
        raise UserError(
            f"{option}: {module} has no file to know its code by; name a module that has one"
        ) from None
    return fingerprint_of(content)
