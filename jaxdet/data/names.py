"""Which entries of a folder are images and which are hidden, by their names, for all commands."""

import functools
import os

from PIL import Image

from jaxdet.data.ops.plugins import is_plugin_ending

# Folders that macOS and Synology leave beside the images, with files named like them.
_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir"})


def is_hidden(name: str) -> bool:
    """Returns whether a file or folder is passed over wherever it lies."""
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def is_visible_folder(entry: os.DirEntry) -> bool:
    """Returns whether an entry is a folder that may hold images."""
    return is_folder(entry) and not is_hidden(entry.name)


def is_folder(entry: os.DirEntry) -> bool:
    """Returns whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def is_image_file(entry: os.DirEntry) -> bool:
    """Returns whether loaders take an entry for an image: by its name, unless it is a folder.

    A pipe or a link to nowhere with such a name is one that cannot be read, and is dealt with as
    such; left aside, a set would shrink without a word.
    """
    return is_image_name(entry.name) and not is_folder(entry)


def is_image_name(name: str) -> bool:
    """Returns whether a name is an image's, by its ending; hidden files are none."""
    return not is_hidden(name) and has_image_ending(name)


def has_image_ending(name: str) -> bool:
    """Returns whether a name ends as an image's that can be read here, hidden or not."""
    return _is_image_ending(os.path.splitext(name)[1])


@functools.lru_cache(maxsize=1024)
def _is_image_ending(ending: str) -> bool:
    return ending.lower() in Image.registered_extensions() or is_plugin_ending(ending)
