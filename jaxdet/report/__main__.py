"""`python -m jaxdet.report RUN... [--out=DIR]`: a page and tables from run folders."""

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
from jaxdet.report.tables import print_table, print_unscored
from jaxdet.report.write import write_report
from jaxdet.results import RunFolder
from jaxdet.streams import answer
from jaxdet.workdir.files import check_apart


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the report of the runs named on the command line and prints their tables."""
    with guard():
        options = _parser().parse_args(arguments)
        page = write_report(options.run, _out(options))
        for run in load_runs(options.run):
            if len(options.run) > 1:
                answer(f"{run.label}{f': {run.differs}' if run.differs else ''}")
            _print_run(run)
            answer("")
        answer(str(page))


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
