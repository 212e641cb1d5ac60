"""`--config.key=value` and the other options of the main command, laid over a config file's."""

from collections.abc import Callable, Sequence

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxdet.config.forms import from_config_dict
from jaxdet.config.schema import Config
from jaxdet.config.validate import validate
from jaxdet.errors import UserError


def parse_options(
    options: ConfigDict,
    arguments: Sequence[str],
    define: Callable[[flags.FlagValues], None] = lambda values: None,
) -> tuple[Config, flags.FlagValues]:
    """The config with the options of a command line, and the values of the other flags.

    Args:
      options: of the config file; changed by this.
      arguments: of the command, the program's name first, without --config.
      define: defines the flags there are beside --workdir.

    Raises:
      UserError: naming what is unknown, of a wrong type, or cannot work.
    """
    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "", flag_values=values)
    define(values)
    try:
        overridden = config_flags.DEFINE_config_dict(
            "config", options, flag_values=values, sys_argv=list(arguments)
        )
        rest = values(list(arguments))[1:]
    except flags.Error as error:
        raise UserError(f"{error}; see --help") from None
    except AttributeError as error:
        raise UserError(f"config: unknown option {error}; see docs/configuration.md") from None
    if rest:
        raise UserError(f"{rest[0]}: not an option; see --help")
    config = from_config_dict(overridden.value)
    validate(config)
    return config, values
