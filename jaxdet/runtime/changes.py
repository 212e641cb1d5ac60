"""A run of another config or other code of one's own: refused, or gone on with where asked for."""

import datetime
import json
from collections.abc import Mapping

from jaxdet import config as schema
from jaxdet.errors import UserError
from jaxdet.results import RunFolder, read_metrics
from jaxdet.workdir.files import append_line, read_json, write_json
from jaxdet.workdir.identity import differences

# What the weights, the moments and the position of a run count in. `seed` also draws the images.
_FIXED = (
    "model.", "data.", "seed", "optim.name", "optim.batch_size", "optim.ema", "optim.layer_decay",
)  # fmt: skip


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


def check_config(config: schema.Config, folder: RunFolder, *, accept_changes: bool) -> None:
    """Refuses a config that is not the one of the run in the folder.

    Raises:
      UserError: with the differences; where they are accepted, only with those that cannot be.
    """
    changed = find_changes(config, folder)
    if changed and not accept_changes:
        raise UserError(
            f"{folder.path} holds a run of another config ({'; '.join(changed)}); give another "
            "--workdir, or --accept-config-changes to go on under this one"
        )
    fixed = [line for line in changed if line.startswith(_FIXED)]
    if fixed:
        raise UserError(
            f"{folder.path}: a run cannot go on with another {'; '.join(fixed)}; "
            "give another --workdir"
        )


def check_code(outside: Mapping[str, str], folder: RunFolder, *, accept_changes: bool) -> None:
    """Refuses modules of one's own that are not those that the run in the folder began with.

    Args:
      outside: from `look_up_all`.
      folder: of the run.
      accept_changes: whether it may go on with them.

    Raises:
      UserError: naming what has changed.
    """
    changed = _code_changes(outside, folder)
    if changed and not accept_changes:
        raise UserError(
            f"{folder.path}: began with other code of one's own ({'; '.join(changed)}); give "
            "another --workdir, or --accept-config-changes to go on with this one"
        )


def _code_changes(outside: Mapping[str, str], folder: RunFolder) -> list[str]:
    if not outside or not has_begun(folder):
        return []
    then = read_json(folder.env).get("outside", {})
    now = {name: digest for name, digest in outside.items() if name in then}
    return differences({name: then[name] for name in now}, now)


def note_changes(config: schema.Config, outside: Mapping[str, str], folder: RunFolder) -> None:
    """Writes the config and code that hold from here on; the config before it stays, numbered."""
    code = _code_changes(outside, folder)
    changed = find_changes(config, folder) + [f"code of {line}" for line in code]
    if not changed:
        return
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
