"""The files of a report: the page, the tables, the figures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.files import write_bytes
from jaxdet.progress import say
from jaxdet.report import conditions, latex, markdown, papers, tables
from jaxdet.report.contents import Contents, read_contents
from jaxdet.report.figures.sheets import sheets
from jaxdet.report.figures.style import to_files
from jaxdet.report.load import OUTDATED
from jaxdet.report.page import MARK, page_html
from jaxdet.results import RunFolder


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Writes the page, its tables and its figures into `out`; gives the page's path.

    Args:
      runs: run folders; several are put side by side.
      out: folder for the report, made where it is missing.

    Raises:
      UserError: where a run cannot be read or `out` cannot be written.
    """
    _check_place(out, runs)
    contents = read_contents(runs)
    _tell_missing(contents)
    try:
        if not (_is_of_a_run(out, runs) or (out / "index.html").exists()):
            # Marks the folder as a report's, whatever becomes of this start.
            write_bytes(out / "index.html", f"<!-- {MARK} -->not written to its end".encode())
        for name, content in _files(contents):
            write_bytes(out / name, content)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from None
    return out / "index.html"


def _tell_missing(contents: Contents) -> None:
    for run in contents.runs:
        if run.is_outdated:
            say(f"{run.folder.path}: {OUTDATED}")
        names = [
            name for name in run.results.sets if not run.folder.holds(run.folder.predictions(name))
        ]
        if names:
            say(f"{run.folder.path}: no predictions of {', '.join(names)}: no curves of them")


def _check_place(out: Path, runs: Sequence[Path]) -> None:
    """Files of somebody else are never replaced: a folder with some must be a run's or a report."""
    page = out / "index.html"
    if page.is_file():
        if MARK not in page.read_text(errors="replace"):
            raise UserError(f"{page}: is there already and no report; give another --out")
        return
    if out.is_dir() and any(out.iterdir()) and not _is_of_a_run(out, runs):
        raise UserError(f"{out}: holds other files; give --out an empty folder or a new one")


def _is_of_a_run(out: Path, runs: Sequence[Path]) -> bool:
    return any(out == RunFolder(run).report for run in runs)


def _files(contents: Contents) -> Iterator[tuple[str, bytes]]:
    """(name below the folder, content) of each file; the page last, when its links exist."""
    for name, text in _texts(contents).items():
        yield name, text.encode("utf-8", "replace")
    for sheet in sheets(contents):
        for suffix, content in to_files(sheet).items():
            yield f"figures/{sheet.name}.{suffix}", content
    yield "index.html", page_html(contents).encode("utf-8", "replace")


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
