"""A network, a loss and an operation in a module outside: trained, stopped, scored, predicted."""

import json
import signal
import sys

import numpy as np
import pytest
from PIL import Image

import jaxdet
from jaxdet.config.dotted import trust
from jaxdet.main import main
from jaxdet.results import Predictions, RunFolder, read_arrays, read_results
from tests.conftest import exit_status
from tests.e2e.conftest import main_arguments
from tests.e2e.watching import differences, logged, wait_for
from tests.environment import importing

MODULE = '''
import pathlib

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

pathlib.Path(__file__).with_name("imported").touch()


class Net(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.Conv(self.width, (3, 3), strides=2)(x))
        return nn.Dense(1)(x.mean((1, 2)))[:, 0]


def build(model):
    return Net(width=model.width)


def hinge(logit, label):
    return jnp.maximum(0, 1 - logit * (2 * label - 1)).mean()


class Gamma:
    """Changes the contrast by a power drawn anew for each image, of RGB pixels."""

    def apply(self, image, rng):
        power = rng.uniform(0.5, 2)
        return np.rint(255 * (image / 255) ** power).astype(np.uint8)


class Broken:
    def apply(self, image, rng):
        raise ValueError("no image today")


class Power:
    def __init__(self, power):
        self.power = power

    def apply(self, image, rng):
        return image


def each(logit, label):
    return logit - label


class Wider:
    def apply(self, image, rng):
        return np.concatenate([image, image], axis=1)
'''
NAMES = {
    "model__name": "own.code:build",
    "optim__loss": "own.code:hinge",
    "augment__operations": "blur,own.code:Gamma,jpeg,crop,flip",
}
OPTIONS = {**NAMES, "checkpoint__every_steps": 4}


@pytest.fixture
def own(tmp_path, monkeypatch):
    folder = tmp_path / "code"
    (folder / "own").mkdir(parents=True)
    (folder / "own" / "code.py").write_text(MODULE)
    (folder / "own" / "broken.py").write_text("import numpy\nnumpy.no_such_thing\n")
    monkeypatch.syspath_prepend(str(folder))
    for name in ("own", "own.code", "own.broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def test_own_code_trains_resumes_evaluates_and_predicts(dataset, tmp_path, own, command, finish):
    path = {"PYTHONPATH": importing(own)["PYTHONPATH"]}
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    status, _, err = finish("jaxdet.main", *main_arguments(dataset, whole.path, **OPTIONS), **path)
    assert status == 0, err
    arguments = main_arguments(dataset, stopped.path, **OPTIONS, runtime__worker_kind="processes")
    process = command("jaxdet.main", *arguments, **path)
    wait_for(process, lambda: logged(stopped, "train/loss"))
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1]
    assert process.returncode == 75
    status, _, err = finish("jaxdet.main", *arguments, **path)
    assert status == 0, err
    assert "going on from step" in err
    trust("own.code:build")
    assert differences(stopped, whole) == []
    env = json.loads(whole.env.read_text())
    assert set(env["outside"]) == {"own.code:build", "own.code:hinge", "own.code:Gamma"}

    # One answer: the run's, the command's and Python's; an evaluation alone, too.
    name = next(iter(read_results(whole.results).sets))
    rows = read_arrays(whole.predictions(name), Predictions)
    files = [dataset / "test" / name / one for one in rows.id.tolist()]
    out = tmp_path / "scores.json"
    given = ["--weights", whole.path, "--arch=own.code:build", "--json", out, *files]
    status, _, err = finish("jaxdet.predict", *given, **path)
    assert status == 0, err
    told = {row["path"]: row["logit"] for row in json.loads(out.read_text())}
    assert [told[str(file)] for file in files] == pytest.approx(rows.logit.tolist(), abs=1e-5)
    detector = jaxdet.load_detector(whole.path, arch="own.code:build")
    images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    assert detector.score(images).tolist() == pytest.approx(rows.logit.tolist(), abs=1e-5)
    evaluation = tmp_path / "evaluation"
    given = main_arguments(dataset, evaluation, **NAMES, model__init=whole.path, task="eval")
    status, _, err = finish("jaxdet.main", *given, **path)
    assert status == 0, err
    again = read_arrays(RunFolder(evaluation).predictions(name), Predictions)
    assert np.array_equal(again.logit, rows.logit)

    # No names of torch's are known of it; other code is noticed.
    given = ["to-torch", "--arch=own.code:build", whole.path, tmp_path / "w.pth"]
    status, _, err = finish("jaxdet.convert", *given, **path)
    assert status == 2, err
    assert "no table has torch's names of own.code:build" in err
    unfinished = RunFolder(tmp_path / "changed")
    given = main_arguments(dataset, unfinished.path, **OPTIONS, task="train", optim__max_epochs=1)
    status, _, err = finish("jaxdet.main", *given, **path)
    assert status == 0, err
    (own / "own" / "code.py").write_text(MODULE + "\n")
    more = main_arguments(dataset, unfinished.path, **OPTIONS, task="train", optim__max_epochs=2)
    status, _, err = finish("jaxdet.main", *more, "--accept-config-changes", **path)
    assert status == 0, err
    assert "code of own.code: " in unfinished.changes.read_text()

    # A file alone runs nothing.
    (own / "own" / "imported").unlink()
    for module, *given in (
        ("jaxdet.predict", "--weights", whole.path, files[0]),
        ("jaxdet.report", whole.path),
        ("jaxdet.convert", "export", whole.path, tmp_path / "program"),
        ("jaxdet.convert", "to-torch", whole.path, tmp_path / "w.pth"),
        ("jaxdet.main", *main_arguments(dataset, tmp_path / "e", task="eval",
                                        model__init=whole.path)),
    ):  # fmt: skip
        status, _, err = finish(module, *given, **path)
        assert not (own / "own" / "imported").exists(), module
        assert status == (0 if module == "jaxdet.report" else 2), err
        assert len(err.strip().splitlines()) <= 1, err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model__name": "own.code:None_"}, "model.name: own.code has no None_"),
        ({"model__name": "nowhere.at:all"}, "nowhere.at cannot be imported"),
        ({"model__name": "resnet50x"}, "model.name='resnet50x' is not one of"),
        ({"optim__loss": "hinge"}, "optim.loss='hinge' is not of the form package.module:Name"),
        ({"optim__loss": "own.code:pathlib"}, "cannot be called"),
        ({"augment__operations": "crop,own.code:hinge"}, "has no apply(image, rng)"),
        ({"augment__operations": "crop,own.code:Wider"}, "leaves 48x24 pixels"),
        ({"augment__operations": "crop,own.code:Power"}, "own.code:Power cannot be made"),
        ({"augment__operations": "crop,own.broken:Gamma"}, "own.broken cannot be imported"),
        ({"optim__loss": "own.code:each"}, "own.code:each gives float32 (8,), not a"),
        ({"augment__operations": "blur,jpeg"}, "augment.operations lacks crop"),
        ({"augment__operations": "crop,crop"}, "names one twice"),
        ({"augment__operations": "crop,resize"}, "resize stands behind crop"),
        ({"augment__operations": "crop,gamma"}, "'gamma' is not one of resize, rescale, blur"),
    ],
)
def test_a_name_that_is_wrong_is_one_line(dataset, tmp_path, own, capsys, options, message):
    given = main_arguments(dataset, tmp_path / "run", **options)
    assert exit_status(main, "main", *given) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_an_operation_that_fails_ends_the_command_in_one_line(dataset, tmp_path, own, finish):
    operations = "crop,own.code:Broken"
    given = main_arguments(dataset, tmp_path / "run", augment__operations=operations)
    status, _, err = finish("jaxdet.main", *given, PYTHONPATH=importing(own)["PYTHONPATH"])
    assert status == 2, err
    assert "own.code:Broken fails: ValueError: no" in err.strip().splitlines()[-1]
