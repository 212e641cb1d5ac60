import jax
import jax.numpy as jnp
import pytest

from jaxdet.datasets.makers.autoencoder import UPSAMPLERS, Autoencoder, PixelShuffle, get_upsampler


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_every_upsampler_doubles_the_size(name):
    x = jnp.ones((2, 5, 7, 6))
    module = get_upsampler(name)(4)
    y = jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), x)[0])
    assert y.shape == (2, 10, 14, 4)


@pytest.mark.parametrize("name", UPSAMPLERS)
def test_autoencoder_keeps_the_size(name):
    image = jnp.zeros((1, 32, 36, 3))
    model = Autoencoder(name, channels=4)
    # Shapes alone need no compilation.
    drawn = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), image)[0])
    assert drawn.shape == image.shape


def test_pixel_shuffle_lays_channels_out_as_pixels():
    module = PixelShuffle(1)
    variables = module.init(jax.random.key(0), jnp.zeros((1, 1, 1, 1)))
    layer = variables["params"]["Conv_0"]
    bias = jnp.arange(4.0)  # so that the four channels hold 0, 1, 2, 3
    y = module.apply({"params": {"Conv_0": layer | {"bias": bias}}}, jnp.zeros((1, 1, 1, 1)))
    assert y[0, :, :, 0].tolist() == [[0, 1], [2, 3]]


def test_unknown_upsampling_is_named():
    with pytest.raises(KeyError, match="transposed4"):
        get_upsampler("cubic")
