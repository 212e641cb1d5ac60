import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from jaxdet.config import Runtime
from jaxdet.data.augment import Blur, blur
from jaxdet.data.augment.operation import apply_within
from jaxdet.data.disturb import Chain, Disturbance
from jaxdet.data.folder import load_set
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.ops import center_crop
from jaxdet.data.pipeline import open_batches
from jaxdet.data.readers import Reader
from jaxdet.scoring.loader import PieceLoader
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, cut
from jaxdet.scoring.protocol import Protocol
from tests.conftest import draw_image

LEVELS = {"blur": 1.7, "jpeg": 40, "scale": 0.8, "noise": 7.0}


def define(kind, rgb, index, *, seed=5):
    """Each disturbance of a whole image by its definition, without our operations."""
    level = LEVELS[kind]
    if kind == "blur":
        planes = [ndimage.gaussian_filter(rgb[..., c], sigma=level) for c in range(3)]
        return np.stack(planes, axis=-1)
    if kind == "jpeg":
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, format="jpeg", quality=level)
        return np.asarray(Image.open(file).convert("RGB"))
    if kind == "scale":
        size = [round(side * level) for side in rgb.shape[1::-1]]
        return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))
    counter = np.array([0, index, 0, 5], np.uint64)
    noise = np.random.Generator(np.random.Philox(key=seed, counter=counter)).standard_normal(
        rgb.shape, np.float32
    )
    # Drawn in the order of the array, which is BGR.
    return np.clip(np.rint(rgb + np.float32(level) * noise[..., ::-1]), 0, 255).astype(np.uint8)


def disturbance(kind):
    return Disturbance(kind=kind, level=float(LEVELS[kind]), seed=5)


@pytest.mark.parametrize("kind", LEVELS)
def test_a_disturbance_is_its_definition(kind, monkeypatch):
    rgb = draw_image(np.random.default_rng(1), (2100, 77), True)
    monkeypatch.setattr(blur, "_MANY_LEVELS", rgb.size - 1)  # in several strips
    got = disturbance(kind).operation(3).apply(rgb[..., ::-1].copy())[..., ::-1]
    assert np.array_equal(got, define(kind, rgb, 3))
    assert not np.array_equal(got, rgb)


def test_noise_is_that_of_the_seed_and_the_place():
    image = np.full((64, 64, 3), 128, np.uint8)

    def noisy(seed, index):
        noise = Disturbance(kind="noise", level=5.0, seed=seed)
        return noise.operation(index).apply(image)

    one = noisy(1, 4)
    assert np.array_equal(one, noisy(1, 4))
    others = [noisy(1, 5), noisy(2, 4)]
    assert all(np.corrcoef(one.ravel(), o.ravel())[0, 1] < 0.05 for o in others)
    assert np.std(one.astype(float)) == pytest.approx(5.0, rel=0.05)


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("resize", [0, 36])
def test_crops_are_those_of_the_disturbed_image(dataset, kind, resize):
    images = load_set(dataset / "test" / "beta", name="beta")
    read = Reader(images=images, max_pixels=10**6, skip_bad=False)
    loader = EvalLoader(read=read, crop=32, batch_size=16, resize=resize, disturb=disturbance(kind))
    batch = loader(0)
    for index in range(len(images)):
        whole = define(kind, np.ascontiguousarray(read(index)[..., ::-1]), index)
        if resize:
            height, width = whole.shape[:2]
            short = min(height, width)
            size = [resize if s == short else int(resize * s / short) for s in (width, height)]
            whole = np.asarray(Image.fromarray(whole).resize(size, Image.Resampling.BILINEAR))
        assert np.array_equal(batch["image"][index], center_crop(whole, size=32))


@pytest.mark.parametrize("kind", LEVELS)
@pytest.mark.parametrize("parts", ["full", "five_crops", "ten_crops", "crop"])
def test_pieces_are_those_of_the_disturbed_image(dataset, kind, parts):
    images = load_set(dataset / "test" / "beta", name="beta")
    read = Reader(images=images, max_pixels=10**6, skip_bad=False)
    load = PieceLoader(read=read, protocol=Protocol(parts, 32), disturb=disturbance(kind))
    plain = PieceLoader(read=read, protocol=Protocol(parts, 32))
    for index in (0, 7):  # smaller than the crop in one direction, and larger
        whole = define(kind, np.ascontiguousarray(read(index)[..., ::-1]), index)
        pieces = load(index)
        assert sum(p.share for p in pieces) == pytest.approx(1)
        if parts == "full":
            assert np.array_equal(pieces[0].pixels, whole)
        else:
            assert len(pieces) == {"five_crops": 5, "ten_crops": 10, "crop": 1}[parts]
            last = pieces[-1].pixels[:, ::-1] if parts == "ten_crops" else pieces[-1].pixels
            assert np.array_equal(last, center_crop(whole, size=32))
        assert not np.array_equal(pieces[0].pixels, plain(index)[0].pixels)


def chain(rgb, *, long, quality):
    """The longer side shrunk where it is longer, then JPEG, without our operations."""
    factor = long / max(rgb.shape)
    if factor < 1:
        size = [round(side * factor) for side in rgb.shape[1::-1]]
        rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format="jpeg", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("long", [30, 4000])
def test_a_chain_is_its_steps_in_their_order(dataset, long):
    steps = [Disturbance(kind="long", level=long), Disturbance(kind="jpeg", level=40)]
    read = Reader(images=load_set(dataset / "test" / "beta", name="b"), max_pixels=10**6,
                  skip_bad=False)  # fmt: skip
    disturb = Chain(tuple(steps))
    batch = EvalLoader(read=read, crop=32, batch_size=16, disturb=disturb)(0)
    pieces = PieceLoader(read=read, protocol=Protocol("full", 32), disturb=disturb)
    for index in (0, 7):
        rgb = np.ascontiguousarray(read(index)[..., ::-1])
        whole = chain(rgb, long=long, quality=40)
        assert max(whole.shape) == min(long, max(rgb.shape))
        assert np.array_equal(batch["image"][index], center_crop(whole, size=32))
        assert np.array_equal(pieces(index)[0].pixels, whole)


def test_steps_that_look_at_neighbours_alone_are_done_piece_by_piece(dataset):
    steps = tuple(Disturbance(kind="blur", level=level) for level in (0.7, 1.2))
    read = Reader(images=load_set(dataset / "test" / "beta", name="b"), max_pixels=10**6,
                  skip_bad=False)  # fmt: skip
    load = PieceLoader(read=read, protocol=Protocol("five_crops", 16), disturb=Chain(steps))
    rgb = np.ascontiguousarray(read(7)[..., ::-1])
    for step in steps:
        planes = [ndimage.gaussian_filter(rgb[..., c], sigma=step.level) for c in range(3)]
        rgb = np.stack(planes, axis=-1)
    assert np.array_equal(load(7)[-1].pixels, center_crop(rgb, size=16))


def test_an_image_costs_what_it_has_when_it_is_largest(dataset):
    read = Reader(images=load_set(dataset / "test" / "beta", name="b"), max_pixels=10**6,
                  skip_bad=False)  # fmt: skip
    steps = [Disturbance(kind=kind, level=level) for kind, level in
             (("scale", 3.0), ("jpeg", 50.0), ("scale", 0.5))]  # fmt: skip
    costs = [
        PieceLoader(read=read, protocol=Protocol("full", 32), disturb=disturb).cost(0)
        for disturb in (None, Chain(tuple(steps)))
    ]
    assert costs[1] == 9 * costs[0]


@pytest.mark.parametrize("protocol", [Protocol("crop", 24, 36), Protocol("full", 24, 16)])
def test_pieces_are_those_of_the_protocol_whoever_cuts_them(dataset, protocol):
    images = load_set(dataset / "test" / "beta", name="beta")
    read = Reader(images=images, max_pixels=10**6, skip_bad=False)
    for disturb in (None, disturbance("blur")):
        for index in (0, 7):
            image = read(index) if disturb is None else disturb.operation(index).apply(read(index))
            (piece,) = PieceLoader(read=read, protocol=protocol, disturb=disturb)(index)
            (expected,) = cut(image, owner=index, protocol=protocol)
            assert np.array_equal(piece.pixels, expected.pixels[..., ::-1])


def test_tiles_are_blurred_as_the_whole_image_is(tmp_path):
    rgb = draw_image(np.random.default_rng(2), (1000, MAX_WHOLE_PIXELS // 1000 + 9), True)
    for label in ("0_real", "1_fake"):
        (tmp_path / label).mkdir()
        Image.fromarray(rgb).save(tmp_path / label / "large.png", compress_level=0)
    read = Reader(images=load_set(tmp_path, name="s"), max_pixels=10**8, skip_bad=False)
    load = PieceLoader(read=read, protocol=Protocol("full", 32), disturb=disturbance("blur"))
    pieces = load(0)
    blurred = define("blur", rgb, 0)
    assert len(pieces) == 10
    columns = 5
    rows = [
        np.concatenate([p.pixels for p in pieces[i : i + columns]], axis=1)
        for i in range(0, len(pieces), columns)
    ]
    assert np.array_equal(np.concatenate(rows), blurred)
    # Nothing that waits keeps the whole image alive.
    assert all(p.pixels.base is None for p in pieces)


def test_a_part_at_each_edge_is_that_of_the_whole():
    image = draw_image(np.random.default_rng(3), (50, 60), True)
    whole = ndimage.gaussian_filter
    blurred = np.stack([whole(image[..., c], sigma=2.0) for c in range(3)], axis=-1)
    for top, left in ((0, 0), (0, 40), (30, 0), (30, 40), (15, 20)):
        box = slice(top, top + 20), slice(left, left + 20)
        assert np.array_equal(apply_within([Blur(sigma=2.0)], image, *box), blurred[box])
        assert np.array_equal(apply_within([], image, *box), image[box])


@pytest.mark.parametrize(
    ("batch_size", "workers", "kind"), [(4, 2, "threads"), (14, 1, "processes")]
)
def test_noise_does_not_depend_on_batches_or_workers(dataset, batch_size, workers, kind):
    images = load_set(dataset / "test" / "beta", name="beta")
    read = Reader(images=images, max_pixels=10**6, skip_bad=False)

    def crops(size, runtime):
        loader = EvalLoader(read=read, crop=32, batch_size=size, disturb=disturbance("noise"))
        with open_batches(loader, start=0, stop=loader.steps, runtime=runtime) as batches:
            return np.concatenate([np.array(b["image"])[b["valid"]] for b in batches])

    runtime = Runtime(workers=workers, worker_kind=kind)
    assert np.array_equal(crops(batch_size, runtime), crops(1, Runtime(workers=0)))
