"""Computes what is left of an image when its content is taken away."""

import jax
import jax.numpy as jnp

# Tan et al., CVPR 2024 (NPR, networks/resnet.py).
_NPR_SCALE = 2 / 3
# Cozzolino et al. 2018, ForensicTransfer: the third difference, as in GRIP's code over 32.
_THIRD = (1.0, -3.0, 3.0, -1.0)
_THIRD_SCALE = 1 / 32


def neighbouring_pixels(image: jax.Array) -> jax.Array:
    """Subtracts from each pixel the upper left one of its 2 x 2 block, and multiplies by 2/3.

    Float [B, H, W, C] to [B, H', W', C] with H' and W' even: the last row or column of an odd
    image has no block. The same as x - nearest-up(nearest-down(x)) by factors of 2.
    """
    height, width = (side // 2 * 2 for side in image.shape[1:3])
    image = image[:, :height, :width]
    # As one slice: of an image of any size, indexing would look each place up.
    corner = jax.lax.slice(image, (0, 0, 0, 0), image.shape, (1, 2, 2, 1))
    corner = corner.repeat(2, axis=1).repeat(2, axis=2)
    return (image - corner) * _NPR_SCALE


def third_differences(image: jax.Array) -> jax.Array:
    """Returns third differences down and to the right, over 32, of float [B, H, W, C].

    The result is [B, H-3, W-3, 2C]. The first C channels are those down. Both are cut to the part
    that has both.
    """
    down = sum(w * image[:, i : image.shape[1] - 3 + i, :-3] for i, w in enumerate(_THIRD))
    right = sum(w * image[:, :-3, i : image.shape[2] - 3 + i] for i, w in enumerate(_THIRD))
    return jnp.concatenate([down, right], axis=3) * _THIRD_SCALE
