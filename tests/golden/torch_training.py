"""How far float32 strays from float64 in four steps of ResNet-50: PyTorch's and ours.

`python -m tests.golden.torch_training` (needs the extra `torch`) trains on the batch of
`resnet50_train_64` in sixteen orders, which change rounding and nothing else, and prints the
relative deviations from the golden float64 figures. The bounds of tests/models/test_training.py
and the table in docs/evidence/conversion.md come from it.
"""

import jax
import numpy as np
import torch
from torch import nn

from jaxdet.bench.torch_resnet import ResNet50
from tests.golden import torchvision
from tests.models import test_training as ours

ORDERS = 16


def torch_steps(order):
    """Losses and gradient norms of four steps in float32."""
    model = ResNet50().train()
    state = torchvision.state_dict("resnet50")
    model.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    image = np.asarray(ours.normalise_as_torch(torchvision.images(8, 64)[order]))
    x = torch.tensor(image).permute(0, 3, 1, 2)
    label = torch.tensor(order % 2).float()
    scalars = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), label)
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
        scalars.append((loss.item(), norm.item()))
        optimizer.step()
    return np.array(scalars).T


def our_steps(order):
    return ours.train("float32", order)[:2]


def deviations(steps):
    """Relative to float64: [order, loss or norm, step]."""
    golden = np.array([ours.GOLDEN["losses"], ours.GOLDEN["grad_norms"]])
    orders = [np.arange(8)]
    orders += [np.random.default_rng(i).permutation(8) for i in range(1, ORDERS)]
    return np.abs([np.asarray(steps(order)) / golden - 1 for order in orders])


if __name__ == "__main__":
    print(f"PyTorch {torch.__version__}, JAX {jax.__version__}; largest and median of {ORDERS}")
    for who, steps in (("PyTorch", torch_steps), ("ours", our_steps)):
        found = deviations(steps)
        for what, place in (("loss", 0), ("gradient norm", 1)):
            part = found[:, place]
            print(f"{who} {what}: {part.max(0).round(5)} {np.median(part, 0).round(5)}")
