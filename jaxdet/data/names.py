"""Decides by their names which entries of a folder are images or hidden, for all commands."""

import os

from jaxdet.data.formats import is_image_name

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
