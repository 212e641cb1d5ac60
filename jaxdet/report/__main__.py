"""`python -m jaxdet.report RUN... [--out=DIR] [--matrix]`: reports runs: a page and tables."""

from jaxdet.errors import Parser, UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxdet.report.begun import look_at
from jaxdet.report.load import Begun, Run, load_runs
from jaxdet.report.matrix import METRICS, Matrix, make_matrix, matrix_table
from jaxdet.report.reals import check_reals
from jaxdet.report.tables import aligned, print_table, print_unscored
from jaxdet.report.write import write_report
from jaxdet.results import RunFolder
from jaxdet.streams import answer, show
from jaxdet.workdir.files import check_apart

_METRIC = "balanced_accuracy"  # of METRICS


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the report of the runs named on the command line and prints their tables."""
    with guard():
        options = _parser().parse_args(arguments)
        out, matrix = _out(options), _matrix(options)
        page = write_report(options.run, out, matrix=matrix)
        for run in load_runs(options.run):
            if len(options.run) > 1:
                answer(f"{run.label}{f': {run.differs}' if run.differs else ''}")
            _print_run(run)
            answer("")
        if matrix is not None:
            table = matrix_table(matrix)
            show(f"{table.title}\n{aligned([table.head, *table.lines])}{table.note}\n")
        answer(str(page))


def _matrix(options: argparse.Namespace) -> Matrix | None:
    """Returns the matrix that is asked for, or None.

    Raises:
      UserError: where its options are given without it, or no run has results.
    """
    if not options.matrix:
        if options.metric or options.reals:
            raise UserError(f"--{'metric' if options.metric else 'reals'}: needs --matrix")
        return None
    if options.reals is not None:
        check_reals(options.reals)
    runs = load_runs(options.run)
    scored = [run for run in runs if isinstance(run, Run)]
    if len(scored) < len(runs):
        lacking = next(run for run in runs if not isinstance(run, Run))
        raise UserError(f"{lacking.folder.path}: --matrix needs its results.json; finish that run")
    return make_matrix(scored, metric=options.metric or _METRIC, reals=options.reals)


def _print_run(run: Begun) -> None:
    if isinstance(run, Run):
        print_table(run.results)
    else:
        print_unscored(look_at(run))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m jaxdet.report",
        description="Writes a page, tables as CSV, Markdown and LaTeX, and figures as PDF and PNG, "
        "from the files of runs; several runs are put side by side. Of a run that is not finished "
        "it shows what there is and says what is missing. Needs no model and no accelerator.",
    )
    parser.add_argument("run", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write; with one run RUN/report/ where left out",
    )
    parser.add_argument(
        "--matrix",
        action="store_true",
        help="also compare the runs' detectors: generators by detectors with average, least, "
        "images/s and parameters; matrix.csv, .md and .tex",
    )
    parser.add_argument(
        "--metric",
        choices=tuple(METRICS),
        help=f"what the matrix shows of each set (default {_METRIC})",
    )
    parser.add_argument(
        "--reals",
        type=Path,
        metavar="DIR",
        help="real images of your own: the matrix then has, for each detector, the threshold at "
        "which 1 %% of them are called fake; needs JAX, which scores them",
    )
    return parser


def _out(options: argparse.Namespace) -> Path:
    """Returns where the report goes: into a run as its `report`, or apart from all."""
    if options.out is None and len(options.run) > 1:
        raise UserError("several runs have no common folder: say where to write with --out=DIR")
    out: Path = options.out or RunFolder(options.run[0]).report
    for run in options.run:
        if os.path.abspath(out) != os.path.abspath(RunFolder(run).report):
            check_apart(out, run, instead="--out")
    return out


if __name__ == "__main__":
    main(sys.argv[1:])
