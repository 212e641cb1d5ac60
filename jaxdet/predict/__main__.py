"""`python -m jaxdet.predict --weights=W PATH...`: scores images, folders, clips and tables.

Exit status 0 where every image was scored, 1 where some could not be read (they are listed, or with
--out stand in the column `error`), 2 for a mistake on the command line.
"""

from jaxdet.errors import UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdet.config.runtime import COMPARE
from jaxdet.data.aside import LeftAside
from jaxdet.pages import spreadsheet_safe
from jaxdet.predict.basis import BASIS, with_basis
from jaxdet.predict.files import find_images, find_tables
from jaxdet.predict.options import get_parser, read_scoring
from jaxdet.predict.rows import Row, score_files, score_inputs
from jaxdet.predict.video import COLUMNS, Frames, is_video, score_paths
from jaxdet.progress import ProgressLine, say
from jaxdet.streams import printable, show
from jaxdet.workdir.files import check_writable, write_bytes

if TYPE_CHECKING:
    from jaxdet.predict.inputs import TableRows

_COLUMNS = (
    "path", "logit", "probability", "calibrated", "prediction", "error", "verdict", "warnings",
    "provenance", *BASIS,
)  # fmt: skip
# What earlier results begin with.
CSV = ",".join(_COLUMNS[:6])
JSON = r'\[\n  \{\n    "path": "[^\n]*",\n    "(logit|error)": '


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores what the command line names, writes and prints the rows."""
    with guard():
        options = get_parser().parse_args(arguments)
        options.engine = "plain" if options.engine == "jax" else options.engine
        _check(options)
        failed = _score_few(options) if options.out is None else _score_mass(options)
    if failed:
        sys.exit(1)


def _score_few(options: argparse.Namespace) -> bool:
    """Scores all rows at once, in memory and in the given order; returns whether some failed."""
    check_writable((options.json, JSON), (options.csv, CSV))
    tables = find_tables(options.path, columns=options.columns)
    table = _open_tables(tables, options.columns) if tables else None
    paths, left_aside = ([], LeftAside()) if table else find_images(options.path)
    detector, scoring, lines = read_scoring(options)
    for line in filter(None, [left_aside.sentence(), *lines]):
        say(line)
    if any(map(is_video, paths)):
        rows = score_paths(detector, paths, scoring, options.frames or Frames())
    elif table is None:
        rows = score_files(detector, paths, scoring)
    else:
        with ProgressLine("score", total=len(table), unit="images") as progress:
            rows = score_inputs(detector, table.read(), scoring, progress=progress)
    rows = with_basis(rows, detector, scoring)
    if options.json:
        write_bytes(options.json, (json.dumps(rows, indent=2) + "\n").encode())
    if options.csv:
        write_bytes(options.csv, _csv(rows).encode())
    show(_table(rows))
    return any("error" in row for row in rows)


def _open_tables(paths: Sequence[Path], columns: str) -> "TableRows":
    # A few images need no pyarrow.
    from jaxdet.predict.inputs import TableRows

    return TableRows(paths, columns=columns)


def _score_mass(options: argparse.Namespace) -> bool:
    # Nor Ray.
    from jaxdet.predict.mass import score_mass

    return score_mass(options)


def _check(options: argparse.Namespace) -> None:
    """Sees that the options go together."""
    video = next(filter(is_video, options.path), None)
    if options.frames and video is None:
        raise UserError("--frames: none of the paths is a video")
    if options.out is None:
        given = [
            name for name in ("shard", "column", "part_rows", "actors") if getattr(options, name)
        ]
        given += ["engine"] * (options.engine == "ray")
        given += ["compare"] * (options.compare != COMPARE[0])
        if given:
            raise UserError(f"--{given[0].replace('_', '-')}: needs --out=DIR, where parts go")
    elif video is not None:
        raise UserError(f"--out: of images and tables alone, and {video} is a video")
    elif options.json or options.csv:
        raise UserError("--out writes Parquet; leave --json and --csv out")
    if options.column and options.columns:
        raise UserError("--column and --columns: name the images by one of them")
    if options.engine == "ray" and (options.shard or options.part_rows):
        raise UserError(
            "--engine=ray shares the work out itself; leave --shard and --part-rows out"
        )
    if options.engine != "ray" and options.actors:
        raise UserError("--actors: needs --engine=ray")


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    of_clips = COLUMNS if any("clip" in row for row in rows) else ()
    writer = csv.DictWriter(text, [*_COLUMNS, *of_clips])
    writer.writeheader()
    writer.writerows({key: _cell(one) for key, one in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: str | float | list[str] | list[float] | None) -> str | float | None:
    """Makes texts alone safe for spreadsheets: many numbers begin with a minus."""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    return spreadsheet_safe(value) if isinstance(value, str) else value


def _table(rows: Sequence[Row]) -> str:
    """Returns plain lines: probability of being fake, the verdict, the logit, the path.

    Under an image or a clip stands what there is to say of it besides.
    """
    lines = [f"{'P(fake)':>8}  verdict  {'logit':>8}  path"]
    for row in rows:
        path = printable(row["path"])
        if "error" in row:
            lines.append(f"{'-':>8}  error    {'-':>8}  {path}: {printable(row['error'])}")
            continue
        lines.append(
            f"{row['probability']:>8.2%}  {row['verdict']:<7}  {row['logit']:>8.3f}  {path}"
        )
        lines += [f"{'':>10}rule: {row['rule']}"] if "rule" in row else []
        lines += [f"{'':>10}warning: {text}" for text in row["warnings"]]
        lines += [f"{'':>10}provenance: {printable(text)}" for text in row["provenance"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
