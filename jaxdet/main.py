"""Runs the main command: train, evaluate or both, as a config file says.

    python -m jaxdet.main --config=FILE[:ARG] [--workdir=DIR] [--config.key=value ...]

Started again on the same folder it goes on; on a finished run it says so and does nothing.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdet import errors, streams

if TYPE_CHECKING:
    from absl import flags

_HELP = """\
usage: python -m jaxdet.main --config=FILE[:ARG] [--workdir=DIR] [--config.key=value ...]

Trains and evaluates a detector of generated images, as the config file says.

  --config=FILE[:ARG]   a preset's name (small, papers/wang_table2), a file of configs/, or one of
                        one's own with get_config(arg)
  --workdir=DIR         the run's folder, runs/NAME where none is given, by the config's name or a
                        table's file; a run that is there goes on
  --config.key=value    any option of docs/configuration.md, such as --config.data.root=DIR
  --accept-config-changes
                        go on with a run of another config under this one: the old one stays as
                        config.N.json, and changes.jsonl says what changed at which step; model,
                        data, seed and batch size cannot change

Where a launcher announces several processes (SLURM, Open MPI, Kubernetes, Cloud TPU, or JAX's own
variables), they are one run; launch/ has scripts for each. See docs/launch.md.

With a table of experiments (configs/papers/*.py, or one's own file with get_table(arg)) all rows
run one after the other, each in a folder below DIR, and the options are those of every row:

  --list                the rows, their sources and how far they are; runs nothing
  --row=N|NAME          one row alone; where left out, SLURM_ARRAY_TASK_ID picks it, if it is set
  --images-per-second=X of training, to tell the hours in the list

Exit status: 0 done; 1 the run failed; 2 a mistake that the message says how to mend; 75 stopped by
SIGTERM or SIGUSR1 and 130 by Ctrl-C, with all work saved: the same command goes on. A second signal
after 2 s ends at once. See docs/reliability.md.
"""


def main(argv: list[str]) -> None:
    """Runs the command line."""
    with errors.guard():
        if "--help" in argv or "-h" in argv:
            streams.show(_HELP.rstrip())
            return
        # Imported within: Ctrl-C is one line from the first moment.
        from ml_collections import ConfigDict

        from jaxdet import config as schema
        from jaxdet.experiments.command import run_table

        file, others = _take_file(argv)
        experiment = schema.load_file(file)
        if not isinstance(experiment, ConfigDict):
            path, _, argument = file.partition(":")
            run_table(experiment, others, name="_".join(filter(None, (Path(path).stem, argument))))
            return
        config, values = schema.parse_options(experiment, others, _define)
        workdir = schema.chosen_workdir(values.workdir, config.name)
        # Imported late: a mistake on the command line is answered without waiting for JAX.
        from jaxdet import run
        from jaxdet.progress import say
        from jaxdet.results import RunFolder
        from jaxdet.runtime.determinism import make_deterministic
        from jaxdet.runtime.distributed import joined
        from jaxdet.runtime.memory import keep_freed_memory

        accept = values["accept-config-changes"].value
        if config.runtime.deterministic:
            make_deterministic()
        options = {**schema.common_options(config), "--accept-config-changes": accept}
        folder = RunFolder(workdir)
        with joined(options, [folder.lock]):
            if values.workdir is None:
                say(f"{workdir}: the run's folder, since no --workdir is given")
            keep_freed_memory()
            run.run(config, folder.path, accept_changes=accept)


def _define(values: "flags.FlagValues") -> None:
    from absl import flags

    flags.DEFINE_boolean("accept-config-changes", False, "", flag_values=values)


def _take_file(argv: list[str]) -> tuple[str, list[str]]:
    """Returns the value of --config and the other arguments."""
    files, others = [], []
    arguments = iter(argv)
    for argument in arguments:
        if argument == "--config":
            files.append(next(arguments, ""))
        elif argument.startswith("--config="):
            files.append(argument.removeprefix("--config="))
        else:
            others.append(argument)
    if len(files) > 1:
        raise errors.UserError(f"--config is given twice: {', '.join(files)}")
    if not files or not files[0]:
        raise errors.UserError("--config=FILE is missing; see --help")
    return files[0], others


if __name__ == "__main__":
    main(sys.argv)
