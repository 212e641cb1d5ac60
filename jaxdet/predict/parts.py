"""Writes parts: Parquet files of scores, there completely or not at all, with what they are of."""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jaxdet
from jaxdet.data.names import is_hidden
from jaxdet.data.table.parquet import FAULTS, check_claims
from jaxdet.errors import UserError, writing_to
from jaxdet.predict.base import AnyDetector
from jaxdet.predict.inputs import Inputs
from jaxdet.predict.rows import Row, Scoring
from jaxdet.workdir.drafts import replacing, try_draft
from jaxdet.workdir.files import check_apart, open_regular, parse_json

SCHEMA_VERSION = 5
# Names of parts; of damaged ones, too.
_PART = re.compile(r"(shard-[^.]+\.part-\d+|ray-\d+-[^.]+)\.parquet")
# Where in the metadata of a file's schema its stamp lies.
_KEY = b"jaxdet"
SCHEMA = pa.schema(
    [
        ("number", pa.int64()),  # place among the sorted inputs
        ("path", pa.string()),
        ("logit", pa.float32()),
        ("probability", pa.float64()),
        ("calibrated", pa.bool_()),
        ("prediction", pa.string()),
        ("verdict", pa.string()),
        ("warnings", pa.list_(pa.string())),
        ("provenance", pa.list_(pa.string())),
        ("error", pa.string()),
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stamp:
    """Describes what the scores of a work follow from; parts of another one are never mixed in.

    Attributes:
      engine: what divided and did the work: "plain", "onnx" or "ray".
      weights: digest of all parameters and statistics, as in `results.json`.
      checkpoint: where they come from: source, choice and step of a run's checkpoint.
      model: options of the network.
      scoring: how images were read, scored and judged.
      inputs: digest of what was to be scored, all shards together.
      compare: how files are known again in it, "times" or "bytes".
      count: number of inputs, all shards together.
      shards: how many the inputs were cut into; 0 where Ray divided the work.
      part_rows: rows of a part at most; 0 where Ray decides.
    """

    engine: str
    weights: str
    model: dict[str, Any]
    scoring: Scoring
    checkpoint: str
    inputs: str
    compare: str
    count: int
    shards: int = 0
    part_rows: int = 0

    @classmethod
    def of(cls, detector: AnyDetector, inputs: Inputs, **others: Any) -> "Stamp":
        """Returns the stamp of a detector's scores of some inputs."""
        model = json.loads(json.dumps(dataclasses.asdict(detector.model)))
        return cls(
            weights=detector.digest, checkpoint=detector.card.origin, model=model,
            inputs=inputs.digest, compare=inputs.compare, count=len(inputs), **others,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Part:
    """Holds what the footer of a part reports.

    Attributes:
      path: where it lies.
      stamp: what it is of, as plain values.
      rows: number of inputs in it.
      errors: how many of them could not be scored.
    """

    path: Path
    stamp: dict[str, Any]
    rows: int
    errors: int


# What a user reads where a value of a stamp differs.
_DIFFERENCES = {
    "weights": "other weights",
    "model": "another network",
    "protocol": "another --crop or --resize",
    "judgement": "another --threshold, --error-rate or --raw, or another calibration",
    "max_pixels": "another --max-pixels",
    "exif": "another --exif",
    "compare": "another --compare",
    "inputs": "other inputs (files added, removed or changed)",
    "count": "other inputs (files added, removed or changed)",
    "engine": "another --engine",
    "shards": "another number of shards",
    "part_rows": "another --part-rows",
}


def write_part(path: Path, numbers: Iterable[int], rows: Sequence[Row], stamp: Stamp) -> None:
    """Writes rows, synced, under a name that appears when all of it is there.

    Args:
      path: of the file; what lies there is replaced.
      numbers: of the inputs, one a row.
      rows: of `rows.to_row`.
      stamp: goes into the schema's metadata, with jaxdet's version and the number of errors.
    """
    write_table(path, to_table(numbers, rows), stamp)


def write_table(path: Path, table: pa.Table, stamp: Stamp) -> None:
    """Writes a table of SCHEMA as `write_part` does its rows."""
    kept = {
        "schema_version": SCHEMA_VERSION,
        "jaxdet": jaxdet.__version__,
        **dataclasses.asdict(stamp),
        "errors": len(table) - table["error"].null_count,
    }
    table = table.replace_schema_metadata({_KEY: json.dumps(kept)})
    with replacing(path) as file:
        pq.write_table(table, file, compression="zstd")


def to_table(numbers: Iterable[int], rows: Sequence[Row]) -> pa.Table:
    """Returns rows as a table of SCHEMA."""
    numbered = [
        {**row, "number": number, "path": utf8(row["path"])}
        for number, row in zip(numbers, rows, strict=True)
    ]
    return pa.Table.from_pylist(numbered, schema=SCHEMA)


def check_out(folder: Path, sources: Sequence[Path]) -> None:
    """Raises UserError unless parts of what is scored can be written to a folder."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out={folder}: is a file; give a folder")
    check_apart(folder, *sources, instead="--out")
    with writing_to(folder):
        names = os.listdir(folder) if folder.exists() else []
        try_draft(folder / "part")
    held = [name for name in names if not is_hidden(name)]
    if held and not any(map(_PART.fullmatch, held)):
        raise UserError(
            f"--out={folder}: holds other files and no earlier parts; give an empty or new folder"
        )


def read_part(path: Path) -> Part | None:
    """Returns what a part's footer holds; None where it is no intact Parquet file with a stamp."""
    try:
        with open_regular(path) as file:
            metadata = pq.read_metadata(file)
            check_claims(metadata, os.fstat(file.fileno()).st_size)
        stamp = parse_json((metadata.metadata or {})[_KEY].decode())
        errors = int(stamp.pop("errors"))
    except (*FAULTS, TypeError, AttributeError, OverflowError):
        return None
    return Part(path, stamp, metadata.num_rows, errors)


def read_columns(path: Path, *names: str) -> pa.Table:
    """Returns some columns of a part."""
    with open_regular(path) as file:
        return pq.read_table(file, columns=list(names))


def read_errors(paths: Iterable[Path]) -> Iterator[str]:
    """Yields `path: reason` of each image without a score, part by part."""
    for path in paths:
        part = read_part(path)
        if part is not None and part.errors:
            for row in read_columns(path, "path", "error").to_pylist():
                if row["error"] is not None:
                    yield f"{row['path']}: {row['error']}"


def check_stamp(part: Part, stamp: Stamp) -> None:
    """Sees that a part is of the same work.

    Raises:
      UserError: naming it, and what differs.
    """
    if part.stamp.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"{part.path}: of schema version {part.stamp.get('schema_version')!r:.40}, this jaxdet "
            f"writes {SCHEMA_VERSION}; give --out another folder"
        )
    then, now = _facts(part.stamp), _facts(dataclasses.asdict(stamp))
    for name, what in _DIFFERENCES.items():
        if then.get(name) != now[name]:
            raise UserError(
                f"{part.path}: scored with {what}{_values(then.get(name), now[name])}; "
                "give --out another folder, or the same command as then"
            )


def _facts(stamp: dict[str, Any]) -> dict[str, Any]:
    """Returns what must agree, by the names of _DIFFERENCES; weights by their digest alone."""
    scoring = stamp.get("scoring")
    return {**stamp, **(scoring if isinstance(scoring, dict) else {})}


def _values(then: Any, now: Any) -> str:
    return "" if isinstance(now, dict) else f" ({str(then)[:40]}, now {now})"


def utf8(name: str) -> str:
    """Returns a name as Parquet can hold it: bytes that are no UTF-8 become hex escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
