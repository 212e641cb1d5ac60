"""Opens the weights of anything that `W` may be on a command line, with what is known of them."""

import dataclasses
import hashlib
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from jaxdet import config as schema
from jaxdet.config.dotted import is_dotted, trust
from jaxdet.convert.card import Card, network_name, read_beside, read_model
from jaxdet.convert.folder import detector_card, is_detector
from jaxdet.convert.load import LoadedWeights, check_choices, load_weights
from jaxdet.convert.snapshots import published_weights
from jaxdet.convert.towers import Facts, check_facts
from jaxdet.errors import UserError
from jaxdet.models.detector import Variables
from jaxdet.results.folder import RunFolder, step_number
from jaxdet.scoring.protocol import DEFAULT_PROTOCOL, Protocol
from jaxdet.workdir.files import sha256


def open_weights(
    path: Path,
    *,
    checkpoint: str | None = None,
    arch: str | None = None,
    state_dict: str | None = None,
    facts: Facts = MappingProxyType({}),
    headless: bool = False,
) -> tuple[LoadedWeights, Card]:
    """Returns the weights of a run, one of its checkpoints, a converted folder, or a file.

    Args:
      path: where they lie; of a folder from the hub of Hugging Face the weights in it.
      checkpoint: which checkpoint of a run; its own choice where left out.
      arch: the architecture, where a file's keys fit several.
      state_dict: which state dict, where a file holds several.
      facts: what somebody told of the tower in a file.
      headless: whether a tower without a last layer will do.

    Raises:
      UserError: where it cannot be read as a detector, or an option does not fit it.
    """
    if arch is not None and is_dotted(arch):
        trust(arch)  # the caller's own
    run, step = find_run(path)
    if run is not None:
        config = schema.read_config(run.config)
        check_choices(path, config.model, arch, state_dict)
        check_facts(config.model, facts, source=str(path))
        if step is not None and checkpoint is not None:
            raise UserError(f"--checkpoint={checkpoint}: {path} is one checkpoint; leave it out")
        # Loads orbax and optax, which converted folders and files do without.
        from jaxdet.train.restore import open_run

        return open_run(run, checkpoint, step)
    if checkpoint is not None:
        raise UserError(f"--checkpoint={checkpoint}: {path} is no run; leave it out")
    path = published_weights(path) or path
    known = detector_card(path) if is_detector(path) else read_beside(path)
    loaded = load_weights(
        path, arch=arch or network_name(known), state_dict=state_dict, facts=facts,
        headless=headless,
    )  # fmt: skip
    check_facts(loaded.model, facts, source=str(path))
    if known is not None and network_name(known) == loaded.model.name:
        loaded = dataclasses.replace(loaded, model=read_model(known), crop=known.protocol.crop)
    else:
        known = dataclasses.replace(
            known or Card(source=path.name, file_sha256=sha256(path)),
            model={},
            protocol=Protocol(crop=loaded.crop or DEFAULT_PROTOCOL.crop, resize=loaded.resize),
            calibration=None,
            measured={},
        )
    return loaded, dataclasses.replace(known, sha256=sha256_of(loaded.variables))


def find_run(path: Path) -> tuple[RunFolder | None, int | None]:
    """Returns the run at a path, and the step where the path is one of its checkpoints.

    Raises:
      UserError: where there is one that has lost its config.
    """
    if published_weights(path) is None and RunFolder(path).is_run():
        return RunFolder(path), None
    above = RunFolder(path.parent.parent)
    step = step_number(path.name)
    is_step = step is not None and path.parent.name == "checkpoints"
    if is_step and path.parent == above.checkpoints and above.is_run():
        return above, step
    return None, None


def sha256_of(variables: Variables) -> str:
    """Returns 64 hex digits over all values, equal exactly where all bits are."""
    hashed = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        hashed.update(jax.tree_util.keystr(path).encode())
        hashed.update(np.ascontiguousarray(leaf).tobytes())
    return hashed.hexdigest()


def digest(variables: Variables) -> str:
    """Returns the first 16 digits of `sha256_of`, as `results.json` has them."""
    return sha256_of(variables)[:16]


def describe(
    variables: Variables,
    *,
    origin: str,
    choice: str = "",
    step: int | None = None,
    training: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns what `results.json` says of the weights.

    Args:
      variables: their values.
      origin: the run or file that they come from.
      choice: which checkpoint of a run; "" for a file.
      step: updates that the checkpoint had seen; None for a file.
      training: what they were trained on, where that is known.
    """
    return {
        "origin": origin,
        "choice": choice,
        "step": step,
        "digest": digest(variables),
        "parameters": sum(int(leaf.size) for leaf in jax.tree.leaves(variables.get("params"))),
        "training": training,
    }
