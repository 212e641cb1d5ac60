"""Opens Parquet files of images by their footers, small columns at once, the rest by groups.

The only file of `data` that knows pyarrow.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jaxdet.data.images import NoImageError
from jaxdet.data.words import Named
from jaxdet.errors import UserError, first_line
from jaxdet.workdir.drafts import replacing
from jaxdet.workdir.files import open_regular

# Times its bytes that a file may unpack to: images hardly shrink, paths much less than that.
_MOST_UNPACKED, _SLACK = 100, 2**20
# What pyarrow raises at damaged files: names and texts may be no UTF-8.
FAULTS = (OSError, pa.ArrowException, ValueError, LookupError, MemoryError)
_BYTES = (pa.binary(), pa.large_binary(), pa.binary_view())
_TEXTS = (pa.string(), pa.large_string(), pa.string_view())
# Rows of an index that are written at a time.
_ROWS = 2**16


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file.

    By Python: pyarrow takes no path that is not UTF-8. Page by page: a row group of large images
    may have gigabytes.
    """
    with (
        open_regular(Path(path)) as content,
        pq.ParquetFile(content, pre_buffer=False, buffer_size=2**20) as file,
    ):
        yield file


@contextlib.contextmanager
def looking_at(path: str | Path) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file whose footer must be as one of images is.

    Raises:
      UserError: where it cannot be read, or claims what it cannot hold.
    """
    try:
        with opened(path) as file:
            check_claims(file.metadata, os.path.getsize(path))
            yield file
    except FAULTS as error:
        raise UserError(f"{path}: cannot be read as Parquet: {first_line(error)[:300]}") from None


def check_claims(metadata: pq.FileMetaData, size: int) -> int:
    """Returns the number of rows of a file of so many bytes.

    Raises:
      ValueError: where its footer claims what no table of images has: more rows than bytes, or
        columns that unpack to a hundred times the file.
    """
    rows = metadata.num_rows
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    if min((group.num_rows for group in groups), default=0) < 0 or rows > size:
        raise ValueError(f"claims {rows} rows in {size} bytes")
    if rows != sum(group.num_rows for group in groups):
        raise ValueError(f"claims {rows} rows, and others in its row groups")
    for group in groups:
        for column in range(group.num_columns):
            unpacked = group.column(column).total_uncompressed_size
            if not 0 <= unpacked <= _MOST_UNPACKED * size + _SLACK:
                raise ValueError(f"claims to unpack from {size} to {unpacked} bytes")
    return rows


def image_kind(file: pq.ParquetFile, name: str, *, place: str) -> str:
    """Returns what the images of a column are: "bytes", "paths", or "struct" of both.

    Raises:
      UserError: where the column is of another type.
    """
    kind = file.schema_arrow.field(name).type
    if is_bytes(kind):
        return "bytes"
    if is_text(kind):
        return "paths"
    if is_image_struct(kind):
        return "struct"
    raise UserError(
        f"{place}: column {name!r} is of type {str(kind)[:80]}; images are bytes, paths, or "
        "structs of bytes and path"
    )


class RowGroups(NamedTuple):
    """Holds how the rows of a file lie in its row groups.

    Attributes:
      ends: i64 [G], number of the row after the last of each.
      bytes: i64 [G], what the images of each take, unpacked.
    """

    ends: np.ndarray
    bytes: np.ndarray


def row_groups(file: pq.ParquetFile, name: str) -> RowGroups:
    """Returns how the rows of a file and a column of images lie in its row groups."""
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    columns = [
        place
        for place in range(file.metadata.num_columns)
        if f"{file.schema.column(place).path}.".startswith(f"{name}.")
    ]
    sizes = [
        sum(group.column(place).total_uncompressed_size for place in columns) for group in groups
    ]
    ends = np.cumsum([group.num_rows for group in groups], dtype=np.int64)
    return RowGroups(ends, np.array(sizes, np.int64))


def distinct_values(file: pq.ParquetFile, name: str) -> tuple[list[Any], np.ndarray]:
    """Returns the distinct values of a column as plain ones, and the place of each row's, i64 [N].

    Numbers of a ClassLabel, as Hugging Face's `datasets` describes one in the file, become their
    names there: two files may number them otherwise.

    Raises:
      TypeError: where the column is of lists, structs or other things that are no one value.
    """
    column = file.read(columns=[name], use_threads=False).column(name).combine_chunks()
    kind = column.type
    if pa.types.is_nested(kind) or is_bytes(kind):
        raise TypeError(f"of type {str(kind)[:80]}, not one value a row")
    if pa.types.is_null(kind):
        return [None], np.zeros(len(column), np.int64)
    if not pa.types.is_dictionary(kind):
        column = column.dictionary_encode(null_encoding="encode")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    values = column.dictionary.to_pylist()
    # Cast first: indices of one byte have no number for a 129th value.
    code = np.asarray(column.indices.cast(pa.int64()).fill_null(len(values)))
    names = class_names(file).get(name)
    if names:
        values = [_named(one, names) for one in values]
    return [*values, None], code


def _named(value: Any, names: Sequence[str]) -> Any:
    """Returns the name of a whole number, as an integer or not; other values as they are.

    A number without a name means nothing by itself: what it would mean elsewhere is not said here.
    """
    if not isinstance(value, (int, float)) or not float(value).is_integer():
        return value
    number = int(value)
    if number == -1:
        return None
    named = 0 <= number < len(names)
    return Named(names[number] if named else f"{number}, which has no name", number)


def class_names(file: pq.ParquetFile) -> Mapping[str, Sequence[str]]:
    """Returns the names of each ClassLabel that Hugging Face's `datasets` describes in a file."""
    try:
        about = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])
        features = about["info"]["features"]
        return {
            name: [str(one) for one in feature["names"]]
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def texts(file: pq.ParquetFile, name: str) -> list[str | None]:
    """Returns the paths in a column of paths, or beside the bytes in one of structs."""
    column = file.read(columns=[name], use_threads=False).column(name)
    return [one["path"] if isinstance(one, dict) else one for one in column.to_pylist()]


def paths_beside(path: Path, name: str) -> list[str]:
    """Returns the paths that a column of structs may name in place of bytes; [] where none can be.

    Those of the row groups in which a row has no bytes, or may have none: nothing is decoded.
    """
    try:
        with opened(path) as file:
            places = {file.schema.column(n).path: n for n in range(file.metadata.num_columns)}
            if f"{name}.path" not in places:
                return []
            chunks = [
                (group, file.metadata.row_group(group).column(places[f"{name}.bytes"]).statistics)
                for group in range(file.num_row_groups)
            ]
            lacking = [group for group, facts in chunks if facts is None or facts.null_count != 0]
            cells = file.read_row_groups(lacking, columns=[f"{name}.path"], use_threads=False)
    except FAULTS:
        return []
    return [one["path"] for one in cells.column(0).to_pylist() if one and one["path"]]


def numbers(file: pq.ParquetFile, name: str, *, missing: int) -> np.ndarray:
    """Returns the whole numbers of a column, i64 [N], `missing` where there is none."""
    column = file.read(columns=[name], use_threads=False).column(name)
    return np.asarray(column.cast(pa.int64()).fill_null(missing), np.int64)


def read_group(path: Path, group: int, name: str) -> pa.ChunkedArray:
    """Returns the images of a row group: an array of bytes, or of structs of bytes and path.

    Raises:
      NoImageError: where it is damaged.
    """
    try:
        with opened(path) as file:
            return file.read_row_group(group, columns=[name], use_threads=False).column(0)
    except FAULTS as error:
        raise NoImageError(
            f"its row group {group} cannot be read: {first_line(error)[:200]}"
        ) from None


def free_memory() -> None:
    """Gives back to the system what pyarrow keeps of the row groups that were dropped."""
    pa.default_memory_pool().release_unused()


def write_rows(
    path: Path,
    columns: Mapping[str, str],
    rows: Iterable[Mapping[str, Sequence[Any]]],
    about: Mapping[str, Any],
) -> None:
    """Writes a Parquet file that is there whole or not at all, and replaces none.

    Args:
      path: the file.
      columns: "text", "number" or "bytes" for each name.
      rows: values of the columns, portion after portion, each in row groups of its own.
      about: facts kept in the file, plain values.
    """
    kinds = {"text": pa.string(), "number": pa.int64(), "bytes": pa.binary()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    schema = schema.with_metadata({"jaxdet": json.dumps(about)})
    with replacing(path, new=True) as file, pq.ParquetWriter(file, schema) as writer:
        for portion in rows:
            writer.write_table(pa.table(dict(portion), schema=schema), row_group_size=_ROWS)


def own_facts(file: pq.ParquetFile) -> Mapping[str, Any]:
    """Returns what `write_rows` kept in a file; {} for files of others."""
    try:
        about = json.loads((file.schema_arrow.metadata or {})[b"jaxdet"])
    except (KeyError, ValueError, RecursionError):
        return {}
    return about if isinstance(about, dict) else {}


def is_bytes(kind: pa.DataType) -> bool:
    """Returns whether a column of this type holds bytes."""
    return _plain(kind) in _BYTES or pa.types.is_fixed_size_binary(_plain(kind))


def is_text(kind: pa.DataType) -> bool:
    """Returns whether a column of this type holds texts."""
    return _plain(kind) in _TEXTS


def is_image_struct(kind: pa.DataType) -> bool:
    """Returns whether a column of this type holds structs of bytes, perhaps with a path."""
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    has_path = kind.get_field_index("path") >= 0
    return is_bytes(kind.field("bytes").type) and (not has_path or is_text(kind.field("path").type))


def _plain(kind: pa.DataType) -> pa.DataType:
    """Returns the type of the values, also where each distinct one is stored once."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind
