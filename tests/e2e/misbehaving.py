"""A run whose images misbehave when a file appears, for test_hangs.py.

    python -m tests.e2e.misbehaving DATA RUN PART HOW KIND SECONDS

PART is training, validation, crops or pieces; HOW is hang, raise, exit or kill; KIND is threads or
processes. What misbehaves is an image source, as a file system that hangs or a library with a
fault would: everything above it is the run's own.
"""

import dataclasses
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from jaxdet import config as schema
from jaxdet.data.folder import FolderSet
from jaxdet.data.readers import evaluation_reader
from jaxdet.data.splits import load_train_and_val
from jaxdet.errors import guard
from jaxdet.evals.engine import Engine
from jaxdet.evals.views import headline
from jaxdet.models.detector import get_detector
from jaxdet.results import RunFolder
from jaxdet.runtime.hangs import watch_run
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train.assemble import assemble
from jaxdet.train.session import train_to_end
from jaxdet.train.start import initial_variables
from jaxdet.workdir.files import write_json


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Misbehaving(FolderSet):
    how: str
    # Read first, so that batches before it are whole.
    at: int

    def read(self, index: int, **options: int) -> np.ndarray:
        if index == self.at:
            misbehave(self.how)
        return super().read(index, **options)


def misbehave(how):
    if how == "hang":
        threading.Event().wait()
    if how == "raise":
        raise ZeroDivisionError("a fault in a library")
    if how == "exit":
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def spoilt(images, how):
    return Misbehaving(
        name=images.name, folder=images.folder, files=images.files, how=how, at=len(images) - 1
    )


def main(data, run, part, how, kind, seconds):
    config = schema.Config(
        data=schema.Data(root=data),
        augment=schema.Augment(crop=24),
        model=schema.Model(name="resnet18", width=4),
        optim=schema.Optim(batch_size=8, schedule="constant", max_epochs=2),
        evaluation=schema.Evaluation(protocols=("full" if part == "pieces" else "crop",)),
        runtime=schema.Runtime(workers=2, worker_kind=kind, hang_seconds=float(seconds), devices=1),
    )
    folder, mesh = RunFolder(Path(run)), make_mesh(1)
    write_json(folder.config, schema.to_json_dict(config))
    train_set, val_set = load_train_and_val(config)
    if part == "training":
        train_set = spoilt(train_set, how)
    else:
        val_set = spoilt(val_set, how)
    with guard(), watch_run(limit=config.runtime.hang_seconds, folder=folder.path):
        if part in ("training", "validation"):
            train_to_end(assemble(config, train_set, val_set, run=folder, mesh=mesh))
            return
        detector = get_detector(config.model)
        variables = initial_variables(config, detector, mesh)
        evaluation = config.resolved_evaluation
        engine = Engine(
            evaluation, detector, variables, weights="", seed=0, runtime=config.runtime,
            run=folder, mesh=mesh,
        )  # fmt: skip
        read = evaluation_reader(config.data, val_set)
        engine.predictions(read, headline(evaluation), folder.validation)


if __name__ == "__main__":
    # As a module of its name: cloudpickle gives what __main__ defines to workers without its file.
    from tests.e2e import misbehaving

    misbehaving.main(*sys.argv[1:])
