"""Runs the same step in PyTorch, as published and as fast as it goes. Needs the extra `torch`."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jaxdet.bench.reference import AUGMENT, ENDLESS, WORKERS, PublishedDataset
from jaxdet.bench.stepper import Ready, Settings, make_batch
from jaxdet.bench.torch_resnet import ResNet50
from jaxdet.config import Config, Data
from jaxdet.data.folder import FolderSet
from jaxdet.data.splits import load_train_and_val
from jaxdet.models.imagenet import IMAGENET_MEAN, IMAGENET_STD

_RATE = 1e-4


def prepare(settings: Settings) -> Ready:
    """Builds the network, makes one step and tells how long that took."""
    place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = _Trainer(settings, place)
    wait = torch.cuda.synchronize if place.type == "cuda" else lambda: None
    began = time.perf_counter()
    trainer.step()
    wait()
    facts = {
        "first_step_seconds": round(time.perf_counter() - began, 2),
        "versions": {"torch": torch.__version__},
        "platform": place.type,
    }
    memory = torch.cuda.max_memory_allocated if place.type == "cuda" else lambda: None
    return Ready(step=trainer.step, wait=wait, facts=facts, traced=traced, memory=memory)


@contextlib.contextmanager
def traced(folder: Path) -> Iterator[None]:
    """Profiles the body by PyTorch and writes `trace.json` in the format of Chrome."""
    with torch.profiler.profile() as profile:
        yield
    folder.mkdir(parents=True, exist_ok=True)
    profile.export_chrome_trace(str(folder / "trace.json"))


class _Trainer:
    """Trains ResNet-50 by Adam, on one batch or on those of a loader."""

    def __init__(self, settings: Settings, place: torch.device):
        self.place = place
        self.fast = settings.way == "torch_fast"
        self.autocast = torch.autocast(
            place.type, torch.bfloat16, enabled=self.fast and settings.dtype == "bfloat16"
        )
        layout = torch.channels_last if self.fast else torch.contiguous_format
        self.network = ResNet50(settings.width).to(place, memory_format=layout).train()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=_RATE)
        image, label = make_batch(settings)
        self.image = torch.from_numpy(image).to(place).permute(0, 3, 1, 2)
        self.image = self.image.contiguous(memory_format=layout)
        self.label = torch.from_numpy(label).to(place).float()
        self.loaded = _loaded(settings) if settings.root else None
        self.mean, self.std = (
            torch.tensor(255 * values, dtype=torch.float32, device=place)[:, None, None]
            for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        self.loss = torch.compile(self._loss) if self.fast else self._loss

    def _loss(self) -> torch.Tensor:
        pixels = self.image
        if self.loaded is None:
            pixels = (pixels.float() - self.mean) / self.std
        with self.autocast:
            logits = self.network(pixels)
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), self.label)

    def step(self) -> None:
        """Runs forward, backward and Adam; on a new batch where there is a loader."""
        if self.loaded is not None:
            # The published loader normalises on the host.
            image, label = next(self.loaded)
            self.image, self.label = image.to(self.place), label.to(self.place).float()
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()


def _loaded(settings: Settings) -> Iterator[Any]:
    """Returns batches without end, f32 [B, 3, H, W] and i64 [B].

    PyTorch's DataLoader makes them, as CNNDetection has it.
    """
    images, _ = load_train_and_val(Config(data=Data(root=settings.root)))
    assert isinstance(images, FolderSet)
    augment = dataclasses.replace(AUGMENT, crop=settings.size)
    dataset = PublishedDataset(images=images, augment=augment, seed=0, length=ENDLESS)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=settings.batch_size, num_workers=WORKERS
    )
    return iter(loader)
