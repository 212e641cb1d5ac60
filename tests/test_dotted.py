"""Code of one's own, by package.module:Name: what is looked up, and how its faults end."""

import subprocess
import sys
import textwrap
import types
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Augment, Config, Model, Optim
from jaxdet.config.dotted import dotted_names, look_up_all, trust
from jaxdet.data.augment import Recipe
from jaxdet.data.order import Streams
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.models.outside import check_outside
from jaxdet.train import replay
from jaxdet.train.losses import get_objective
from jaxdet.workdir.files import write_json

MODULE = """
    import sys

    import flax.linen as nn
    import jax.numpy as jnp

    from jaxdet.models.architectures import Architecture
    from jaxdet.models.evidence import last_map


    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(1)(x.mean((1, 2)))[:, 0]

    class Column(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(1)(x.mean((1, 2)))

    class NoTrain(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(1)(x.mean((1, 2)))[:, 0]

    class Whole(nn.Module):
        @nn.compact
        def __call__(self, x, size=None, *, train):
            x = last_map(self, nn.Conv(2, (3, 3))(x))
            return nn.Dense(1)(x.mean((1, 2)))[:, 0]

    def net(model): return Net()
    def column(model): return Column()
    def no_train(model): return NoTrain()
    def nothing(model): return None
    def boom(model): raise KeyError("nothing\\nhere")
    def leave(model): sys.exit(0)

    sized = Architecture(build=net, any_size=True)
    located = Architecture(build=net, located=True)
    neither = Architecture(build=net)
    both = Architecture(build=lambda model: Whole(), any_size=True, located=True)

    def lossy(logit, label): raise KeyError("lossy")
    def none(logit, label): return None
    def whole_number(logit, label): return logit.sum().astype(int)
    def each(logit, label): return logit - label

    class Leaves:
        def __init__(self): sys.exit(0)
        def apply(self, image, rng): return image
"""

STREAMS = Streams(0, "train", 0, 0)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "own_leaves.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "own_free.py").write_text("def loss(logit, label): return 0.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("own_parts", "own_leaves", "own_free"):
        sys.modules.pop(name, None)


def trusted(**options):
    config = Config(
        model=Model(name=options.get("model", "resnet50")),
        optim=Optim(loss=options.get("loss", "")),
        augment=Augment(operations=("crop", *options.get("operations", ()))),
    )
    trust(*dotted_names(config))
    return config


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("column", "gives (4, 1), not logits [B]"),
        ("no_train", "fails in training: TypeError"),
        ("nothing", "fails in training: AttributeError"),
        ("boom", "own_parts:boom fails: KeyError"),
        ("leave", "own_parts:leave fails: SystemExit: 0"),
        ("sized", "set any_size=False in its Architecture"),
        ("located", "set located=False in its Architecture"),
    ],
)
def test_a_network_that_is_none_is_one_line_before_the_run(own, name, message):
    config = trusted(model=f"own_parts:{name}")
    with pytest.raises(UserError) as refusal:
        check_outside(Model(name=config.model.name, norm_groups=2), side=16)
    assert str(refusal.value).startswith(f"model.name: own_parts:{name} ")
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["net", "neither", "both"])
def test_a_network_that_is_one_passes(own, name):
    check_outside(trusted(model=f"own_parts:{name}").model, side=16)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lossy", "fails: KeyError: 'lossy'"),
        ("none", "fails: "),
        ("whole_number", "gives int32 (), not a floating-point scalar"),
        ("each", "gives float32 (4,), not a floating-point scalar"),
    ],
)
def test_a_loss_that_is_none_is_one_line(own, name, message):
    config = trusted(model="own_parts:net", loss=f"own_parts:{name}")
    detector = get_detector(config.model)
    loss = get_objective(detector.architecture, config.optim.loss)
    variables = detector.init(jax.random.key(0), size=16)
    image, label = jnp.zeros((4, 16, 16, 3), jnp.uint8), jnp.arange(4) % 2
    with pytest.raises(UserError) as refusal:
        jax.value_and_grad(
            lambda params: loss(
                detector, {**variables, "params": params}, image, label, jax.random.key(0)
            ),
            has_aux=True,
        )(variables["params"])
    assert f"optim.loss: own_parts:{name} {message}" in str(refusal.value)


def test_code_that_ends_the_process_does_not_end_it_as_if_all_were_done(own):
    with pytest.raises(UserError, match=r"own_leaves cannot be imported \(SystemExit: 0\)"):
        look_up_all(trusted(loss="own_leaves:loss"))
    with pytest.raises(UserError, match="own_parts:Leaves cannot be made: SystemExit: 0"):
        look_up_all(trusted(operations=["own_parts:Leaves"]))


def test_an_operation_that_gives_another_kind_of_array_is_told_its_type(own, monkeypatch):
    stub = types.SimpleNamespace(apply=lambda image, rng: jnp.asarray(image))
    monkeypatch.setitem(sys.modules, "own_jax", types.SimpleNamespace(Gives=stub))
    recipe = Recipe(trusted(operations=["own_jax:Gives"]).augment)
    with pytest.raises(
        UserError, match=r"own_jax:Gives gives ArrayImpl uint8 \(224, 224, 3\), not"
    ):
        recipe(np.zeros((230, 230, 3), np.uint8), STREAMS, out=np.zeros((224, 224, 3), np.uint8))


def test_code_is_known_by_its_file_in_a_folder_or_an_archive(own, monkeypatch):
    before = look_up_all(trusted(loss="own_free:loss"))["own_free:loss"]
    archive = own / "own.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(own / "own_free.py", "own_zipped.py")
    monkeypatch.syspath_prepend(str(archive))
    assert look_up_all(trusted(loss="own_zipped:loss"))["own_zipped:loss"] == before
    (own / "own_free.py").write_text("def loss(logit, label): return 1.0\n")
    assert look_up_all(trusted(loss="own_free:loss"))["own_free:loss"] != before


def test_code_without_a_file_is_refused(own):
    program = (
        "from jaxdet.config import Config, Optim\n"
        "from jaxdet.config.dotted import look_up_all, trust\n"
        "from jaxdet.errors import guard\n"
        "def loss(logit, label): return 0.0\n"
        "trust('__main__:loss')\n"
        "with guard(): look_up_all(Config(optim=Optim(loss='__main__:loss')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "optim.loss: __main__ has no file to know its code by" in done.stderr
    with pytest.raises(UserError, match="sys has no file to know its code by"):
        look_up_all(trusted(loss="sys:exit"))


def test_a_bundle_runs_the_code_it_names_only_where_asked(own, monkeypatch):
    (own / "own_replayed.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('imported').touch()\n"
        "class Same:\n    def apply(self, image, rng): return image\n"
    )
    config = {"augment": {"operations": ["crop", "own_replayed:Same"]}}
    write_json(own / replay.BUNDLE, {"config": config, "devices": 1, "step": 3})

    def assembled(config, *_, **__):
        Recipe(config.augment)
        return types.SimpleNamespace(checkpoints=types.SimpleNamespace(close=lambda: None))

    monkeypatch.setattr(replay, "load_train_and_val", lambda config: (None, None))
    monkeypatch.setattr(replay, "assemble", assembled)
    monkeypatch.setattr(replay, "_repeat", lambda parts, facts: facts["step"])
    with pytest.raises(UserError, match=r"code that a file names.*--run-code"):
        replay.replay(own)
    assert not (own / "imported").exists()
    assert replay.replay(own, run_code=True) == 3
    assert (own / "imported").exists()
