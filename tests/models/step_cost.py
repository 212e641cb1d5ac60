"""Time of a training step with flax's max-pooling, with ours, and with the choice of skipping.

    python -m tests.models.step_cost NAME SIDE BATCH

The three take turns in one process; the smallest time of each is told, and its ratio to flax's.
"""

import statistics
import sys
import time

import flax.linen as nn
import jax
import numpy as np

from jaxdet.config import Augment, Config, Model, Optim
from jaxdet.models import pooling, resnet, vgg
from jaxdet.models.detector import get_detector
from jaxdet.runtime.mesh import make_mesh, put_batch
from jaxdet.train.start import initial_variables
from jaxdet.train.state import make_optimizer, new_state
from jaxdet.train.step import make_train_step

KINDS = {
    "flax": (nn.max_pool, False),
    "ours": (pooling.max_pool, False),
    "ours, skipping": (pooling.max_pool, True),
}
ROUNDS = 15
WIDTH = 16


def main(name, side, count):
    optim = Optim(batch_size=count)
    config = Config(augment=Augment(crop=side), model=Model(name=name, width=WIDTH), optim=optim)
    mesh, detector = make_mesh(1), get_detector(config.model)
    variables = initial_variables(config, detector, mesh)
    image = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    label = np.arange(count, dtype=np.int32) % 2
    batch = put_batch(mesh, {"image": image, "label": label})
    steps, states, seconds = {}, {}, {kind: [] for kind in KINDS}
    for number in range(ROUNDS + 1):
        for kind, (pool, skip) in KINDS.items():
            if number == 0:
                # Read when the step is compiled, at its first call.
                resnet.max_pool = vgg.max_pool = pool
                steps[kind] = make_train_step(
                    detector, make_optimizer(optim), mesh, seed=0, skip_nonfinite=skip
                )
                states[kind] = new_state(config, variables, mesh)
            began = time.perf_counter()
            states[kind], scalars = steps[kind](states[kind], batch["image"], batch["label"], 1e-3)
            float(jax.device_get(scalars["loss"]))
            if number:
                seconds[kind].append(time.perf_counter() - began)
    for kind, taken in seconds.items():
        ratio = min(taken) / min(seconds["flax"])
        print(
            f"{name}, {side} px, batch {count}, {kind}: {min(taken) * 1e3:.1f} ms "
            f"(median {statistics.median(taken) * 1e3:.1f}), {ratio:.2f} of flax's"
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
