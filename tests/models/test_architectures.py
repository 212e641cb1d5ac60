import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.config.model import ARCHITECTURES
from jaxdet.errors import UserError
from jaxdet.models import pixels
from jaxdet.models.architectures import check_sides
from jaxdet.models.detector import get_detector

SIDE = 32


def images(n=4, side=SIDE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def made(name, *, side=SIDE, **options):
    detector = get_detector(Model(name=name, **{"width": 4, **options}))
    init = jax.jit(detector.init, static_argnames="size")
    return detector, init(jax.random.key(0), size=side)


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def shapes(name, *, side, **options):
    detector = get_detector(Model(name=name, **options))
    return jax.eval_shape(lambda: detector.init(jax.random.key(0), size=side))["params"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_an_architecture_claims_its_network_can(name):
    model = Model(name=name, width=4, tower="clip_l14:depth=1")
    detector = get_detector(model)
    side = detector.architecture.side(model) or 2 * SIDE
    variables = jax.eval_shape(lambda: detector.init(jax.random.key(0), size=side))
    batch = jax.ShapeDtypeStruct((2, side, side, 3), jnp.uint8)
    assert jax.eval_shape(detector.apply, variables, batch).shape == (2,)
    if detector.architecture.any_size:
        sizes = jax.ShapeDtypeStruct((2, 2), jnp.int32)
        assert jax.eval_shape(detector.apply, variables, batch, sizes).shape == (2,)
    if detector.architecture.located:
        assert jax.eval_shape(detector.evidence, variables, batch)[1].ndim == 3
    if detector.architecture.measured:
        valid = jax.ShapeDtypeStruct((2,), jnp.bool_)
        assert jax.eval_shape(detector.measure, variables, batch, valid).keys() == variables.keys()


# The others have tests of their own, or share all but their pixels with one of these.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["dct_log_resnet18", "dcgan", "cooccurrence", "forensic_transfer", "npr"]
)
def test_each_detector_gives_a_finite_logit_that_follows_the_image(name):
    detector, variables = made(name)
    logits = jax.jit(detector.apply)(variables, images())
    assert logits.shape == (4,)
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("resnet50", 23.51),  # 25.557 less the ImageNet head's 2.049 and with one logit
        ("resnet50_nodown", 23.51),
        ("npr", 1.44),  # Tan et al., CVPR 2024
    ],
)
def test_parameters_are_as_many_as_published(name, millions):
    assert count(shapes(name, side=64)) / 1e6 == pytest.approx(millions, abs=0.01)


def test_the_cooccurrence_network_flattens_to_the_published_12800():
    params = shapes("cooccurrence", side=64, width=32)
    assert params["fc1"]["kernel"].shape == (12800, 256)


def test_dcgan_has_four_halvings_and_no_normalisation_after_the_first():
    params = shapes("dcgan", side=128)
    assert params["fc"]["kernel"].shape == (8 * 8 * 512, 1)
    assert sorted(params) == ["bn1", "bn2", "bn3", "conv0", "conv1", "conv2", "conv3", "fc"]
    assert params["conv3"]["kernel"].shape == (4, 4, 256, 512)


def test_without_early_downsampling_maps_are_sixteen_times_as_large():
    network = get_detector(Model(name="resnet50_nodown", width=4)).network
    image = jnp.zeros((1, 64, 64, 3))

    def maps():
        variables = network.init(jax.random.key(0), image, train=False)
        return network.apply(variables, image, train=False, mutable=["intermediates"])[1]

    assert jax.eval_shape(maps)["intermediates"]["layer4"][0].shape == (1, 8, 8, 128)


@pytest.mark.slow
def test_npr_scores_images_of_odd_sizes_in_one_array_as_by_themselves():
    detector, variables = made("npr")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 27, 40, 3), dtype=np.uint8)
    around = rng.integers(0, 256, (1, 32, 64, 3), dtype=np.uint8)
    around[:, :27, :40] = image
    size = np.array([[27, 40]], np.int32)
    apply = jax.jit(detector.apply)
    alone = apply(variables, image)
    np.testing.assert_allclose(apply(variables, around, size), alone, rtol=1e-4, atol=1e-5)


def test_zhang_reads_blue_first():
    image = images(1)
    seen = pixels.symmetric_bgr(image, jnp.float32)
    np.testing.assert_allclose(seen[..., 0], image[..., 2] / 127.5 - 1, atol=1e-6)
    spectrum = pixels.spectrum_bgr(image, jnp.float32)
    only_blue = image * np.array([0, 0, 1], np.uint8)
    np.testing.assert_allclose(
        spectrum[..., 0], pixels.spectrum_bgr(only_blue, jnp.float32)[..., 0], atol=1e-6
    )


@pytest.mark.slow
def test_measured_statistics_change_scores_and_training_leaves_them():
    detector, variables = made("dct_log_resnet18")
    measured = jax.jit(detector.measure)(variables, images(8), np.ones(8, bool))
    assert float(measured["batch_stats"]["scaler"]["count"]) == 8
    apply = jax.jit(detector.apply)
    assert np.abs(apply(measured, images()) - apply(variables, images())).max() > 0
    _, updated = jax.jit(detector.apply_train)(measured, images(), rng=jax.random.key(0))
    for name, value in updated["scaler"].items():
        np.testing.assert_array_equal(value, measured["batch_stats"]["scaler"][name])


@pytest.mark.slow
def test_training_moves_the_bounds_of_dct_coefficients():
    detector, variables = made("dct_resnet18")
    _, updated = jax.jit(detector.apply_train)(variables, images(), rng=jax.random.key(0))
    seen = detector.residual(variables, images())
    np.testing.assert_allclose(updated["scaler"]["max"], seen.max((0, 3)), rtol=1e-6)
    np.testing.assert_allclose(updated["scaler"]["min"], seen.min((0, 3)), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["npr", "dcgan", pytest.param("spectrum_resnet34", marks=pytest.mark.slow)]
)
def test_evidence_is_there_where_the_network_looks_at_the_image(name):
    detector, variables = made(name)
    logits, maps = jax.jit(detector.evidence)(variables, images())
    np.testing.assert_allclose(logits, jax.jit(detector.apply)(variables, images()), atol=1e-5)
    assert np.isfinite(maps).all() == (name != "spectrum_resnet34")


def test_sides_that_an_architecture_does_not_take_are_refused():
    check_sides(Model(name="dcgan"), trained=128, scored=128, whole=False)
    check_sides(Model(name="npr"), trained=32, scored=33, whole=True)
    for says, asked in (
        ("augment.crop=100: dcgan takes crops of multiples of 16, 16", ("dcgan", 100, 128, False)),
        ("evaluation.crop=31: vgg11 takes crops of 32 pixels", ("vgg11", 64, 31, False)),
        ("scores crops of the side it is trained on", ("dct_resnet18", 64, 96, False)),
        ("leave out 'full'", ("cooccurrence", 64, 64, True)),
    ):
        name, trained, scored, whole = asked
        with pytest.raises(UserError, match=says):
            check_sides(Model(name=name), trained=trained, scored=scored, whole=whole)
