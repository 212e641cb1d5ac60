"""Runs the main command on a table: which rows, with which options, listed or run."""

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence

from absl import flags

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.experiments.listing import listing
from jaxdet.experiments.table import Row, Table
from jaxdet.progress import say
from jaxdet.ranges import parse_number
from jaxdet.streams import show

# The number of this job in a SLURM array, which picks a row.
_ARRAY = "SLURM_ARRAY_TASK_ID"


def run_table(
    table: object,
    arguments: Sequence[str],
    *,
    name: str,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Lists the rows of a table or runs them, as a command line says.

    Args:
      table: what a config file's get_table gave.
      arguments: of the command, the program's name first, without --config.
      name: of the folder below runs/ where no --workdir is given.
      environment: where a job of an array finds its number.

    Raises:
      UserError: for whatever the user can mend, before any work starts; or where every row that
        failed did so by a mistake of that kind.
      RunFailedError: where another row could not go on; those after it have run all the same.
    """
    if not isinstance(table, Table):
        raise UserError("--config: get_table gives no jaxdet.experiments.Table")
    table, values = with_options(table, arguments)
    workdir = schema.chosen_workdir(values.workdir, name)
    if values.list:
        show(listing(table, workdir, _speed(values)))
        return
    rows = _chosen(table, values.row, environment)
    # Imported late: a mistake on the command line is answered without waiting for JAX.
    from jaxdet.experiments.runner import run_rows
    from jaxdet.results import RunFolder
    from jaxdet.runtime.determinism import make_deterministic
    from jaxdet.runtime.distributed import joined
    from jaxdet.runtime.memory import keep_freed_memory

    accept = values["accept-config-changes"].value
    # It holds for the process: one row that asks for it gives it to all.
    if any(row.config.runtime.deterministic for row in rows):
        make_deterministic()
    given = {
        f"row {row.name}: {name}": value
        for row in rows
        for name, value in schema.common_options(row.config).items()
    }
    locks = [RunFolder(workdir / row.name).lock for row in rows]
    with joined({**given, "--accept-config-changes": accept}, locks):
        if values.workdir is None:
            say(f"{workdir}: the table's folder, since no --workdir is given")
        keep_freed_memory()
        run_rows(table, rows, workdir, accept_changes=accept)


def _define(values: flags.FlagValues) -> None:
    flags.DEFINE_boolean("accept-config-changes", False, "", flag_values=values)
    flags.DEFINE_boolean("list", False, "", flag_values=values)
    flags.DEFINE_string("row", "", "", flag_values=values)
    flags.DEFINE_string("images-per-second", "", "", flag_values=values)


def with_options(table: Table, arguments: Sequence[str]) -> tuple[Table, flags.FlagValues]:
    """Returns the table with a command line's options in every row, and the other flags.

    Raises:
      UserError: naming the first row whose options cannot be or cannot work, or, where all rows
        are meant, two that the options make the same.
    """
    rows: list[Row] = []
    for row in table.rows:
        try:
            options = schema.to_config_dict(row.config)
            config, values = schema.parse_options(options, arguments, _define)
        except UserError as error:
            raise UserError(f"row {row.name}: {error}") from None
        rows.append(dataclasses.replace(row, config=config))
    if not values.row:
        _refuse_alike(table.rows, rows)
    return dataclasses.replace(table, rows=tuple(rows)), values


def _refuse_alike(before: Sequence[Row], after: Sequence[Row]) -> None:
    """Raises UserError where rows that differ by an option alone, as repeats by seed, are alike."""
    for one, other in itertools.combinations(range(len(before)), 2):
        if after[one].training == after[other].training and (
            before[one].training != before[other].training
        ):
            raise UserError(
                f"rows {before[one].name} and {before[other].name} would be one training: they "
                "differ by nothing but an option that is given for all; give it with --row, for "
                "one row"
            )


def _speed(values: flags.FlagValues) -> float | None:
    given = values["images-per-second"].value
    if not given:
        return None
    speed = parse_number(given, "(0, 1e30]")
    if speed is None:
        raise UserError(f"--images-per-second={given:.50}: not a number above 0")
    return speed


def _chosen(table: Table, row: str, environment: Mapping[str, str]) -> tuple[Row, ...]:
    """Returns the row that is asked for, by the option or by the array; else all."""
    if row:
        return (table.pick(row),)
    if not environment.get(_ARRAY):
        return table.rows
    try:
        return (table.pick(environment[_ARRAY]),)
    except UserError as error:
        raise UserError(f"{_ARRAY}: {error}") from None
