"""Refuses paths that a library cannot write which takes UTF-8 alone."""

from pathlib import Path

from jaxdet.errors import UserError


def check_utf8(path: Path, what: str) -> None:
    """Sees that a library which takes UTF-8 alone can write what it is to write below a path.

    Raises:
      UserError: naming the path.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{path.absolute()}: {what} need a path in UTF-8; rename the folder, or set "
            "PYTHONUTF8=1 where the locale is not UTF-8"
        ) from None
