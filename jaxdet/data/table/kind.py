"""Distinguishes tables from images and folders of images, by names alone."""

from collections.abc import Iterator
from pathlib import Path

from jaxdet.data.formats import is_image_name
from jaxdet.data.names import is_hidden
from jaxdet.data.walk import walk
from jaxdet.errors import UserError

TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson")
PARQUET = ".parquet"
ENDINGS = (*TEXTS, PARQUET)


def is_table(path: Path) -> bool:
    """Returns whether a file is a table by its name, or a folder has Parquet files and no images.

    Raises:
      UserError: for a folder that has both.
    """
    if not path.is_dir():
        return path.name.lower().endswith(ENDINGS)
    shard = image = ""
    for name in table_files(path):
        if name.lower().endswith(PARQUET):
            shard = shard or name
        elif is_image_name(name):
            image = image or name
        if shard and image:
            raise UserError(
                f"{path}: holds a table, {shard}, and image files, {image}: give the table, or "
                "move it out of the folder"
            )
    return bool(shard)


def is_table_alone(path: Path) -> bool:
    """Returns whether a file is a table by its name, or a folder has Parquet files and no images.

    A folder of both is one of images here.
    """
    if not path.is_dir():
        return path.is_file() and is_table(path)
    has_table = False
    for name in table_files(path):
        if is_image_name(name):
            return False
        has_table |= name.lower().endswith(PARQUET)
    return has_table


def table_files(folder: Path) -> Iterator[str]:
    """Yields the files below a folder that are not hidden, as paths below it."""
    for visit in walk(folder):
        if visit.path and any(map(is_hidden, visit.path.split("/"))):
            continue
        for name in visit.names:
            if not is_hidden(name):
                yield f"{visit.path}/{name}" if visit.path else name
