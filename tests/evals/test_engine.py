import copy
import dataclasses
import functools
import json
import os
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Augment, Config, Data, Evaluation, Model, Optim, Runtime
from jaxdet.data.folder import FolderSet, load_set
from jaxdet.data.images import ImageSet
from jaxdet.data.ops import center_crop
from jaxdet.data.readers import evaluation_reader
from jaxdet.data.sources import open_root
from jaxdet.data.table import groups
from jaxdet.errors import RunFailedError
from jaxdet.evals import engine as engine_module
from jaxdet.evals.engine import Engine
from jaxdet.evals.two_shot import to_crop_scores
from jaxdet.evals.views import chain_names, further_views, headline
from jaxdet.models.detector import get_detector
from jaxdet.predict import LoadedDetector
from jaxdet.predict.rows import Scoring, score_files
from jaxdet.results import RunFolder
from jaxdet.runtime.mesh import make_mesh
from jaxdet.scoring import batches
from jaxdet.scoring import rows as rows_module
from jaxdet.scoring.rows import ROW, gather, to_predictions
from tests.conftest import draw_image, write_images
from tests.data.table_files import structs, write_parquet

MODEL = Model(name="resnet18", width=8, zero_init_residual=False)
CONFIG = Config(
    data=Data(on_bad_image="skip"),
    augment=Augment(crop=32),
    model=MODEL,
    optim=Optim(batch_size=4),
    evaluation=Evaluation(resize=40, two_shot=2, two_shot_crops=6),
    runtime=Runtime(workers=2),
)
SCORED = CONFIG.resolved_evaluation
VIEWS = {
    name: headline(dataclasses.replace(SCORED, protocols=(name,)))
    for name in ("crop", "full", "resize", "five_crops", "ten_crops")
}

DEGRADED = dict(
    zip(("step", "chain"), further_views(dataclasses.replace(SCORED, chains=("long:30+jpeg:40",)),
                                         seed=0), strict=True)
)  # fmt: skip

SHAPES = [(32, 32), (32, 64), (64, 64), (384, 512)]


@pytest.fixture(scope="module")
def detector():
    return get_detector(MODEL)


@pytest.fixture(scope="module")
def variables(detector):
    """Random weights, without compiling what draws them."""
    rng = np.random.default_rng(2)
    shapes = jax.eval_shape(functools.partial(detector.init, size=32), jax.random.key(0))

    def fill(path, leaf):
        name = path[-1].key
        if name == "kernel":
            return rng.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape).astype(np.float32)
        return np.full(leaf.shape, name in ("scale", "var"), np.float32)

    return jax.tree_util.tree_map_with_path(fill, shapes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine images of several sizes, one of them in tiles, and one that is unreadable."""
    folder = tmp_path_factory.mktemp("sizes")
    rng = np.random.default_rng(0)
    sizes = [(40, 40), (50, 61), (24, 50), (20, 33)]
    for fake, label in enumerate(("0_real", "1_fake")):
        (folder / label).mkdir()
        for number, size in enumerate(sizes):
            pixels = draw_image(rng, size, bool(fake))
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    Image.fromarray(draw_image(rng, (700, 3000), True)).save(folder / "1_fake" / "large.png")
    (folder / "0_real" / "bad.png").write_text("no image")
    return folder


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    """Four pieces a batch: a set of ten images has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_MAX_BATCH", 4)
        patch.setattr(batches, "_CROP_PIXELS", 2**18)
        yield


@pytest.fixture(scope="module")
def make_engine(detector, variables):
    """Engines that share what was compiled for as many devices."""

    @functools.cache
    def compiled(devices):
        run, mesh = RunFolder(None), make_mesh(devices)
        return Engine(
            SCORED, detector, variables, weights="d", seed=0, runtime=CONFIG.runtime, run=run,
            mesh=mesh,
        )  # fmt: skip

    def make(path, *, devices=1, **other):
        engine = copy.copy(compiled(devices))
        for name, value in {"run": RunFolder(path), **other}.items():
            setattr(engine, name, value)
        return engine

    return make


def reader(images):
    return evaluation_reader(CONFIG.data, images)


class CountedSet(FolderSet):
    """Tells which images were read, and is interrupted when it is told to be."""

    reads: list
    end_after: int | None = None

    def read(self, index, **options):
        if self.end_after is not None and len(self.reads) >= self.end_after:
            raise KeyboardInterrupt
        self.reads.append(index)
        return super().read(index, **options)


def counted(folder):
    images = CountedSet(name="set", folder=folder, files=load_set(folder, name="set").files)
    object.__setattr__(images, "reads", [])
    return images


def test_whole_images_have_the_logits_of_the_predict_command(
    folder, make_engine, variables, tmp_path
):
    images = load_set(folder, name="set")
    got = make_engine(tmp_path).predictions(reader(images), VIEWS["full"], tmp_path / "a.npz")
    assert got.skipped.tolist() == ["0_real/bad.png"]
    assert got.id.tolist() == [i for i in images.ids if i != "0_real/bad.png"]
    paths = [folder / name for name in got.id]
    detector = LoadedDetector(MODEL, variables)
    rows = score_files(detector, paths, Scoring.of(detector, crop="none"))
    np.testing.assert_allclose(got.logit, [row["logit"] for row in rows], atol=1e-5)
    assert np.ptp(got.logit) > 1e-3


@pytest.mark.parametrize("crops", ["five_crops", "ten_crops"])
def test_crops_are_the_mean_of_predict_on_each(crops, folder, make_engine, variables, tmp_path):
    images, view = load_set(folder, name="set"), VIEWS[crops]
    got = make_engine(tmp_path).predictions(reader(images), view, tmp_path / "a.npz")
    detector = LoadedDetector(MODEL, variables)
    for name, logit in zip(got.id, got.logit, strict=True):
        rgb = np.asarray(Image.open(folder / name).convert("RGB"))
        # Each smaller image in black to the size of the crop, each side by itself.
        height, width = (max(side, 32) for side in rgb.shape[:2])
        padded = np.zeros((height, width, 3), np.uint8)
        top, left = (height - rgb.shape[0]) // 2, (width - rgb.shape[1]) // 2
        padded[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
        five = [padded[:32, :32], padded[:32, -32:], padded[-32:, :32], padded[-32:, -32:]]
        five.append(center_crop(rgb, size=32))
        every = five if crops == "five_crops" else [*five, *(one[:, ::-1] for one in five)]
        assert logit == pytest.approx(detector.score(every, crop="none").mean(), abs=1e-5)


@pytest.mark.parametrize("name", ["five_crops", "resize"])
def test_four_devices_give_the_logits_of_one(folder, make_engine, tmp_path, name):
    images = load_set(folder, name="set")
    one, four = (
        make_engine(tmp_path / str(n), devices=n).predictions(
            reader(images), VIEWS[name], tmp_path / f"{n}.npz"
        )
        for n in (1, 4)
    )
    np.testing.assert_allclose(one.logit, four.logit, atol=1e-5)
    assert np.array_equal(one.sharpness, four.sharpness)


@pytest.mark.parametrize("name", [*VIEWS, "chain"])
def test_an_interrupted_set_goes_on_and_no_image_is_scored_twice(
    folder, make_engine, tmp_path, monkeypatch, capsys, name
):
    view = {**VIEWS, **DEGRADED}[name]
    whole = make_engine(tmp_path).predictions(
        reader(load_set(folder, name="set")), view, tmp_path / "whole.npz"
    )
    monkeypatch.setattr(rows_module, "KEEP_EVERY", 0.0)
    # In line, so that exactly what was scored was read.
    path, inline = tmp_path / "cut.npz", Runtime(workers=0)
    reads, told = [], []
    for end_after in (9, None):
        images = counted(folder)
        object.__setattr__(images, "end_after", end_after)
        try:
            got = make_engine(tmp_path, runtime=inline).predictions(reader(images), view, path)
        except KeyboardInterrupt:
            assert not path.exists()
        reads.append(images.reads)
        told.append(capsys.readouterr().err)
    (line,) = [line for line in told[1].splitlines() if "going on after" in line]
    kept = int(line.split("after ")[1].split()[0])
    assert kept >= 2
    # What the first start scored is not read by the second, and all others are, once. Where images
    # go in order, the unreadable one among the first has no row, but was looked at.
    seen = kept + view.is_one_crop
    assert len(reads[1]) == len(set(reads[1])) == 10 - seen
    assert sorted({*reads[0], *reads[1]}) == list(range(10))
    for field in dataclasses.fields(whole):
        assert np.array_equal(getattr(got, field.name), getattr(whole, field.name)), field.name
    assert not list(tmp_path.glob(".cut*"))


@pytest.mark.parametrize("name", ["crop", "full"])
def test_a_set_that_only_lacks_its_file_is_not_read_again(
    folder, make_engine, tmp_path, monkeypatch, name
):
    def interrupt(path, record):
        raise KeyboardInterrupt

    monkeypatch.setattr(rows_module, "KEEP_EVERY", 0.0)
    images, path = load_set(folder, name="set"), tmp_path / "a.npz"
    with monkeypatch.context() as patch:
        patch.setattr(engine_module, "write_arrays", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_engine(tmp_path).predictions(reader(images), VIEWS[name], path)
    images = counted(folder)
    assert len(make_engine(tmp_path).predictions(reader(images), VIEWS[name], path).id) == 9
    # An unreadable image has no row to tell that it was looked at.
    assert images.reads == ([images.ids.index("0_real/bad.png")] if name == "full" else [])


def test_scores_that_are_there_are_not_computed_again(folder, make_engine, tmp_path, capsys):
    path = tmp_path / "a.npz"
    for view in VIEWS.values():
        make_engine(tmp_path).predictions(reader(load_set(folder, name="set")), view, path)
        images = counted(folder)
        again = make_engine(tmp_path).predictions(reader(images), view, path)
        assert images.reads == []
        assert f"set ({view.name}): 9 images, scores are there already" in capsys.readouterr().err
        assert len(again.id) == 9


@pytest.mark.parametrize("compare", ["times", "bytes"])
def test_a_file_of_the_same_size_in_the_place_of_another_is_scored_anew(
    make_engine, tmp_path, compare
):
    folder = write_images(tmp_path / "s", count=3, suffix="bmp")
    path, view = tmp_path / "a.npz", VIEWS["crop"]
    runtime = dataclasses.replace(CONFIG.runtime, compare_images=compare)
    engine = make_engine(tmp_path, runtime=runtime)
    before = engine.predictions(reader(load_set(folder, name="s")), view, path)
    replaced = folder / "1_fake" / "001.bmp"
    times, size = os.stat(replaced), replaced.stat().st_size
    Image.new("RGB", (40, 40)).save(replaced)
    assert replaced.stat().st_size == size
    if compare == "bytes":
        os.utime(replaced, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = engine.predictions(reader(load_set(folder, name="s")), view, path)
    noted = json.loads((tmp_path / "scoring.json").read_text())
    assert [one["fingerprint"] for one in noted] == [before.fingerprint, after.fingerprint]
    assert [one["start"] for one in noted] == [1, 1]
    make_engine(tmp_path).predictions(reader(load_set(folder, name="t")), view, tmp_path / "t.npz")
    assert json.loads((tmp_path / "scoring.json").read_text())[-1]["start"] == 2
    changed = np.flatnonzero(before.logit != after.logit)
    assert before.id[changed].tolist() == ["1_fake/001.bmp"]
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    again = engine.predictions(reader(load_set(copy, name="s")), view, path)
    assert (again.fingerprint == after.fingerprint) is (compare == "bytes")


def test_each_view_has_its_fingerprint(folder, make_engine, tmp_path):
    evaluation = dataclasses.replace(
        SCORED, protocols=("crop", "full"), blur_sigmas=(1.5, 2), jpeg_qualities=(65,),
        noise_sigmas=(1.5,), scales=(1.5,), chains=("long:30+jpeg:40", "jpeg:65+blur:2"),
    )  # fmt: skip
    views = [headline(evaluation), *further_views(evaluation, seed=0)]
    names = [view.name for view in views]
    assert names == [
        "crop",
        "full",
        "blur-1.5",
        "blur-2",
        "jpeg-65",
        "scale-1.5",
        "noise-1.5",
        "long-30",
        "long-30+jpeg-40",
        "jpeg-65+blur-2",
    ]
    assert [view.kind for view in views] == [
        "protocol", "protocol", "blur", "blur", "jpeg", "scale", "noise", "long", "chain", "chain",
    ]  # fmt: skip
    assert [view.level for view in views[:4]] == [None, None, 1.5, 2.0]
    assert chain_names(evaluation) == {
        "long:30+jpeg:40": ["long-30", "long-30+jpeg-40"],
        "jpeg:65+blur:2": ["jpeg-65", "jpeg-65+blur-2"],
    }
    images = load_set(folder, name="set")
    found = [
        make_engine(tmp_path).predictions(reader(images), view, tmp_path / f"{i}.npz")
        for i, view in enumerate(views)
    ]
    assert len({one.fingerprint for one in found}) == len(views)
    assert len({one.logit.tobytes() for one in found}) == len(views)
    assert all(one.id.tolist() == found[0].id.tolist() for one in found)


def test_a_view_is_known_by_what_its_scores_follow_from():
    def known(name, seed=0, **changed):
        evaluation = dataclasses.replace(SCORED, protocols=(name,), noise_sigmas=(2,), **changed)
        noisy, *_ = further_views(evaluation, seed=seed)
        return headline(evaluation).identity, noisy.identity

    assert known("crop") == known("crop", resize=99, batch_size=99, bootstrap=9)
    assert known("crop")[0] != known("crop", crop=99)[0]
    assert known("resize")[0] != known("resize", resize=99)[0]
    # The crop of whole images is that of the evidence.
    assert known("full") == known("full", crop=99)
    assert known("crop")[0] == known("crop", seed=1)[0]
    assert known("crop")[1] != known("crop", seed=1)[1]
    assert len({known(name) for name in VIEWS}) == len(VIEWS)


def test_shapes_are_compiled_once_each(folder, make_engine, tmp_path, capsys):
    engine = make_engine(tmp_path)
    images = load_set(folder, name="set")
    engine.predictions(reader(images), VIEWS["full"], tmp_path / "a.npz")
    engine.predictions(reader(images), VIEWS["five_crops"], tmp_path / "b.npz")
    engine.say_shapes()
    # Two sizes of images, the tiles, the crops; one number of rows for each.
    rows = {(h, w): min(4, batches.batch_pixels("cpu") // (h * w)) for h, w in SHAPES}
    assert engine._scorer.shapes == {(n, h, w, 3) for (h, w), n in rows.items()}
    assert engine._scorer._step._cache_size() == len(SHAPES)
    assert f"{len(SHAPES)} shapes compiled, peak memory" in capsys.readouterr().err


def test_crop_scores_are_of_drawn_images_and_stay(folder, make_engine, tmp_path):
    images = counted(folder)
    rows = make_engine(tmp_path).predictions(reader(images), VIEWS["crop"], tmp_path / "a.npz")
    shots = make_engine(tmp_path).crop_scores(reader(images), rows)
    assert shots.logit.shape == (4, 6)
    assert shots.label.tolist() == [0, 0, 1, 1]
    assert len(set(shots.id)) == 4
    assert np.ptp(shots.logit, axis=1).max() > 1e-4
    images.reads.clear()
    again = make_engine(tmp_path).crop_scores(reader(images), rows)
    assert images.reads == []
    assert np.array_equal(again.logit, shots.logit)
    fresh = make_engine(tmp_path, seed=1).crop_scores(reader(images), rows)
    assert not np.array_equal(fresh.logit, shots.logit)


def made(*, images, pieces, of):
    rows = np.zeros(len(images), ROW)
    rows["image"], rows["piece"], rows["of"], rows["share"] = images, pieces, of, 1 / np.array(of)
    return rows


@pytest.mark.parametrize(
    ("images", "pieces", "of", "says"),
    [
        ([0, 1, 1], [0, 0, 0], [1, 1, 1], "not scored exactly once"),  # twice
        ([0, 1], [0, 0], [1, 2], "not scored exactly once"),  # in part
        ([0, 1, 1], [0, 0, 0], [1, 2, 2], "not scored exactly once"),  # one half twice
        ([0], [0], [1], "1 images were not scored"),
        ([0, 2], [0, 0], [1, 1], "2 scores for 2 images"),
    ],
)
def test_every_image_counts_once(tmp_path, images, pieces, of, says):
    given: ImageSet = load_set(write_images(tmp_path / "s", count=1), name="s")
    rows = made(images=images, pieces=pieces, of=of)
    with pytest.raises(RunFailedError, match=says):
        to_predictions(given, rows, skip_bad=False, fingerprint="")


@pytest.mark.parametrize(
    ("pieces", "logit", "says"),
    [
        ([0, 0], [1.0, 1.0], r"crops of 1_fake/000.png were not scored once"),
        ([0], [1.0], r"crops of 1_fake/000.png were not scored once"),
        ([0, 1], [1.0, np.nan], r"crop of 1_fake/000.png is not finite"),
    ],
)
def test_every_crop_counts_once(tmp_path, pieces, logit, says):
    given = load_set(write_images(tmp_path / "s", count=1), name="s")
    n = len(pieces)
    rows = made(images=[0, 0] + [1] * n, pieces=[0, 1, *pieces], of=[2] * (2 + n))
    rows["logit"][2:] = logit
    with pytest.raises(RunFailedError, match=says):
        to_crop_scores(given, np.array([0, 1]), rows, fingerprint="")


def test_one_host_has_all_rows():
    rows = made(images=[0, 1], pieces=[0, 0], of=[1, 1])
    assert gather(rows) is rows


@pytest.mark.parametrize("view", [VIEWS["crop"], VIEWS["full"], DEGRADED["step"]])
def test_sets_in_the_same_row_groups_are_scored_in_one_pass(
    make_engine, tmp_path, monkeypatch, view
):
    """Three generators and shared real images, mixed row by row: each group is read once."""
    rows = 24
    columns = {
        "image": structs(rows, damaged=(5,)),
        "label": [int(n % 4 > 0) for n in range(rows)],
        "generator": [("real", "sd", "flux", "sdxl")[n % 4] for n in range(rows)],
    }
    root = open_root(str(write_parquet(tmp_path / "t.parquet", columns, group=4)))
    sets = [reader(root.load(f"test/{n}", name=f"b.{n}")) for n in root.categories("test")]
    assert [one.images.name for one in sets] == ["b.flux", "b.sd", "b.sdxl"]
    monkeypatch.setattr(groups, "_GROUPS", groups.Groups(1))
    alone = {
        one.images.name: make_engine(tmp_path / "1").predictions(
            one, view, tmp_path / "1" / f"{one.images.name}.npz"
        )
        for one in sets
    }
    reads = []
    read_group = groups.read_group
    monkeypatch.setattr(groups, "_GROUPS", groups.Groups(2**20))
    monkeypatch.setattr(
        groups, "read_group", lambda *given: reads.append(given[1]) or read_group(*given)
    )
    engine = make_engine(tmp_path / "2", runtime=Runtime(workers=0))
    engine.score_mixed(sets, view, lambda name: tmp_path / "2" / f"{name}.npz")
    assert sorted(reads) == list(range(6))
    assert not list((tmp_path / "2").rglob(".*part*"))
    for one in sets:
        name = one.images.name
        found = engine.predictions(one, view, tmp_path / "2" / f"{name}.npz")
        assert found.fingerprint == alone[name].fingerprint
        assert found.id.tolist() == alone[name].id.tolist()
        assert found.skipped.tolist() == alone[name].skipped.tolist()
        np.testing.assert_allclose(found.logit, alone[name].logit, atol=1e-5)
    assert len(reads) == 6
