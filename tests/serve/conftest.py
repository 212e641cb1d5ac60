import pytest
from safetensors.numpy import save_file

from tests.golden import torchvision


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A file of weights by formula: arithmetic, and no detector."""
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(torchvision.state_dict("resnet18"), path)
    return path
