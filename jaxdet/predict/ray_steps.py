"""Defines what Ray's workers do: `decode` in tasks, `RayScorer` in actors, `PartSink` in tasks.

An input is known by its number through all of them, whatever Ray does with the order.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.data import Datasink

from jaxdet.config.dotted import trust
from jaxdet.config.model import Model
from jaxdet.data.regular import reason
from jaxdet.models.detector import Variables
from jaxdet.predict.detector import LoadedDetector
from jaxdet.predict.files import LIMIT_OPTION, Input, Opened, read_image
from jaxdet.predict.parts import SCHEMA, Stamp, to_table, utf8, write_table
from jaxdet.predict.rows import Scoring, score_images, to_row

# Bytes of pixels that go from task to actor at once; a larger image goes alone.
_TABLE_BYTES = 2**24
# Rows of a file that is written, where there are as many.
_FILE_ROWS = 1000

_PIXELS = pa.schema(
    [
        ("number", pa.int64()),
        ("path", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("pixels", pa.large_binary()),  # u8 [height, width, 3], RGB
        ("side", pa.int32()),  # these as in files.Opened
        ("quality", pa.float64()),
        ("provenance", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)


def decode(batch: dict[str, np.ndarray], *, scoring: Scoring) -> Iterator[pa.Table]:
    """Yields the pixels of the inputs of chunks, as tables of _PIXELS: what is scored of each.

    Args:
      batch: "item": chunks, object [n].
      scoring: how images are read, and what of them will be scored.
    """
    rows: list[dict[str, Any]] = []
    size = 0
    for chunk in batch["item"]:
        for number, one in enumerate(chunk.read(), chunk.first):
            row = {"number": number, "path": utf8(one.name), **_pixels(one, scoring)}
            if size + len(row.get("pixels", b"")) > _TABLE_BYTES and rows:
                yield pa.Table.from_pylist(rows, schema=_PIXELS)
                rows, size = [], 0
            rows.append(row)
            size += len(row.get("pixels", b""))
    yield pa.Table.from_pylist(rows, schema=_PIXELS)


def _pixels(one: Input, scoring: Scoring) -> dict[str, Any]:
    try:
        image = read_image(one.image, max_pixels=scoring.max_pixels, exif=scoring.exif)
        # What is not scored of it need not travel.
        pixels = scoring.protocol.reduce(image.pixels)
    except (OSError, ValueError) as error:
        return {"error": reason(error, option=LIMIT_OPTION)}
    height, width = pixels.shape[:2]
    return {
        "height": height,
        "width": width,
        "pixels": pixels.tobytes(),
        "side": image.side,
        "quality": image.quality,
        "provenance": image.provenance,
    }


class RayScorer:
    """Scores in a Ray actor, by a detector made once and asked for one table after the other."""

    def __init__(self, model: Model, variables: list[Any], stamp: Stamp):
        """Takes the network, a reference to its variables (in a list: Ray looks into none)."""
        # The driver has looked it up already; an actor is another process.
        trust(model.name)
        fetched: Variables = ray.get(variables[0])
        self._detector, self._stamp = LoadedDetector(model, fetched), stamp

    def __call__(self, table: pa.Table) -> pa.Table:
        """Returns rows of parts.SCHEMA of a table of _PIXELS, in its order."""
        scoring = self._stamp.scoring
        answers = score_images(self._detector, _images(table), scoring.protocol.reduced)
        names = table["path"].to_pylist()
        rows = [
            to_row(name, answer, scoring.judgement)
            for name, answer in zip(names, answers, strict=True)
        ]
        return to_table(table["number"].to_pylist(), rows)


def _images(table: pa.Table) -> Iterator[Opened | str]:
    for row in range(len(table)):
        cell = {name: table[name][row] for name in table.column_names}
        if cell["error"].is_valid:
            yield cell["error"].as_py()
            continue
        flat = np.frombuffer(cell["pixels"].as_buffer(), np.uint8)
        yield Opened(
            pixels=flat.reshape(cell["height"].as_py(), cell["width"].as_py(), 3),
            side=cell["side"].as_py(),
            quality=cell["quality"].as_py(),
            provenance=cell["provenance"].as_py(),
        )


class PartSink(Datasink):  # type: ignore[misc, valid-type, unused-ignore]
    """Writes what a task is given as one part, named by the inputs in it.

    A task that Ray starts again writes the same file once more, and no row is there twice.
    """

    def __init__(self, folder: str, stamp: Stamp):
        """Takes the folder, and what its parts say of themselves."""
        self._folder, self._stamp = folder, stamp

    def write(self, blocks: Iterable[pa.Table], ctx: Any) -> None:
        """Writes the rows of some blocks."""
        tables = [block.select(SCHEMA.names).cast(SCHEMA) for block in blocks if len(block)]
        if tables:
            table = pa.concat_tables(tables).sort_by("number")
            numbers = table["number"].to_numpy()
            name = hashlib.sha256(numbers.tobytes()).hexdigest()[:12]
            path = Path(self._folder) / f"ray-{numbers[0]:012d}-{name}.parquet"
            write_table(path, table, self._stamp)

    @property
    def min_rows_per_write(self) -> int:
        """Returns how many rows Ray brings together for a file, where there are as many."""
        return _FILE_ROWS
