"""Each architecture, from each kind of file, through each subcommand."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.config import Model
from jaxdet.convert.__main__ import main
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.files import read_state_dict
from jaxdet.convert.rules import to_torch
from jaxdet.convert.torch_write import write_torch
from tests.convert.stream import write_stream

WRITERS = {
    "zip.pth": write_torch,
    "stream.pth": write_stream,
    "plain.safetensors": lambda path, state: save_file(dict(state), path),
}


def state_dict(name):
    rng = np.random.default_rng(0)

    def fill(place, shape):
        if place.endswith("kernel"):
            return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        return rng.uniform(0.3, 0.9, shape)

    found = shapes(Model(name=name, width=4))
    arrays = {place: fill(place, shape).astype(np.float32) for place, shape in found.items()}
    return to_torch(arrays, table=TABLES[name])


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("name", TABLES)
def test_there_and_back_bit_by_bit(name, file, tmp_path):
    source, back = state_dict(name), tmp_path / f"back-{file}"
    WRITERS[file](tmp_path / file, source)
    main(["to-jax", f"--arch={name}", str(tmp_path / file), str(tmp_path / "jax")])
    main(["to-torch", str(tmp_path / "jax"), str(back)])
    found = read_state_dict(back)
    assert list(found) == list(source) or file.endswith("safetensors")
    assert found.keys() == source.keys()
    for key, value in source.items():
        assert found[key].dtype == value.dtype
        assert found[key].tobytes() == value.tobytes()


@pytest.mark.parametrize("name", TABLES)
def test_check_and_export_agree_with_the_source(name, tmp_path):
    source, folder, program = (tmp_path / n for n in ("w.safetensors", "jax", "program"))
    save_file(state_dict(name), source)
    main(["to-jax", str(source), str(folder)])
    main(["check", "--size=32", "--images=2", str(source), str(folder)])
    noted = json.loads((folder / "coverage.json").read_text())["check"]
    assert noted["largest_logit_difference"] == 0
    assert noted["images"] == 2
    main(["export", "--size=32", str(folder), str(program)])
    assert (
        json.loads((program / "card.json").read_text())["check"]["largest_logit_difference"] < 1e-4
    )
    main(["check", "--size=32", "--images=3", str(source), str(program)])
    assert json.loads((program / "card.json").read_text())["check"]["images"] == 3


def test_a_check_that_fails_is_noted_too(tmp_path):
    source, other, folder = (tmp_path / n for n in ("w.safetensors", "o.safetensors", "jax"))
    save_file(state_dict("resnet18"), source)
    changed = state_dict("resnet18")
    changed["fc.bias"] = changed["fc.bias"] + np.float32(1)
    save_file(changed, other)
    main(["to-jax", str(source), str(folder)])
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--size=32", str(other), str(folder)])
    assert stopped.value.code == 1
    noted = json.loads((folder / "coverage.json").read_text())["check"]
    assert noted["largest_logit_difference"] == pytest.approx(1)


@pytest.mark.parametrize("content", ['{"mine": 1}', "[1, 2]"])
def test_a_file_of_the_user_beside_weights_is_left_alone(tmp_path, content):
    weights = tmp_path / "w.safetensors"
    save_file(state_dict("resnet18"), weights)
    beside = tmp_path / "w.safetensors.json"
    beside.write_text(content)
    main(["check", "--size=32", str(weights), str(weights)])
    assert beside.read_text() == content
