import numpy as np
import pytest

from jaxdet.metrics import PERIODS, periodic_peaks


def spectrum(images):
    """Mean magnitudes of images f [N, S, S], frequency 0 in the middle."""
    return np.fft.fftshift(np.abs(np.fft.fft2(images)).mean(0))


def noise(side, *, count=200):
    """Noise with ridges along both axes, as photographs have them."""
    rng = np.random.default_rng(0)
    ridges = rng.normal(0, 0.5, (count, side, 1)) + rng.normal(0, 0.5, (count, 1, side))
    return rng.normal(0, 1, (count, side, side)) + ridges


@pytest.mark.parametrize("side", [32, 64, 96])
def test_noise_with_ridges_along_the_axes_has_no_peaks(side):
    found = periodic_peaks(spectrum(noise(side)))
    assert list(found) == list(PERIODS)
    np.testing.assert_allclose(list(found.values()), 1, atol=0.12)


@pytest.mark.parametrize("period", PERIODS)
def test_a_pattern_of_a_period_stands_out_there_and_at_its_divisors_alone(period):
    images = noise(96)
    # One bright pixel in each square: equal energy at every multiple of 1 / period.
    images[:, ::period, ::period] += period
    found = periodic_peaks(spectrum(images))
    for other, ratio in found.items():
        if period % other == 0:
            assert ratio > 3
        else:
            assert ratio == pytest.approx(1, abs=0.12)


def test_the_ratio_is_peak_over_surroundings():
    magnitude = np.full((64, 64), 2.0)
    for row, column in [(0, 0), (0, 32), (32, 0)]:  # 1/2 of both axes, frequency 0 at (32, 32)
        magnitude[row, column] = 2.0 * (1 + row + column)
    found = periodic_peaks(magnitude)
    assert found[2] == pytest.approx((1 + 33 + 33) / 3, rel=1e-6)
    assert [found[3], found[4], found[8]] == pytest.approx([1, 1, 1])


def test_a_period_that_does_not_divide_the_side_is_seen_all_the_same():
    images = noise(64)
    images[:, ::3, ::3] += 3
    found = periodic_peaks(spectrum(images))
    assert found[3] > 3
    assert [found[2], found[4], found[8]] == pytest.approx([1, 1, 1], abs=0.12)


def test_periods_that_the_side_cannot_show_are_left_out():
    assert list(periodic_peaks(np.ones((24, 24)))) == [2, 3, 4]
    assert list(periodic_peaks(np.ones((8, 8)))) == [2]


def test_blank_and_missing_images_have_no_peaks():
    assert set(periodic_peaks(np.zeros((32, 32))).values()) == {1.0}
    assert np.isnan(list(periodic_peaks(np.full((32, 32), np.nan)).values())).all()
