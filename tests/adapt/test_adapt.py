"""A detector is adapted to a new generator by a few images, and the old one stays as it is.

Its weights are written by hand: they see checkerboards and stripes, and the head knows the former.
"""

import dataclasses
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from jaxdet.adapt import fit
from jaxdet.adapt.__main__ import main
from jaxdet.adapt.adapt import find_refusal
from jaxdet.adapt.compare import compare
from jaxdet.adapt.features import Looker, Seen
from jaxdet.config import Model
from jaxdet.convert.architectures import shapes
from jaxdet.convert.card import Card, read_card
from jaxdet.convert.folder import Source, write_detector
from jaxdet.convert.load import LoadedWeights
from jaxdet.convert.rules import Coverage, nest
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.predict import load_detector
from jaxdet.scoring.pieces import Piece
from jaxdet.scoring.protocol import Protocol
from jaxdet.train.weights import sha256_of
from jaxdet.workdir.files import sha256
from tests.conftest import draw_image, exit_status, write_images
from tests.environment import importing

SIDE = 28
TOWER = f"dinov2_b14:size={SIDE},width=8,depth=2,heads=2,mlp=12"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of a small tower whose first two features are stripes and a checkerboard."""
    model = Model(name="linear_probe", tower=f"{TOWER},pool=mean")
    arrays = {place: np.zeros(shape, np.float32) for place, shape in shapes(model).items()}
    for place, array in arrays.items():
        array += place.endswith("scale")
    rows, columns = np.indices((14, 14))[..., None]
    kernel = arrays["params/vit/patch_embed/kernel"]
    for channel, pattern in enumerate((rows % 2, (rows + columns) % 2)):
        kernel[..., channel] = (pattern - 0.5) / 20
    # Beside these the normalisation has something that is always there.
    arrays["params/vit/patch_embed/bias"][2:4] = 1, -1
    arrays["params/head/kernel"][1], arrays["params/head/bias"][0] = 4, -4
    folder = tmp_path_factory.mktemp("weights")
    write_detector(
        folder, arrays, model=model, source=Source(file="hand", sha256=""),
        coverage=Coverage(used=(), ignored={}, replaced=()),
        card=Card(source="hand", sha256=sha256_of(nest(arrays)), protocol=Protocol(crop=SIDE)),
    )  # fmt: skip
    return folder


def write_new(folder, *, count=12, seed=50):
    """Images of a new generator, whose fakes have stripes, beside real ones."""
    write_images(folder, count=count, seed=seed)
    rng = np.random.default_rng(seed + 1)
    for path in sorted((folder / "1_fake").iterdir()):
        pixels = draw_image(rng, 40, fake=False)
        pixels[::2] -= np.minimum(pixels[::2], 12)
        Image.fromarray(pixels).save(path)
    return folder


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    return write_new(tmp_path_factory.mktemp("new") / "few")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A data root of generators that leave a checkerboard."""
    root = tmp_path_factory.mktemp("old")
    write_images(root / "val", count=12, seed=10)
    for number, name in enumerate(("alpha", "beta")):
        write_images(root / "test" / name, count=12, seed=20 + number)
    return root


def asked(weights, new, out, *more):
    return [
        f"--weights={weights}", f"--real={new / '0_real'}", f"--fake={new / '1_fake'}",
        f"--out={out}", *more,
    ]  # fmt: skip


def test_a_folder_takes_the_place_of_any_weights(weights, new, old, tmp_path, capsys):
    before = {path.name: sha256(path) for path in weights.iterdir()}
    held = write_new(tmp_path / "held", seed=90)
    options = [f"--check={old}", f"--test-real={held / '0_real'}", f"--test-fake={held / '1_fake'}"]
    for name in ("first", "again"):
        assert exit_status(main, *asked(weights, new, tmp_path / name, *options)) == 0
    printed = capsys.readouterr().out
    assert {path.name: sha256(path) for path in weights.iterdir()} == before
    base, first, again = map(load_detector, (weights, tmp_path / "first", tmp_path / "again"))
    assert first.digest == again.digest != base.digest
    assert f"digest {first.digest}" in printed
    adapted = first.card.adapted
    assert adapted["base"]["sha256"][:16] == base.digest
    assert [len(adapted["images"][label]) for label in ("real", "fake")] == [12, 12]
    assert adapted["kept"] == 24
    assert adapted["options"]["check"] == str(old)
    assert [row["name"] for row in adapted["rows"]] == [
        "new generator", "new generator", "alpha", "beta",
    ]  # fmt: skip
    assert first.protocol == Protocol(crop=SIDE)
    assert first.card.origin == "hand, adapted"
    assert (first.card.calibration.n_real, first.card.calibration.n_fake) == (24, 24)
    assert set(first.card.measured) == {"new generator", "alpha", "beta"}
    # What the table says of held-out images is what the folder answers.
    paths = sorted((held / "0_real").iterdir()) + sorted((held / "1_fake").iterdir())
    logits = first.score([np.asarray(Image.open(path)) for path in paths])
    accuracy = ((logits[:12] <= 0).mean() + (logits[12:] > 0).mean()) / 2
    figure = adapted["rows"][1]["figures"]["balanced_accuracy"]
    assert figure["after"] == pytest.approx(accuracy)
    assert figure["gain"] > 0.2
    assert figure["after_ci95"][0] <= figure["after"] <= figure["after_ci95"][1]
    # It is a base as any other; here there is nothing left to learn.
    assert exit_status(main, *asked(tmp_path / "first", held, tmp_path / "2", "--check=none")) == 1
    assert "nothing that was tried does better" in capsys.readouterr().err


def test_nothing_is_written_where_an_old_generator_loses(weights, new, old, tmp_path, capsys):
    contrary = tmp_path / "contrary" / "test" / "swapped"
    contrary.mkdir(parents=True)
    for ours, theirs in (("0_real", "1_fake"), ("1_fake", "0_real")):
        (contrary / ours).symlink_to(write_new(tmp_path / ours, seed=70) / theirs)
    out = tmp_path / "out"
    options = asked(weights, new, out, f"--check={contrary.parents[1]}")
    assert exit_status(main, *options) == 1
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("error")]
    assert "not written, since swapped loses" in line
    assert line.endswith("more than --loss=0.02")
    assert not out.exists()
    assert exit_status(main, *options, "--loss=1") == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda new: [p.unlink() for p in (new / "1_fake").iterdir()], "1_fake: holds no image"),
        (
            lambda new: [p.unlink() for p in sorted((new / "0_real").iterdir())[1:]],
            "0_real: holds 1 image; give 5 or more",
        ),
        (
            lambda new: (new / "1_fake/000.png").write_bytes(b"no image"),
            "1_fake/000.png: ",
        ),
        (
            lambda new: (
                (new / "0_real/000.png").rename(new / "0_real/x.png")
                and (new / "1_fake/000.png").write_bytes((new / "0_real/x.png").read_bytes())
            ),
            "1_fake/000.png: the same image as",
        ),
    ],
)
def test_folders_that_will_not_do_are_named(weights, tmp_path, change, says, capsys):
    new = write_new(tmp_path / "new", count=5)
    change(new)
    out = tmp_path / "out"
    assert exit_status(main, *asked(weights, new, out, "--check=none")) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert says in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "--check=DATA is missing"),
        (["--check=nowhere"], "--check=nowhere: no such folder or table"),
        (["--check=none", "--test-real=x"], "--test-real and --test-fake: give both or none"),
        (["--check=none", "--test-real={new}/0_real", "--test-fake={new}/1_fake"],
         "is among the images to adapt to"),
        (["--check=none", "--out={new}/0_real/out"], "lies in"),
        (["--check=none", "--out={new}"], "exists already"),
        (["--check=none", "--loss=2"], "--loss"),
    ],
)  # fmt: skip
def test_mistakes_of_the_line_are_one_line(weights, new, tmp_path, more, says, capsys):
    more = [one.format(new=new) for one in more]
    assert exit_status(main, *asked(weights, new, tmp_path / "out", *more)) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert says in line


@pytest.mark.slow
def test_a_kill_leaves_nothing_and_the_next_start_does_it(weights, new, old, tmp_path):
    out = tmp_path / "place" / "out"
    command = [sys.executable, "-m", "jaxdet.adapt", *asked(weights, new, out, f"--check={old}")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=importing()) as process:
        while not list(out.parent.glob(".out.*.tmp")):
            assert process.poll() is None
            time.sleep(0.0005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    done = subprocess.run(command, capture_output=True, text=True, env=importing(), check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def look_at(model, variables, count=6, side=SIDE):
    loaded = LoadedWeights(model=model, variables=variables, source="w", crop=side)
    look = Looker(loaded, Protocol(crop=side))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    pieces = (Piece(number, image) for number, image in enumerate(images))
    return look, look(pieces, np.arange(count) % 2), images


def test_the_last_layer_behind_others_is_changed_as_asked():
    model = Model(name="rine", tower=TOWER, width=6, projection_layers=1)
    rng = np.random.default_rng(0)
    arrays = {p: rng.normal(0, 0.3, s) for p, s in shapes(model).items()}
    variables = nest({p: np.abs(a).astype(np.float32) for p, a in arrays.items()})
    look, seen, images = look_at(model, variables)
    detector = get_detector(model)
    np.testing.assert_allclose(seen.logit, detector.apply(variables, images), rtol=1e-3, atol=1e-4)
    weights = rng.normal(size=seen.features.shape[1])
    changed = detector.apply(look.changed(weights, 0.5), images)
    expected = seen.logit + seen.features @ weights + 0.5
    np.testing.assert_allclose(changed, expected, rtol=1e-3, atol=1e-3)


def test_a_network_without_such_a_layer_is_refused():
    model = Model(name="forensic_transfer", width=2)
    variables = nest({place: np.zeros(shape, np.float32) for place, shape in shapes(model).items()})
    with pytest.raises(UserError, match="forensic_transfer does not end in a linear layer"):
        look_at(model, variables, side=32)


def seen_of(rng, count, *, shift, axis, mark):
    """Images whose old logit is off by `shift`, and whose label shows along an axis."""
    label = np.repeat([0, 1], count)
    features = rng.normal(0, 0.3, (2 * count, 5))
    features[:, axis] += 2 * label - 1
    return Seen(
        label=label, logit=4 * features[:, 0] + shift, features=features,
        sharpness=np.ones(2 * count, np.float32),
        mark=np.array([f"{mark}{number}" for number in range(2 * count)]),
    )  # fmt: skip


def learned(few, kept):
    """The rows, each method's logits out of fold, and the number of the chosen one."""
    rows = fit.Rows.of(few, kept)
    logits = fit.out_of_fold(rows)
    every = np.ones(len(rows.logit), bool)
    return rows, logits, fit.choose(rows, logits, every, loss=0.02)


def test_a_threshold_is_enough_where_the_old_ranking_holds():
    rng = np.random.default_rng(0)
    few = seen_of(rng, 20, shift=-6, axis=0, mark="a")
    rows, logits, chosen = learned(few, None)
    assert fit.METHODS[chosen] == "threshold"
    accuracies = fit.accuracies(rows, logits, rows.is_new)
    assert accuracies[0] == 0.5
    assert accuracies[1] > 0.95


def test_a_head_learns_what_the_old_one_does_not_see_and_keeps_what_it_does():
    rng = np.random.default_rng(0)
    few = seen_of(rng, 20, shift=0, axis=1, mark="a")
    kept = seen_of(rng, 100, shift=0, axis=0, mark="b")
    rows, logits, chosen = learned(few, kept)
    assert fit.METHODS[chosen].startswith("head")
    new, old = (fit.accuracies(rows, logits, one) for one in (rows.is_new, ~rows.is_new))
    assert new[chosen] > 0.9 > new[1]
    assert old[chosen] > old[0] - 0.02
    every = np.ones(len(rows.logit), bool)
    change = fit.learn(rows, every)[chosen]
    weights, bias = rows.in_features(change)
    features = np.concatenate([few.features, kept.features])
    np.testing.assert_allclose(features @ weights + bias, rows.x @ change[:-1] + change[-1])
    crossed = fit.crossed(rows, logits, loss=0.02)
    assert ((crossed > 0) == rows.label)[: len(few)].mean() > 0.9


def test_a_label_that_shows_nowhere_gains_nothing_out_of_fold():
    """What is chosen by images would seem to gain on them; what the other folds choose does not."""
    gains = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        few = seen_of(rng, 50, shift=0, axis=0, mark="a")
        few = dataclasses.replace(few, label=rng.permutation(few.label))
        rows, logits, _ = learned(few, None)
        crossed = fit.crossed(rows, logits, loss=0.02)
        gains.append(((crossed > 0) == rows.label).mean() - ((rows.logit > 0) == rows.label).mean())
    assert np.mean(gains) < 0.04


def test_a_gain_that_may_be_chance_is_refused():
    label = np.repeat([0, 1], 10)
    before = np.where(np.arange(20) % 2, 1.0, -1.0)
    one, all_of_them = before.copy(), label * 2.0 - 1
    one[1] = -1
    for after, says in ((one, "it is not sure that the new generator gains"), (all_of_them, "")):
        row = compare("new generator", "out of fold", label, before, after)
        assert find_refusal(1, [row], loss=0.02).startswith(says)
        assert bool(find_refusal(1, [row], loss=0.02)) == bool(says)


def test_a_card_keeps_its_origin():
    card = Card(adapted={"method": "threshold", "base": {"sha256": "ab"}})
    again = read_card(dataclasses.asdict(card), place="card.json")
    assert again.adapted == card.adapted
    assert any("adapted to a few images" in line for line in card.limits())
