import jax
import numpy as np
import pytest

from jaxdet.config import Model, Runtime
from jaxdet.data.folder import load_set
from jaxdet.data.loaders import EvalLoader
from jaxdet.data.ops import center_crop, laplacian_variance
from jaxdet.data.readers import Reader
from jaxdet.errors import RunFailedError
from jaxdet.models.detector import get_detector
from jaxdet.runtime.mesh import make_mesh, put_replicated
from jaxdet.scoring.launch import make_score_step
from jaxdet.scoring.sets import predict

RUNTIME = Runtime(workers=2)


@pytest.fixture(scope="module")
def detector():
    return get_detector(Model(name="resnet18", width=8))


@pytest.fixture(scope="module")
def variables(detector):
    return detector.random(2, size=32)


def score(folder, detector, variables, *, batch_size=4, devices=1, skip=False):
    mesh = make_mesh(devices)
    read = Reader(images=load_set(folder, name="set"), max_pixels=10**6, skip_bad=skip)
    return predict(
        EvalLoader(read=read, crop=32, batch_size=batch_size),
        make_score_step(detector, mesh),
        put_replicated(mesh, variables),
        mesh=mesh,
        runtime=RUNTIME,
    )


@pytest.mark.parametrize(("batch_size", "devices"), [(4, 1), (8, 4), (16, 2)])
def test_each_image_is_scored_once_whatever_the_batch(
    dataset, detector, variables, batch_size, devices
):
    folder = dataset / "test" / "beta"
    got = score(folder, detector, variables, batch_size=batch_size, devices=devices)
    images = load_set(folder, name="set")
    assert got.id.tolist() == list(images.ids)
    assert got.label.tolist() == images.labels.tolist()
    assert got.logit.dtype == np.float32
    read = Reader(images=images, max_pixels=10**6, skip_bad=False)
    bgr = [center_crop(read(i), size=32) for i in range(len(images))]
    crops = np.stack(bgr)[..., ::-1].copy()
    np.testing.assert_allclose(got.logit, detector.apply(variables, crops), atol=1e-4)
    np.testing.assert_allclose(got.sharpness, [laplacian_variance(c) for c in crops], rtol=1e-6)
    assert got.category.tolist() == ["x"] * 6 + ["y"] * 8


def test_unreadable_images_are_left_out_and_listed(dataset, detector, variables):
    folder = dataset / "test" / "alpha"
    before = score(folder, detector, variables)
    (folder / "1_fake" / "002.png").write_text("no image")
    after = score(folder, detector, variables, skip=True)
    assert after.skipped.tolist() == ["1_fake/002.png"]
    kept = before.id != "1_fake/002.png"
    assert after.id.tolist() == before.id[kept].tolist()
    assert np.array_equal(after.logit, before.logit[kept])


def test_a_score_that_is_not_finite_ends_the_evaluation(dataset, detector, variables):
    broken = jax.tree.map(np.copy, variables)
    broken["params"]["fc"]["bias"][:] = np.nan
    with pytest.raises(RunFailedError, match=r"0_real/000.png is not finite"):
        score(dataset / "test" / "alpha", detector, broken)
