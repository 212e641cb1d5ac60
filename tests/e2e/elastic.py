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
from jaxdet.workdir.files import write_json


class Logged(loop.Trainer):
    """Writes down what each step saw, and may end like a machine that died."""

    last, log = 0, ""

    def one_step(self, position, batch, window):
        ids = [self.loader.read.images.ids[i] for i in batch["index"]]
        return super().one_step(position, batch, Told(window, ids, self.log))

    def _save(self, position, *, ranks):
        super()._save(position, ranks=ranks)
        if position.step == self.last:
            self.checkpoints.wait()
            os.kill(os.getpid(), signal.SIGKILL)


class Told:
    def __init__(self, window, ids, log):
        self.window, self.ids, self.log = window, ids, log

    def add(self, step, rate, batch, scalars):
        with open(self.log, "a") as file:
            line = {"step": step, "ids": self.ids, "loss": float(scalars["loss"])}
            file.write(json.dumps(line) + "\n")
        self.window.add(step, rate, batch, scalars)


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
    Logged.last, Logged.log = int(last), log
    loop.Trainer = Logged
    loop.train(config, *load_train_and_val(config), run=folder, mesh=make_mesh(int(devices)))


if __name__ == "__main__":
    main(*sys.argv[1:])
