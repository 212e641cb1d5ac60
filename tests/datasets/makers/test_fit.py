import numpy as np
import pytest

from jaxdet.datasets.makers.fit import FitSettings, draw_patches, fit, reconstruct
from jaxdet.errors import RunFailedError


@pytest.fixture(scope="module")
def crops():
    """Smooth colours: a ramp in each channel with a phase of its own, u8 [12, 32, 32, 3]."""
    phase = np.random.default_rng(0).uniform(0, 6, (12, 1, 1, 3))
    y, x = np.mgrid[:32, :32] / 8
    wave = np.sin(y[None, :, :, None] + x[None, :, :, None] * phase / 6 + phase)
    return np.rint(127.5 + 90 * wave).astype(np.uint8)


def small(steps):
    return FitSettings("pixelshuffle", steps=steps, seed=0, channels=8, batch_size=4)


def mean_error(real, fake):
    return np.abs(fake.astype(float) - real).mean()


@pytest.mark.slow
def test_training_brings_the_fakes_near_the_reals(crops):
    errors = []
    for steps in (1, 200):
        settings = small(steps)
        variables = fit(crops, settings=settings, say=lambda line: None)
        errors.append(mean_error(crops, reconstruct(crops, variables=variables, settings=settings)))
    assert 0 < errors[1] < errors[0] / 2


@pytest.mark.slow
def test_the_fake_of_a_gray_crop_is_gray(crops):
    settings = small(2)
    variables = fit(crops, settings=settings, say=lambda line: None)
    mixed = np.concatenate([crops[:1], np.repeat(crops[1:2, ..., :1], 3, axis=-1)])
    fake = reconstruct(mixed, variables=variables, settings=settings)
    assert [np.ptp(f, axis=-1).max() == 0 for f in fake] == [False, True]


def test_batches_do_not_change_the_fakes(crops):
    settings = small(2)
    variables = fit(crops, settings=settings, say=lambda line: None)
    whole, parts = (
        reconstruct(crops, variables=variables, settings=settings, batch_size=n) for n in (12, 5)
    )
    assert np.abs(whole.astype(int) - parts).max() <= 1  # one level: sums in another order


def test_patches_are_taken_from_the_crops(crops):
    settings = FitSettings("nearest", steps=1, seed=0, patch=16, batch_size=5)
    patches = draw_patches(crops, settings=settings, rng=np.random.default_rng(0))
    assert patches.shape == (5, 16, 16, 3)
    assert patches.dtype == np.uint8
    assert patches.std() > 10


def test_a_loss_that_is_not_finite_ends_the_run(crops):
    settings = FitSettings("pixelshuffle", steps=8, seed=0, channels=4, peak_rate=float("nan"))
    with pytest.raises(RunFailedError, match="pixelshuffle"):
        fit(crops, settings=settings, say=lambda line: None)
