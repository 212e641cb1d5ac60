"""Registers formats that Pillow reads with the help of another package: HEIC and JPEG XL.

A package is imported when the first image is opened or a name with such an ending is met, and
where it is missing the ending and the content lead to one line that names it.
"""

import dataclasses
import functools
import importlib
from collections.abc import Iterable

from PIL import Image

from jaxdet.data.jxl import is_jxl
from jaxdet.errors import first_line
from jaxdet.streams import printable

# Brands of ISO/IEC 23008-12, at byte 8 of a file whose bytes 4 to 8 are `ftyp`.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plugin:
    """Describes a package that teaches Pillow a format.

    Attributes:
      format: Pillow's name of it.
      title: people's name of it.
      module: what is imported.
      package: what is installed.
      endings: of file names, in small letters.
    """

    format: str
    title: str
    module: str
    package: str
    endings: tuple[str, ...]


_HEIC = Plugin(
    format="HEIF",
    title="HEIC",
    module="pillow_heif",
    package="pillow-heif",
    endings=(".heic", ".heif", ".hif"),
)
_JXL = Plugin(
    format="JXL",
    title="JPEG XL",
    module="pillow_jxl",
    package="pillow-jxl-plugin",
    endings=(".jxl",),
)
_PLUGINS = (_HEIC, _JXL)


def plugin_formats() -> tuple[str, ...]:
    """Returns Pillow's names of the formats whose packages are installed, and loads these."""
    return tuple(plugin.format for plugin in _PLUGINS if not _missing(plugin))


def is_plugin_ending(ending: str) -> bool:
    """Returns whether the ending of a file's name is of a format whose package is installed."""
    plugin = _by_ending(ending)
    return plugin is not None and not _missing(plugin)


def plugin_format(ending: str) -> str:
    """Returns Pillow's name of the format that an ending stands for, if a package reads it."""
    plugin = _by_ending(ending)
    return plugin.format if plugin else ""


def missing_packages(endings: Iterable[str]) -> list[str]:
    """Returns a line for each package that would read some of these endings and is missing."""
    wanted = {_by_ending(ending) for ending in endings}
    return [line for one in _PLUGINS if one in wanted and (line := _missing(one))]


def missing_package_of(content: bytes) -> str:
    """Returns the line for a file that Pillow does not know, by its first bytes; "" for others."""
    for plugin, is_format in ((_HEIC, _is_heic(content)), (_JXL, is_jxl(content))):
        if is_format:
            return _missing(plugin)
    return ""


def _by_ending(ending: str) -> Plugin | None:
    lowered = ending.lower()
    return next((plugin for plugin in _PLUGINS if lowered in plugin.endings), None)


def _is_heic(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS


@functools.cache
def _missing(plugin: Plugin) -> str:
    """Loads a package; returns "" where that worked, else a line that says what to install."""
    advice = f"{plugin.title} is read with `pip install {plugin.package}`"
    try:
        module = importlib.import_module(plugin.module)
        if plugin is _HEIC:
            module.register_heif_opener()
    except ModuleNotFoundError as error:
        return advice if error.name == plugin.module else _with_fault(advice, error)
    except Exception as error:  # made for another Python, Pillow or library: nearly anything
        return _with_fault(advice, error)
    return "" if plugin.format in Image.OPEN else advice


def _with_fault(advice: str, error: Exception) -> str:
    return f"{advice} (the installed one cannot be loaded: {printable(first_line(error))})"
