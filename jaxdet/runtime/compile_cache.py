"""Keeps compiled programs for later starts.

What lies there is run without further questions, so the folder must be one's own.
"""

import os
import stat
from pathlib import Path

import jax

from jaxdet.errors import UserError

NONE = "none"
_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def use_compile_cache(option: str) -> str | None:
    """Has JAX keep what it compiles, before its first compilation; gives the place, if any.

    On CPUs there is none by default: a program is made for one kind of CPU, and home folders are
    shared by machines.

    Args:
      option: `runtime.compile_cache`.

    Raises:
      UserError: where others may write there, or nobody can.
    """
    place = _place(option)
    jax.config.update("jax_enable_compilation_cache", place is not None)
    if place is None:
        return None
    # An address of a bucket has no mode; who may write there is its owner's business.
    if "://" not in place:
        _make_private(Path(place))
    jax.config.update("jax_compilation_cache_dir", place)
    return place


def _place(option: str) -> str | None:
    if option == NONE:
        return None
    if option or os.environ.get(_VARIABLE):
        given = option or os.environ[_VARIABLE]
        return given if "://" in given else str(Path(given).expanduser().absolute())
    if jax.default_backend() == "cpu":
        return None
    # The XDG base directory specification.
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return str(Path(caches).expanduser() / "jaxdet" / "compiled")


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise UserError(
            f"{folder}: no folder for compiled programs ({error.strerror}); give another "
            f"runtime.compile_cache, or {NONE}"
        ) from None
    if status.st_mode & stat.S_IWOTH or status.st_uid not in (os.getuid(), 0):
        mode = stat.filemode(status.st_mode)
        raise UserError(
            f"{folder}: others may put programs there that would be run (owner {status.st_uid}, "
            f"{mode}); give another runtime.compile_cache, or a folder of your own with mode 0700"
        )
