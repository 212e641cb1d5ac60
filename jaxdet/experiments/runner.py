"""Runs the rows of a table one after the other, and reports on those that are finished."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from jaxdet.data.missing import Missing, find_missing, refuse_missing
from jaxdet.errors import RunFailedError, UserError
from jaxdet.experiments import beside
from jaxdet.experiments.figures import drawings_of
from jaxdet.experiments.state import FINISHED, state_of
from jaxdet.experiments.table import Row, Table
from jaxdet.progress import say
from jaxdet.report import write_report
from jaxdet.results import RunFolder, read_results
from jaxdet.run import run
from jaxdet.runtime.distributed import join_seconds
from jaxdet.runtime.hosts import comparing
from jaxdet.workdir import signals


def run_rows(
    table: Table, rows: Sequence[Row], workdir: Path, *, accept_changes: bool = False
) -> None:
    """Runs each row in its folder below `workdir`, from where it stands; then the report.

    A row that fails is told and the others go on. The report, in `workdir/report`, has every row
    of the table that is finished; where only some rows were asked for, as by the jobs of an array,
    the one that finishes the table writes it. `accept_changes` is for `jaxdet.run.run`.

    Raises:
      UserError: where rows failed by mistakes that the user can mend, and no other way.
      RunFailedError: where a row failed otherwise.
      Stopped: where a signal asked for the end; what the row had done is saved.
    """
    with comparing("the folder of a table"):
        if RunFolder(workdir).config.exists():
            raise UserError(f"{workdir}: holds a run, not a table; give another --workdir")
        _see_that_one_can_start(rows, workdir)
    with signals.deferred():
        failed = dict(_failures(rows, workdir, accept_changes=accept_changes))
    _report(table, workdir, all_asked=len(rows) == len(table.rows))
    _raise_for(failed, len(rows))


def _see_that_one_can_start(rows: Sequence[Row], workdir: Path) -> None:
    """Raises UserError that names once what all rows lack, where none has what it begins with."""
    if not any(RunFolder(workdir / row.name).config.exists() for row in rows):
        missing = [_missing(row) for row in rows]
        if all(missing):
            refuse_missing(itertools.chain(*missing))


def _missing(row: Row) -> list[Missing]:
    config = row.config
    return list(
        find_missing(config.data, config.evaluation, task=config.task, init=config.model.init)
    )


def _failures(
    rows: Sequence[Row], workdir: Path, *, accept_changes: bool
) -> Iterator[tuple[str, UserError | RunFailedError]]:
    """Runs the rows; the names of those that fail, and why."""
    for number, row in enumerate(rows, start=1):
        signals.check("every row before is saved")
        if len(rows) > 1:
            say(f"row {row.name}, {number} of {len(rows)}")
        try:
            run(row.config, workdir / row.name, accept_changes=accept_changes)
        except (UserError, RunFailedError) as error:
            _see_that_all_failed(error)
            yield row.name, error
            if len(rows) > 1:
                say(f"row {row.name} failed: {' '.join(str(error).split())}")
        # The next row's network is another one.
        jax.clear_caches()


def _see_that_all_failed(error: UserError | RunFailedError) -> None:
    """Raises the error of a row unless the row failed in every process.

    The others may be in the midst of it, and would wait for this one.
    """
    try:
        with comparing("the end of a row that failed", limit=join_seconds()):
            pass
    except (UserError, RunFailedError):
        raise error from None


def _report(table: Table, workdir: Path, *, all_asked: bool) -> None:
    """Writes the page and the paper's table of the finished rows, by the first process."""
    if jax.process_index() > 0:
        return
    finished = [row for row in table.rows if state_of(row, workdir) == FINISHED]
    if not finished or not (all_asked or len(finished) == len(table.rows)):
        return
    out = workdir / "report"
    measured = [(row, read_results(workdir / row.name / "results.json")) for row in finished]
    pairs = [pair for row, results in measured for pair in beside.pairs_of(row, results)]
    more = {
        "published.csv": beside.csv_text(pairs).encode(),
        "published.md": beside.markdown_text(table, measured).encode(),
    }
    figures = drawings_of(table, measured)
    page = write_report([workdir / row.name for row in finished], out, more=more, figures=figures)
    say(f"report of {len(finished)} of {len(table.rows)} rows: {page}")
    say(f"measured beside published: {out / 'published.md'}")


def _raise_for(failed: dict[str, UserError | RunFailedError], asked: int) -> None:
    if not failed:
        return
    what = "; ".join(f"{name}: {error}" for name, error in failed.items())
    message = f"row {what}" if asked == 1 else f"{len(failed)} of {asked} rows failed: {what}"
    if all(isinstance(error, UserError) for error in failed.values()):
        raise UserError(message)
    raise RunFailedError(message)
