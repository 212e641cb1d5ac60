"""Writes the files of a report: the page, the tables, the figures."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from jaxdet.errors import UserError, writing_to
from jaxdet.progress import say
from jaxdet.report import conditions, latex, markdown, papers, tables
from jaxdet.report.contents import Contents, read_contents
from jaxdet.report.figures.sheets import sheets
from jaxdet.report.figures.style import Drawing, to_files
from jaxdet.report.load import OUTDATED, file_of
from jaxdet.report.matrix import Matrix, matrix_csv, matrix_table
from jaxdet.report.page import MARK, page_html
from jaxdet.workdir.drafts import clear_leftovers
from jaxdet.workdir.files import read_json, read_text, within, write_bytes, write_json

# In a report's folder: the names of the files in it that are the report's.
LIST = ".files.json"


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    more: Mapping[str, bytes] = MappingProxyType({}),
    figures: Sequence[Drawing] = (),
    matrix: Matrix | None = None,
) -> Path:
    """Writes the page, its tables and its figures into `out`; gives the page's path.

    Args:
      runs: run folders; several are put side by side.
      out: folder for the report, made where it is missing.
      more: further files of the report, by name.
      figures: further figures of the page, whose files are written too.
      matrix: of the runs' detectors, shown first where there is one.

    Raises:
      UserError: where a run cannot be read or `out` cannot be written.
    """
    clear_leftovers(out, below=within(out, LIST).exists())
    written = _written_before(out)
    contents = read_contents(runs)
    files = {**more, **_matrix_files(matrix), **dict(_files(contents, figures, matrix))}
    for name in files:
        _check_target(out, name, written)
    _tell_missing(contents)
    with writing_to(out):
        # First: however this start ends, the next one knows what is a report's.
        write_json(out / LIST, sorted({*files, *(written or ())}))
        for name, content in files.items():
            write_bytes(out / name, content)
    return out / "index.html"


def _tell_missing(contents: Contents) -> None:
    for run in contents.runs:
        trained = run.options.get("task") in ("train_eval", "train")
        files = (run.folder.config, run.folder.env, *[run.folder.metrics] * trained)
        for file in files:
            if not file.exists():
                say(f"{file}: no such file; what it says of the run is left out")
        if run.is_outdated:
            say(f"{run.folder.path}: {OUTDATED}")
        names = [name for name in run.results.sets if not file_of(run.folder.predictions, name)]
        if names:
            say(f"{run.folder.path}: no predictions of {', '.join(names)}: no curves of them")


def _written_before(out: Path) -> list[str] | None:
    """Returns the names of the files that an earlier report wrote; None where nobody lists them.

    Raises:
      UserError: where the folder holds other files, and no report.
    """
    record, page = within(out, LIST), within(out, "index.html")
    if record.exists():
        names = read_json(record)
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return names
        raise UserError(f"{record}: does not list the files of a report; give another --out")
    with writing_to(out):
        if not os.path.lexists(out) or not any(out.iterdir()):
            return []
        try:
            if page.exists() and MARK in read_text(page):
                return None
        except ValueError as error:
            raise UserError(f"{page}: {error}; give another --out") from None
    raise UserError(f"{out}: holds other files; give --out an empty folder or a new one")


def _check_target(out: Path, name: str, written: list[str] | None) -> None:
    """Raises UserError where something lies under a name of the report that no report wrote."""
    path = within(out, *name.split("/"))
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file() or (written is not None and name not in written):
        raise UserError(f"{path}: is there already and not of this report; move it away")


def _matrix_files(matrix: Matrix | None) -> dict[str, bytes]:
    if matrix is None:
        return {}
    table = matrix_table(matrix)
    text = markdown.markdown_table(list(table.head), table.lines)
    cells = [list(map(latex.escaped, line)) for line in table.lines]
    tex = latex.table(
        [latex.escaped(one) for one in table.head], cells, caption=table.note, label="matrix"
    )
    texts = {
        "matrix.csv": matrix_csv(matrix),
        "matrix.md": f"## {table.title}\n\n{text}\n{markdown.escaped(table.note)}\n",
        "matrix.tex": tex,
    }
    return {name: one.encode("utf-8", "replace") for name, one in texts.items()}


def _files(
    contents: Contents, figures: Sequence[Drawing], matrix: Matrix | None
) -> Iterator[tuple[str, bytes]]:
    """Yields (name below the folder, content) of each file; the page last, when its links exist."""
    for name, text in _texts(contents).items():
        yield name, text.encode("utf-8", "replace")
    for sheet in [*sheets(contents), *figures]:
        for suffix, content in to_files(sheet).items():
            yield f"figures/{sheet.name}.{suffix}", content
    table = None if matrix is None else matrix_table(matrix)
    yield "index.html", page_html(contents, figures, table).encode("utf-8", "replace")


def _texts(contents: Contents) -> dict[str, str]:
    runs = contents.runs
    texts = {"table.md": markdown.markdown_text(runs, contents.comparison, contents.unscored)}
    if not runs:
        return texts
    texts |= {
        "table.csv": tables.csv_text(runs),
        "table.tex": latex.latex_text(runs),
        "comparison.csv": papers.csv_text(runs),
        "comparison.md": papers.markdown_text(runs),
        "comparison.tex": _comparison_tex(contents),
    }
    if any(run.results.conditions for run in runs):
        texts["conditions.csv"] = conditions.csv_text(runs)
    return texts


def _comparison_tex(contents: Contents) -> str:
    tables = latex.comparison_text(contents.runs, contents.comparison)
    return "\n".join(filter(None, [papers.latex_text(contents.runs), tables]))
