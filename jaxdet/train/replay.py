"""Repeats the step of a bundle, from the newest checkpoint before it.

    python -m jaxdet.train.replay RUN/nonfinite/STEP

Reads the run folder and changes nothing in it. The same commit on the same machine and devices
prints the same numbers; see `nonfinite.py` for what a bundle is.
"""

from jaxdet.errors import Parser, UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any

from jaxdet import config as schema
from jaxdet.config.dotted import dotted_names, trust
from jaxdet.data.splits import load_train_and_val
from jaxdet.results.folder import RunFolder
from jaxdet.runtime.determinism import make_deterministic
from jaxdet.runtime.mesh import make_mesh
from jaxdet.streams import answer
from jaxdet.train.assemble import assemble
from jaxdet.train.features import with_features
from jaxdet.train.loop import launch, open_input, place
from jaxdet.train.nonfinite import BUNDLE
from jaxdet.train.parts import Parts
from jaxdet.train.resume import begin, newest
from jaxdet.train.updates import Update
from jaxdet.workdir.files import read_json


def replay(bundle: Path, *, run_code: bool = False) -> Update:
    """Repeats the bundle's step.

    Args:
      bundle: a folder RUN/nonfinite/STEP.
      run_code: whether to import the modules outside that its config names.

    Raises:
      UserError: where the bundle, its images or its checkpoint cannot be read, where there are
        fewer devices, or the run has gone on past the step.
    """
    facts = read_json(bundle / BUNDLE)
    wanted = {"config": dict, "devices": int, "step": int}
    if not isinstance(facts, dict) or any(type(facts.get(k)) is not t for k, t in wanted.items()):
        raise UserError(f"{bundle / BUNDLE}: does not describe a step of a run")
    config: schema.Config = schema.from_json_dict(facts["config"])
    if run_code:
        trust(*dotted_names(config))
    if config.runtime.deterministic:
        make_deterministic()
    parts = assemble(
        config,
        *load_train_and_val(config),
        run=RunFolder(bundle.absolute().parents[1]),
        mesh=make_mesh(facts["devices"]),
        read_only=True,
    )
    with contextlib.closing(parts.checkpoints):
        return _repeat(parts, facts)


def _repeat(parts: Parts, facts: dict[str, Any]) -> Update:
    position = newest(parts) or begin(parts)
    if position.step >= facts["step"]:
        raise UserError(
            f"{parts.run.path}: has gone on to step {position.step}, past the bundle's "
            f"{facts['step']}"
        )
    parts = with_features(parts, position)
    steps = range(position.step + 1, facts["step"] + 1)
    with open_input(parts, position) as batches:
        for batch, placed in place(parts.mesh, batches, steps=steps):
            state, launched = launch(parts, position, batch, placed)
            position = dataclasses.replace(position, state=state, step=launched.step)
            update = launched.fetched()
    return update


def main(argv: list[str]) -> None:
    """Runs the command line."""
    with guard():
        parser = Parser(
            prog="python -m jaxdet.train.replay",
            description="Repeats the step of a bundle, from the newest checkpoint before it.",
        )
        parser.add_argument("bundle", type=Path, help="RUN/nonfinite/STEP")
        parser.add_argument(
            "--run-code",
            action="store_true",
            help="import the modules that its config names by package.module:Name, which runs them",
        )
        arguments = parser.parse_args(argv)
        update = replay(arguments.bundle, run_code=arguments.run_code)
        answer(
            f"step {update.step}: loss {update.loss}, gradient norm {update.grad_norm}, "
            f"learning rate {update.rate:g}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
