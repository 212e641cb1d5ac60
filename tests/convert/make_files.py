"""The files under tests/convert/files; `python -m tests.convert.make_files` needs torch 2.13."""

from collections import OrderedDict
from pathlib import Path

import torch

FOLDER = Path(__file__).parent / "files"


def tensors():
    """One of each kind; test_torch_read.py has the same in numpy."""
    base = torch.arange(60, dtype=torch.float32)
    found = OrderedDict(
        plain=torch.arange(12, dtype=torch.float32).view(3, 4) / 8,
        permuted=base.view(3, 4, 5).permute(2, 0, 1),
        every_third=base[7:20:3],
        half=torch.arange(5).half() / 4,
        bfloat16=torch.arange(5).bfloat16() / 4,
        double=torch.arange(4).double().view(2, 2) / 3,
        counter=torch.tensor(7),
        bytes=torch.arange(3, dtype=torch.uint8),
        truth=torch.tensor([True, False]),
        empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(torch.ones(2)),
    )
    found._metadata = {"": {"version": 1}}  # as Module.state_dict() has
    return found


def checkpoint():
    """As CNNDetection saves: the model behind DataParallel, the optimiser, the step."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    weights = torch.nn.DataParallel(model).state_dict()
    return {"model": weights, "optimizer": optimizer.state_dict(), "total_steps": 12}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind, is_zip in (("zip", True), ("stream", False)):
        save = {"_use_new_zipfile_serialization": is_zip}
        torch.save(tensors(), FOLDER / f"tensors_{kind}.pth", **save)
        torch.save(checkpoint(), FOLDER / f"checkpoint_{kind}.pth", **save)
        torch.save(torch.nn.ReLU(), FOLDER / f"module_{kind}.pth", **save)
