import numpy as np
import pytest
from PIL import Image

from jaxdet.config import Data, Runtime
from jaxdet.data.folder import load_set
from jaxdet.data.readers import evaluation_reader
from jaxdet.data.spectra import choose_images, choose_side, high_pass_magnitude
from jaxdet.datasets.makers.fit import FitSettings, fit, reconstruct
from jaxdet.datasets.makers.photos import cut_crops, find_photographs
from jaxdet.datasets.makers.synth import write_set
from jaxdet.errors import BadImageError
from jaxdet.evals.spectra import average_spectrum
from jaxdet.metrics import periodic_peaks
from tests.conftest import draw_image, write_images


def spectrum(images, crop=32, *, most=2000, skip=False, workers=2):
    read = evaluation_reader(Data(on_bad_image="skip" if skip else "stop"), images)
    runtime = Runtime(workers=workers)
    return average_spectrum(read, most=most, crop=crop, runtime=runtime, fingerprint="f")


@pytest.fixture(scope="module")
def photographs():
    """Crops of the built-in photographs: those to train on and 40 others."""
    found = find_photographs(None, seed=0, size=32)
    return (
        cut_crops(found["train"], count=48, size=32, seed=(0, 0)).images,
        cut_crops(found["test"], count=40, size=32, seed=(0, 1)),
    )


@pytest.mark.parametrize("upsampling", ["transposed4", "transposed3"])
def test_transposed_convolutions_leave_peaks_that_their_reals_lack(
    upsampling, photographs, tmp_path
):
    train, test = photographs
    settings = FitSettings(upsampling, steps=40, seed=0)
    variables = fit(train, settings=settings, say=lambda line: None)
    fake = reconstruct(test.images, variables=variables, settings=settings)
    write_set(tmp_path / "set", real=test, fake=fake)
    found = spectrum(load_set(tmp_path / "set", name="set"))
    real, fakes = periodic_peaks(found.real), periodic_peaks(found.fake)
    print(upsampling, real, fakes)
    # Two layers of stride 2: a period of 2 pixels from the last, of 4 from both.
    assert _has_trace(fakes, real)
    assert not _has_trace(real, real)
    # No third layer, and no stride of 3.
    assert max(fakes[3], fakes[8]) < 1.3


def test_reals_against_reals_have_no_peaks(photographs, tmp_path):
    _, test = photographs
    others = test.images[np.random.default_rng(0).permutation(len(test.images))[:20]]
    for label, images in (("0_real", test.images), ("1_fake", others)):
        (tmp_path / label).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / label / f"{number}.png")
    found = spectrum(load_set(tmp_path, name="set"))
    real, others_peaks = periodic_peaks(found.real), periodic_peaks(found.fake)
    assert not _has_trace(others_peaks, real)
    assert not _has_trace(real, others_peaks)


def _has_trace(peaks, beside):
    """Whether periods of 2 and 4 pixels stand out of their surroundings, and more than beside."""
    return all(peaks[period] > 1.5 * max(1, beside[period]) for period in (2, 4))


def test_the_high_pass_is_the_grey_image_less_its_median():
    grey = draw_image(np.random.default_rng(0), 16, True)[..., 0]
    found = high_pass_magnitude(np.repeat(grey[..., None], 3, axis=-1))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(grey, 2, mode="edge"), (5, 5))
    rest = grey - np.median(windows, axis=(2, 3))
    np.testing.assert_allclose(found, np.fft.fftshift(np.abs(np.fft.fft2(rest))), atol=0.01)
    assert np.unravel_index(found.argmax(), found.shape) == (0, 0)  # the checkerboard


def test_grey_is_rec_601_of_bgr():
    dots = np.zeros((16, 16), np.uint8)
    dots[::4, ::4] = 200  # too few for a median to keep any
    peaks = []
    for channel in range(3):
        image = np.zeros((16, 16, 3), np.uint8)
        image[..., channel] = dots
        peaks.append(high_pass_magnitude(image)[0, 0] / (16 * 200))
    np.testing.assert_allclose(peaks, [0.114, 0.587, 0.299], atol=0.003)


def test_means_over_each_label_whatever_the_workers(dataset):
    images = load_set(dataset / "test" / "alpha", name="alpha")
    found = spectrum(images, 24)
    assert (found.n_real, found.n_fake, found.n_small) == (7, 7, 0)
    crops = [images.read(i, max_pixels=10**6)[8:32, 8:32] for i in range(14)]
    each = np.stack([high_pass_magnitude(np.ascontiguousarray(c)) for c in crops])
    np.testing.assert_allclose(found.real, each[images.labels == 0].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.fake, each[images.labels == 1].mean(0), rtol=1e-5)
    inline = spectrum(images, 24, workers=0)
    assert np.array_equal(inline.fake, found.fake)
    assert found.fake.dtype == np.float32


def test_many_images_are_thinned_out_evenly(tmp_path):
    for name in "ab":
        write_images(tmp_path / name, count=10, size=16)
    images = load_set(tmp_path, name="set")
    chosen = [images.ids[i] for i in choose_images(images, most=4)]
    assert chosen == [
        f"{name}/{label}/{number:03d}.png"
        for name in "ab"
        for label in ("0_real", "1_fake")
        for number in (0, 5)
    ]
    assert choose_images(images, most=100).tolist() == list(range(40))
    found = spectrum(images, 16, most=3)
    assert (found.n_real, found.n_fake) == (3, 3)


def test_the_side_is_what_nine_in_ten_images_reach(tmp_path):
    write_images(tmp_path / "a", count=9, size=(50, 45))
    write_images(tmp_path / "b", count=1, size=20)
    images = load_set(tmp_path, name="set")
    every = range(len(images))
    assert choose_side(images, every, crop=30) == 24
    assert choose_side(images, every, crop=64) == 40
    assert choose_side(images, [i for i in every if images.ids[i][0] == "b"], crop=64) == 16
    found = spectrum(images, 64)
    assert (found.real.shape, found.n_real, found.n_fake, found.n_small) == ((40, 40), 9, 9, 2)


def test_unreadable_images_are_left_out_where_they_may_be(dataset):
    folder = dataset / "test" / "gamma"
    for number in range(2):
        (folder / "1_fake" / f"00{number}.png").write_text("no image")
    images = load_set(folder, name="gamma")
    found = spectrum(images, 24, skip=True)
    assert (found.n_real, found.n_fake, found.n_small) == (2, 0, 0)
    assert np.isnan(found.fake).all()
    with pytest.raises(BadImageError, match="1_fake"):
        spectrum(images, 24)
