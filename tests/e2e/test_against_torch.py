"""An evaluation-only run, predict and torchvision on the same files, with the same weights."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxdet.convert.torch_write import write_torch
from jaxdet.results import Predictions, read_arrays
from tests.e2e.conftest import main_arguments
from tests.golden import torchvision as golden

CROP = 24


@pytest.fixture
def weights(tmp_path):
    write_torch(tmp_path / "w.pth", golden.state_dict("resnet18"))
    return tmp_path / "w.pth"


@pytest.fixture
def evaluated(finish, dataset, weights, tmp_path):
    """Path of each test image to its logit in an evaluation-only run."""
    arguments = main_arguments(dataset, tmp_path / "run", task="eval", model__width=64,
                               model__init=weights, augment__crop=CROP)  # fmt: skip
    status, _, err = finish("jaxdet.main", *arguments)
    assert status == 0, err
    logits = {}
    for file in sorted((tmp_path / "run" / "predictions").glob("*.npz")):
        rows = read_arrays(file, Predictions)
        folder = dataset / "test" / file.stem
        logits |= {str(folder / i): v for i, v in zip(rows.id, rows.logit, strict=True)}
    return logits


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max(abs(float(first[path]) - float(second[path])) for path in first)


def test_predict_gives_the_run_s_logits(finish, evaluated, weights, dataset, tmp_path):
    out = tmp_path / "o.json"
    status, _, err = finish(
        "jaxdet.predict", f"--weights={weights}", f"--crop={CROP}", f"--json={out}",
        dataset / "test",
    )  # fmt: skip
    assert status == 0, err
    predicted = {row["path"]: row["logit"] for row in json.loads(out.read_text())}
    assert largest_difference(predicted, evaluated) < 1e-5


def test_torchvision_gives_the_run_s_logits(evaluated, weights):
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    model = torchvision.models.resnet18(num_classes=1).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    steps = torchvision.transforms.Compose(
        [
            torchvision.transforms.CenterCrop(CROP),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    images = torch.stack([steps(Image.open(path).convert("RGB")) for path in evaluated])
    with torch.no_grad():
        logits = model(images)[:, 0].numpy()
    difference = np.abs(logits - np.array(list(evaluated.values()))).max()
    print(f"largest difference to torchvision {difference:.1e}")
    assert difference < 1e-4
