import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.datasets.makers.dip import DipSettings, make_prior, make_rate, summarise
from jaxdet.datasets.makers.hourglass import NOISE, Conv, Hourglass
from jaxdet.datasets.makers.progan import Generator
from jaxdet.runtime.mesh import batch_sharding, make_even_mesh

HOURGLASS = DipSettings(size=32, network="hourglass", levels=1, width=4, iterations=30, at_once=3)
PROGAN = DipSettings(size=32, width=8, iterations=30, at_once=3)


def fit(rows, target, *, steps, settings):
    mesh = make_even_mesh(len(rows))
    prior, target = make_prior(settings, mesh), jax.device_put(target, batch_sharding(mesh))
    state = prior.init(np.asarray(rows, np.int32))
    losses = []
    for _ in range(steps):
        state, loss = prior.update(state, target)
        losses.append(np.asarray(loss))
    return np.asarray(prior.draw(state)), np.stack(losses)


def photographs(count):
    rng = np.random.default_rng(0)
    coarse = rng.random((count, 4, 4, 3))
    return jnp.asarray(coarse.repeat(8, axis=1).repeat(8, axis=2), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [PROGAN, HOURGLASS], ids=["progan", "hourglass"])
def test_many_networks_at_once_draw_what_each_draws_alone(settings):
    target = photographs(3)
    together, losses = fit([0, 5, 9], target, steps=10, settings=settings)
    for place, row in enumerate([0, 5, 9]):
        alone, loss = fit([row], target[place : place + 1], steps=10, settings=settings)
        np.testing.assert_allclose(losses[:, place], loss[:, 0], rtol=1e-3)
        np.testing.assert_allclose(together[place], alone[0], atol=1e-2)
    assert (losses[-1] < 0.8 * losses[0]).all()
    assert not np.allclose(together[0], together[1], atol=0.05)


@pytest.mark.slow
def test_each_device_has_its_own_networks():
    mesh = make_even_mesh(6)
    assert mesh.size == 3  # of four devices
    prior = make_prior(PROGAN, mesh)
    state = prior.init(np.arange(6, dtype=np.int32))
    target = jax.device_put(np.asarray(photographs(6)), batch_sharding(mesh))
    step = prior.update.lower(state, target).compile()
    # No number goes from one to another.
    assert not re.search("all-|collective-|reduce-scatter", step.as_text())
    state, _ = prior.update(state, target)
    for leaf in jax.tree.leaves((state, prior.draw(state))):
        assert leaf.sharding.is_equivalent_to(batch_sharding(mesh), leaf.ndim)


def test_a_network_follows_from_its_row_and_the_seed():
    mesh = make_even_mesh(1)
    prior = make_prior(PROGAN, mesh)
    first, again = (prior.init(np.array([7], np.int32)) for _ in range(2))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, again))
    other = make_prior(replace(PROGAN, seed=1), mesh).init(np.array([7], np.int32))
    assert not np.allclose(first["noise"], other["noise"])


def test_convolution_is_that_of_jax_behind_reflected_borders():
    x = jax.random.normal(jax.random.key(0), (8, 8, 5))
    for strides in (1, 2):
        layer = Conv(4, 3, strides)
        variables = layer.init(jax.random.key(1), x)
        kernel = variables["params"]["kernel"].reshape(4, 3, 3, 5)
        padded = jnp.pad(x, ((1, 1), (1, 1), (0, 0)), mode="reflect")[None]
        want = jax.lax.conv_general_dilated(
            padded, kernel, (strides, strides), "VALID", dimension_numbers=("NHWC", "OHWI", "NHWC")
        )[0]
        got = layer.apply(variables, x)
        np.testing.assert_allclose(got, want + variables["params"]["bias"], rtol=1e-5, atol=1e-5)


def test_the_network_of_the_source_has_its_parameters():
    shape = jax.eval_shape(Hourglass().init, jax.random.key(0), jnp.zeros((64, 64, NOISE)))
    # What Ulyanov et al.'s denoising notebook prints for five levels of 128, skips of 4.
    assert sum(leaf.size for leaf in jax.tree.leaves(shape)) == 2_217_831


def test_the_generator_of_progan_has_its_parameters():
    shape = jax.eval_shape(Generator().init, jax.random.key(0), jnp.zeros(512))
    # 23.1 million, Karras et al., table 2, at 1024 pixels.
    assert sum(leaf.size for leaf in jax.tree.leaves(shape)) == 23_071_507


def test_the_generator_of_progan_is_its_layers():
    latent = jax.random.normal(jax.random.key(0), (16,))
    network = Generator(size=16, width=16)
    variables = network.init(jax.random.key(1), latent)
    layers = {name: dict(layer) for name, layer in variables["params"].items() if name != "bias"}

    def scaled(x):
        return x / np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + 1e-8)

    def active(x):
        return scaled(np.where(x > 0, x, 0.2 * x))

    def conv(x, layer):
        kernel = layer["kernel"].reshape(-1, 3, 3, x.shape[-1]) * np.sqrt(2 / (9 * x.shape[-1]))
        y = jax.lax.conv_general_dilated(
            x[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "OHWI", "NHWC")
        )[0]
        return active(np.asarray(y) + layer["bias"])

    # Gain sqrt(2) / 4 of the first layer, over the root of 16 inputs.
    first = layers["Equalised_0"]["kernel"] @ scaled(latent) * np.sqrt(2) / 4 / 4
    x = active(np.asarray(first).reshape(4, 4, 16) + variables["params"]["bias"])
    x = conv(x, layers["Equalised_1"])
    for number in (2, 4):
        x = np.kron(x, np.ones((2, 2, 1), np.float32))
        x = conv(conv(x, layers[f"Equalised_{number}"]), layers[f"Equalised_{number + 1}"])
    last = layers["Equalised_6"]
    want = (x @ (last["kernel"].T / 4) + last["bias"] + 1) / 2
    np.testing.assert_allclose(network.apply(variables, latent), want, atol=1e-4)


@pytest.mark.parametrize("upsampling", ["bilinear", "nearest"])
def test_doubling(upsampling):
    x = jnp.array([0.0, 4.0])[:, None, None] * jnp.ones((2, 2, 1))
    got = Hourglass(upsampling=upsampling).double(x)[:, 0, 0].tolist()
    assert got == ([0, 1, 3, 4] if upsampling == "bilinear" else [0, 0, 4, 4])


def test_rates_are_a_third_each():
    rate = make_rate(6000)
    got = [float(rate(step)) for step in (0, 1999, 2000, 3999, 4000, 5999)]
    np.testing.assert_allclose(got, [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])


def test_snapshots_of_the_source():
    assert DipSettings().snapshots == (1000, 2000, 3000, 4000, 5000, 6000)


def test_summary_is_over_all_images():
    groups = [
        {"psnr_db": {"9": [10.0, 30.0]}, "l1": {"9": [1.0, 2.0]}},
        {"psnr_db": {"9": [50.0]}, "l1": {"9": [6.0]}},
    ]
    want = {"psnr_db": 30.0, "psnr_db_min": 10.0, "psnr_db_max": 50.0, "l1": 3.0}
    assert summarise(groups) == {"9": want}
