"""A training on some number of devices and processes, for test_elastic.py.

    python -m tests.e2e.elastic DATA RUN DEVICES HOST HOSTS PORT LAST LOG

Trains to the end, or, where LAST is not 0, ends by SIGKILL once the checkpoint of step LAST is on
disk. Each step's image ids and its loss go to LOG, a line of JSON each.
"""

import json
import os
import signal
import sys
from pathlib import Path

import jax

from jaxdet import config as schema
from jaxdet.data.splits import load_train_and_val
from jaxdet.results import RunFolder
from jaxdet.runtime.mesh import make_mesh
from jaxdet.train import loop
from jaxdet.train.assemble import assemble
from jaxdet.train.session import train_to_end
from jaxdet.workdir.files import write_json


def logged(launch, log):
    """The launch of a step that writes down what it saw."""

    def call(parts, position, batch, placed):
        state, launched = launch(parts, position, batch, placed)
        ids = [parts.train_set.ids[i] for i in batch["index"]]
        line = {"step": launched.step, "ids": ids, "loss": float(launched.scalars["loss"])}
        with open(log, "a") as file:
            file.write(json.dumps(line) + "\n")
        return state, launched

    return call


def ending(save, last):
    """The saving that ends like a machine that died, once the step LAST is on disk."""

    def call(parts, position, *, ranks=None):
        save(parts, position, ranks=ranks)
        if position.step == last:
            parts.checkpoints.wait()
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def main(data, run, devices, host, hosts, port, last, log):
    if int(hosts) > 1:
        jax.distributed.initialize(f"localhost:{port}", int(hosts), int(host))
    config = schema.Config(
        data=schema.Data(root=data),
        augment=schema.Augment(
            crop=32, blur_probability=0.5, jpeg_probability=0.5, flip_probability=0.5
        ),
        model=schema.Model(name="resnet18", width=4),
        optim=schema.Optim(batch_size=8, learning_rate=1e-3, schedule="constant", max_epochs=2),
        checkpoint=schema.Checkpoint(every_steps=4),
        runtime=schema.Runtime(workers=1, log_every=1, devices=int(devices)),
    )
    folder = RunFolder(Path(run))
    if int(host) == 0:
        write_json(folder.config, schema.to_json_dict(config))
    loop.launch, loop.save = logged(loop.launch, log), ending(loop.save, int(last))
    mesh = make_mesh(int(devices))
    train_to_end(assemble(config, *load_train_and_val(config), run=folder, mesh=mesh))


if __name__ == "__main__":
    main(*sys.argv[1:])
