import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import skimage.data
from skimage.feature import graycomatrix

from jaxdet.models.frontends.cooccurrence import cooccurrence
from jaxdet.models.frontends.dct import dct2, log_dct2
from jaxdet.models.frontends.residuals import neighbouring_pixels, third_differences
from jaxdet.models.frontends.scaling import MinMax, Standard
from jaxdet.models.frontends.spectrum import scaled_spectrum
from jaxdet.models.pixels import pairs_of_levels


def pictures(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (1, 7, 12, 1), (1, 224, 224, 3)])
def test_dct_is_scipy_s(shape):
    image = pictures(*shape).astype(np.float32)
    expected = scipy.fft.dctn(image.astype(np.float64), axes=(1, 2), norm="ortho")
    rounding = 2e-6 * np.abs(expected).max()
    np.testing.assert_allclose(dct2(image), expected, atol=rounding)
    found = log_dct2(image)
    large = np.abs(expected) > 1000 * rounding  # of smaller ones the logarithm tells the rounding
    np.testing.assert_allclose(found[large], np.log(np.abs(expected[large])), atol=1e-3)


def test_min_and_max_are_of_all_images_and_channels_seen_in_training():
    scaler, rng = MinMax(), np.random.default_rng(0)
    batches = [rng.normal(0, 10, (4, 5, 6, 3)).astype(np.float32) for _ in range(3)]
    stats = scaler.init(jax.random.key(0), batches[0], train=True)
    np.testing.assert_array_equal(scaler.apply(stats, batches[0], train=False), batches[0])
    for number, batch in enumerate(batches):
        found, stats = scaler.apply(stats, batch, train=True, mutable=["batch_stats"])
        seen = np.concatenate(batches[: number + 1])
        low, high = seen.min((0, 3))[..., None], seen.max((0, 3))[..., None]
        np.testing.assert_allclose(found, (batch - low) / (high - low), atol=1e-5)
    # Scoring moves nothing, and goes beyond 0..1 where training never was.
    beyond = scaler.apply(stats, 100 * batches[0], train=False)
    assert beyond.max() > 1.5
    assert beyond.min() < -0.5


def test_mean_and_deviation_are_those_of_all_measured_images_whatever_the_batches():
    scaler, rng = Standard(), np.random.default_rng(0)
    images = rng.normal(3, 2, (10, 4, 5, 3)).astype(np.float32)
    images[:, 0, 0] = 7  # never changes
    stats = scaler.init(jax.random.key(0), images)
    for batch in np.split(images, [1, 4, 9]):
        # A row that pads the batch is left out.
        padded = np.concatenate([batch, np.full((1, 4, 5, 3), 1e3, np.float32)])
        valid = np.arange(len(padded)) < len(batch)
        _, stats = scaler.apply(stats, padded, measured=valid, mutable=["batch_stats"])
    deviation = images.std(0)
    deviation[0, 0] = 1
    expected = (images - images.mean(0)) / deviation
    np.testing.assert_allclose(scaler.apply(stats, images), expected, atol=1e-5)


def test_spectrum_is_scaled_by_the_percentiles_of_each_channel_of_each_image():
    image = pictures(2, 32, 24, 3).astype(np.float32) / 255
    image[1] *= 0.1
    found = np.asarray(scaled_spectrum(image))
    for row in range(2):
        for channel in range(3):
            power = np.log(np.abs(np.fft.fft2(image[row, ..., channel])) + 1e-3)
            low, high = np.percentile(power, [5, 95])
            expected = np.clip(2 * (power - low) / (high - low) - 1, -1, 1)
            np.testing.assert_allclose(found[row, ..., channel], expected, atol=1e-4)


def test_spectrum_of_a_black_image_is_finite():
    assert np.all(scaled_spectrum(np.zeros((1, 8, 8, 3), np.float32)) == -1)


@pytest.mark.parametrize("offset", [1, 5])
def test_cooccurrence_is_scikit_image_s_and_a_plain_loop_s(offset):
    image = pictures(2, 9, 14, 3) // 16 * 15
    found = np.asarray(cooccurrence(image, offset=offset))
    for row in range(2):
        for channel in range(3):
            grey = image[row, ..., channel]
            expected = graycomatrix(grey, [offset], [0], symmetric=True, normed=True)[..., 0, 0]
            np.testing.assert_allclose(found[row, ..., channel], expected, atol=1e-7)
    counts = np.zeros((256, 256))
    for line in image[0, ..., 0]:
        for left, right in zip(line[:-offset], line[offset:], strict=True):
            counts[left, right] += 1
            counts[right, left] += 1
    np.testing.assert_allclose(found[0, ..., 0], counts / counts.sum(), atol=1e-7)


@pytest.mark.parametrize("side", [64, 256])
def test_matrices_of_a_photograph_reach_the_network_about_as_large_as_one(side):
    photograph = skimage.data.astronaut()[None, :side, :side]
    root_mean_square = np.sqrt(np.mean(np.square(pairs_of_levels(photograph, jnp.float32))))
    assert 0.25 < root_mean_square < 4


@pytest.mark.parametrize("side", [(8, 6), (7, 9)])
def test_npr_is_its_formula(side):
    image = pictures(1, *side, 3).astype(np.float32)
    height, width = side[0] // 2 * 2, side[1] // 2 * 2
    found = np.asarray(neighbouring_pixels(image))
    assert found.shape == (1, height, width, 3)
    for y in range(height):
        for x in range(width):
            expected = (image[0, y, x] - image[0, y - y % 2, x - x % 2]) * 2 / 3
            np.testing.assert_allclose(found[0, y, x], expected, rtol=1e-6)


def test_third_differences_vanish_on_parabolas_and_are_six_on_cubes():
    y, x = np.mgrid[0:8, 0:9].astype(np.float32)
    parabola = (2 * y**2 + x * 3 + 1)[None, ..., None]
    np.testing.assert_allclose(third_differences(parabola), np.zeros((1, 5, 6, 2)), atol=1e-4)
    cube = third_differences((y**3)[None, ..., None])
    # The filter (1, -3, 3, -1) is minus the third difference, which is 3! for a cube.
    np.testing.assert_allclose(cube[..., 0], np.full((1, 5, 6), -6 / 32), atol=1e-4)
    np.testing.assert_allclose(cube[..., 1], np.zeros((1, 5, 6)), atol=1e-4)
    assert jnp.all(jnp.isfinite(third_differences(pictures(1, 16, 16, 3).astype(np.float32))))
