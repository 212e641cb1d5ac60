"""The main command: train, evaluate or both, as a config file says.

    python -m jaxdet.main --config=FILE[:ARG] --workdir=DIR [--config.key=value ...]

Started again on the same folder it goes on; on a finished run it says so and does nothing.
"""

import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from jaxdet import config as schema
from jaxdet import errors

_HELP = """\
usage: python -m jaxdet.main --config=FILE[:ARG] --workdir=DIR [--config.key=value ...]

Trains and evaluates a detector of generated images, as the config file says.

  --config=FILE[:ARG]   a file of configs/, or one's own with get_config(arg)
  --workdir=DIR         the run's folder; a run that is there goes on
  --config.key=value    any option of docs/configuration.md, such as --config.data.root=DIR
"""


def main(argv: list[str]) -> None:
    """Runs the command line."""
    if "--help" in argv or "-h" in argv:
        print(_HELP, end="")
        return
    with errors.guard():
        config, workdir = parse(argv)
        # Imported late: a mistake on the command line is answered without waiting for JAX.
        from jaxdet import run

        run.run(config, workdir)


def parse(argv: list[str]) -> tuple[schema.Config, Path]:
    """The config and the run folder of a command line.

    Raises:
      UserError: naming what is missing, unknown or of a wrong type.
    """
    file, others = _take_file(argv)
    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    config_dict = schema.load_file(file)
    try:
        options = config_flags.DEFINE_config_dict(
            "config", config_dict, flag_values=values, sys_argv=others
        )
        rest = values(others)[1:]
    except flags.Error as error:
        raise errors.UserError(f"{error}; see --help") from None
    except AttributeError as error:
        raise errors.UserError(
            f"config: unknown option {error}; see docs/configuration.md"
        ) from None
    if rest:
        raise errors.UserError(f"{rest[0]}: not an option; see --help")
    if not values.workdir:
        raise errors.UserError("--workdir is missing; see --help")
    config = schema.from_config_dict(options.value)
    schema.validate(config)
    return config, Path(values.workdir)


def _take_file(argv: list[str]) -> tuple[str, list[str]]:
    """The value of --config and the other arguments."""
    for place, argument in enumerate(argv):
        if argument.startswith("--config="):
            return argument.removeprefix("--config="), argv[:place] + argv[place + 1 :]
        if argument == "--config" and place + 1 < len(argv):
            return argv[place + 1], argv[:place] + argv[place + 2 :]
    raise errors.UserError("--config is missing; see --help")


if __name__ == "__main__":
    main(sys.argv)
