"""Names of the form `package.module:Name`: what is one's own and not jaxdet's."""

import functools
import importlib
import re
from typing import Any

from jaxdet.errors import UserError

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def is_dotted(name: str) -> bool:
    """Returns whether a name has the form of one in a module outside."""
    return _DOTTED.fullmatch(name) is not None


@functools.cache
def look_up(option: str, name: str) -> Any:
    """Returns what a dotted name means; its module is imported, which runs its code.

    Args:
      option: that has the name, for messages.
      name: `package.module:Name`.

    Raises:
      UserError: where there is no such module or name.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise UserError(f"{option}: {module} has no {attribute}") from None
    except Exception as error:  # the module is anybody's
        why = f"{type(error).__name__}: {error}"
        raise UserError(
            f"{option}: {module} cannot be imported ({why:.200}); is its folder in PYTHONPATH?"
        ) from None
