"""Refuses to continue a run with another config or other code of one's own, unless asked to."""

import datetime
import json
from collections.abc import Mapping

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.progress import say
from jaxdet.results.folder import RunFolder, read_metrics
from jaxdet.workdir.files import append_line, read_json, write_json
from jaxdet.workdir.identity import differences

# What the weights, the moments and the position of a run count in. `seed` also draws the images.
_FIXED = (
    "model.",
    "data.",
    "seed",
    "optim.name",
    "optim.batch_size",
    "optim.ema",
    "optim.layer_decay",
)


def has_begun(folder: RunFolder) -> bool:
    """Returns whether there is work that a changed config would spoil.

    A start that failed on its weights leaves a config and nothing else; the next one may differ.
    """
    return folder.config.exists() and (
        folder.metrics.exists() or folder.predictions("").parent.exists()
    )


def find_changes(config: schema.Config, folder: RunFolder) -> list[str]:
    """Returns lines `option: old -> new` of what differs from the folder's run; [] without one."""
    if not has_begun(folder):
        return []
    return schema.differences(schema.read_config(folder.config), config)


def check_changes(
    config: schema.Config,
    outside: Mapping[str, str],
    folder: RunFolder,
    *,
    accept_changes: bool,
) -> None:
    """Refuses a config, or modules of one's own, that are not those of the run in the folder.

    Args:
      config: that the run would go on under.
      outside: dotted names in it with digests of their modules, from `look_up_all`.
      folder: of the run.
      accept_changes: whether it may go on with what differs.

    Raises:
      UserError: with the differences; where they are accepted, only with those that cannot be.
    """
    changed = find_changes(config, folder)
    differing = changed + _code_changes(outside, folder)
    if differing and not accept_changes:
        kind = "config" if changed else "code"
        raise UserError(
            f"{folder.path} holds a run of another {kind} ({'; '.join(differing)}); give another "
            "--workdir, or --accept-config-changes to go on under this one"
        )
    fixed = [line for line in changed if line.startswith(_FIXED)]
    if fixed:
        raise UserError(
            f"{folder.path}: a run cannot go on with another {'; '.join(fixed)}; "
            "give another --workdir"
        )


def _code_changes(outside: Mapping[str, str], folder: RunFolder) -> list[str]:
    """Returns lines `code of MODULE: old -> new`, whatever names of a module are used now."""
    if not outside or not has_begun(folder):
        return []
    then = _by_module(read_json(folder.env).get("outside", {}))
    now = {module: digest for module, digest in _by_module(outside).items() if module in then}
    changed = differences({module: then[module] for module in now}, now)
    return [f"code of {line}" for line in changed]


def _by_module(outside: Mapping[str, str]) -> dict[str, str]:
    return {name.partition(":")[0]: digest for name, digest in outside.items()}


def note_changes(config: schema.Config, outside: Mapping[str, str], folder: RunFolder) -> None:
    """Writes the config and code that hold from here on; the config before it stays, numbered."""
    changed = find_changes(config, folder) + _code_changes(outside, folder)
    if not changed:
        return
    for line in changed:
        say(f"{folder.path}: goes on with a change: {line}")
    number = 1
    while folder.earlier_config(number).exists():
        number += 1
    earlier = folder.earlier_config(number)
    write_json(earlier, read_json(folder.config))
    steps = [line["step"] for line in read_metrics(folder.metrics)]
    note = {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "after_step": max(steps, default=0),
        "changed": changed,
        "earlier": earlier.name,
    }
    append_line(folder.changes, json.dumps(note) + "\n")
    if outside:
        write_json(folder.env, read_json(folder.env) | {"outside": dict(outside)})
    # Last: a kill before it leaves the old config, and the change is asked for once more.
    write_json(folder.config, schema.to_json_dict(config))
