import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from jaxdet.datasets.makers import autogan, dcgan, game, wgan_gp
from jaxdet.datasets.makers.distance import patch_distance
from jaxdet.datasets.makers.game import draw_batch
from jaxdet.datasets.makers.grid import write_grid
from jaxdet.datasets.makers.pool import init_pool, swap


def parameters(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_lsgan_by_hand():
    real, fake = jnp.array([1.0, 0.0]), jnp.array([[0.5], [2.0]])
    assert autogan.discriminator_loss(real, fake) == 0.5 * (0.5 + (0.25 + 4) / 2)
    assert autogan.generator_loss(fake) == (0.25 + 1) / 2


def test_cross_entropy_of_dcgan_by_hand():
    real, fake = jnp.array([2.0, -1.0]), jnp.array([0.5, 0.0])
    want = -np.log(1 / (1 + np.exp([-2.0, 1.0]))).mean() - np.log(1 / (1 + np.exp([0.5, 0]))).mean()
    assert float(dcgan.discriminator_loss(real, fake)) == pytest.approx(want, rel=1e-6)
    want = -np.log(1 / (1 + np.exp([-0.5, 0]))).mean()
    assert float(dcgan.generator_loss(fake)) == pytest.approx(want, rel=1e-6)


def test_gradient_penalty_of_a_linear_critic_is_known_everywhere():
    rng = np.random.default_rng(0)
    weights = jnp.asarray(rng.normal(size=(4, 4, 3)), jnp.float32)
    real, fake = (jnp.asarray(rng.normal(size=(5, 4, 4, 3)), jnp.float32) for _ in range(2))
    got = wgan_gp.gradient_penalty(
        lambda x: (x * weights).sum(axis=(1, 2, 3)), real, fake, share=jnp.linspace(0, 1, 5)
    )
    assert float(got) == pytest.approx((np.linalg.norm(weights) - 1) ** 2, rel=1e-5)


def test_gradient_penalty_is_taken_between_real_and_fake():
    # Of |x|^2 / 2 the gradient is x itself: its norm at a point tells where it was taken.
    real, fake = jnp.full((2, 1, 1, 1), 4.0), jnp.zeros((2, 1, 1, 1))
    got = wgan_gp.gradient_penalty(
        lambda x: (x**2).sum(axis=(1, 2, 3)) / 2, real, fake, share=jnp.array([0.75, 0.5])
    )
    assert float(got) == pytest.approx(((3 - 1) ** 2 + (2 - 1) ** 2) / 2)


def test_gradient_penalty_of_a_constant_critic_can_be_learned_from():
    ones = jnp.ones((2, 2, 2, 3))

    def penalty(weight):
        critic = lambda x: (weight * x).sum(axis=(1, 2, 3))  # noqa: E731
        return wgan_gp.gradient_penalty(critic, ones, ones, share=jnp.ones(2))

    value, gradient = jax.jit(jax.value_and_grad(penalty))(0.0)
    assert float(value) == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(float(gradient))


@pytest.mark.parametrize("size", [64, 128])
def test_dcgan_halves_and_doubles_to_its_size(size):
    generator, discriminator = dcgan.Generator(size, 64), dcgan.Discriminator(64)
    noise, image = jnp.zeros((2, dcgan.NOISE)), jnp.zeros((2, size, size, 3))
    shapes = jax.eval_shape(
        lambda: (
            generator.init_with_output(jax.random.key(0), noise, train=True),
            discriminator.init_with_output(jax.random.key(0), image),
        )
    )
    (drawn, variables), (logit, judge) = shapes
    assert (drawn.shape, logit.shape) == ((2, size, size, 3), (2,))
    kernels = [s for s in jax.tree.leaves(variables["params"]) if len(s.shape) == 4]
    assert all(s.shape[:2] == (4, 4) for s in kernels)
    if size == 64:
        # torch's example of DCGAN: 3,576,704 and 2,765,568 without biases; ours has one where no
        # normalisation follows.
        assert parameters(variables) == 3_576_704 + 3
        assert parameters(judge) == 2_765_568 + 64 + 1


def test_the_critic_scores_each_image_by_itself():
    critic = wgan_gp.Critic(2)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(3, 16, 16, 3)), jnp.float32)

    @jax.jit
    def score(first):
        variables = critic.init(jax.random.key(0), images)
        return critic.apply(variables, images.at[0].set(first))

    scores, others = score(images[0]), score(images[1])
    np.testing.assert_allclose(others[1:], scores[1:], rtol=1e-5, atol=1e-6)
    assert float(others[0]) == pytest.approx(float(scores[1]), rel=1e-5)


@pytest.mark.parametrize("upsampling", autogan.UPSAMPLINGS)
def test_autogan_is_cyclegans_network(upsampling):
    generator, judge = autogan.ResidualGenerator(64, 9, upsampling), autogan.PatchDiscriminator(64)
    image = jnp.zeros((1, 256, 256, 3))
    key = jax.random.key(0)
    (drawn, variables), (patches, judged) = jax.eval_shape(
        lambda: (generator.init_with_output(key, image), judge.init_with_output(key, image))
    )
    assert (drawn.shape, patches.shape) == (image.shape, (1, 30, 30))
    # CycleGAN's 11,378,179 and 2,764,737 less its biases before instance normalisation.
    assert parameters(variables) == 11_378_179 - (64 + 128 + 256 + 18 * 256 + 128 + 64)
    assert parameters(judged) == 2_764_737 - (128 + 256 + 512)


def test_the_rate_is_constant_then_falls_to_zero():
    rate = autogan.make_rate(autogan.AutoganSettings(epochs=10, train_images=80))
    got = [float(rate(step)) for step in (0, 50, 75, 100)]
    np.testing.assert_allclose(got, [2e-4, 2e-4, 1e-4, 0.0], atol=1e-10)


def test_the_pool_fills_then_exchanges_half():
    shown, pool = [], init_pool(4, (1,))
    step = jax.jit(lambda pool, fakes, key: swap(pool, fakes, key=key))
    for number in range(50):
        fakes = jnp.arange(4 * number, 4 * number + 4, dtype=jnp.float32)[:, None] + 1
        pool, out = step(pool, fakes, jax.random.key(number))
        shown.append(np.asarray(out)[:, 0])
    assert shown[0].tolist() == [1, 2, 3, 4]
    later, fresh = np.concatenate(shown[1:]), np.arange(5, 201)
    assert 0.4 < (later == fresh).mean() < 0.6
    assert (later <= fresh).all()
    # Nothing is shown twice: what is shown from the pool has left it.
    assert len(set(later[later != fresh])) == (later != fresh).sum()
    assert int(pool["count"]) == 4


def test_half_of_a_batch_is_mirrored():
    images = jnp.zeros((1, 2, 2, 3), jnp.uint8).at[0, :, 0].set(255)
    draw = jax.jit(functools.partial(draw_batch, batch_size=400))
    batch = np.asarray(draw(images, key=jax.random.key(0)))
    np.testing.assert_allclose(np.abs(batch), 1, rtol=1e-6)
    assert 150 < (batch[:, 0, 0, 0] > 0).sum() < 250


def test_each_update_of_each_seed_has_its_own_randomness():
    games = [dcgan.Dcgan(dcgan.DcganSettings(seed=seed)) for seed in (0, 1)]
    keys = [game.key({"step": jnp.int32(step)}) for game in games for step in (0, 1)]
    assert len({tuple(np.asarray(jax.random.key_data(key))) for key in keys}) == 4


def test_one_step_of_adam_by_hand():
    class Quick(dcgan.Dcgan):
        adam = optax.adam(0.1, b1=0.5)

    game = Quick(dcgan.DcganSettings())
    one = {"params": {"w": jnp.array(1.0)}}
    state = game.start(generator=one, discriminator=one)
    new = game.descend(state, "generator", {"w": jnp.array(3.0)})
    assert float(new["generator"]["params"]["w"]) == pytest.approx(
        0.9
    )  # the first step is the rate
    assert float(new["discriminator"]["params"]["w"]) == 1.0


def test_patch_distance_of_the_same_and_of_other_images():
    images = np.random.default_rng(0).integers(0, 200, (8, 16, 16, 3), dtype=np.uint8)
    assert patch_distance(images, images) == 0.0
    near, far = patch_distance(images, images + np.uint8(5)), patch_distance(images, images + 50)
    assert far == pytest.approx(10 * near)


def test_a_sheet_has_each_image_in_its_place(tmp_path):
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 3), np.uint8)
    images[..., 0] += 100
    write_grid(tmp_path / "sheet.png", images, columns=2)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 6 + 2, 2 * 6 + 2, 3)
    places = [(2, 2), (2, 8), (8, 2)]
    assert all((sheet[y : y + 4, x : x + 4] == images[i]).all() for i, (y, x) in enumerate(places))
    assert (sheet[8:, 8:] == 255).all()


class Toy(game.Game):
    adam = None

    def init(self):
        return jnp.zeros(())

    def update(self, state, images):
        return state + 1, {"loss": state}

    def draw(self, state, crops, rows):
        return jnp.asarray(crops / 255)


def test_a_sheet_is_there_before_the_snapshot_that_no_later_start_goes_back_behind(
    tmp_path, monkeypatch
):
    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(game, "save_snapshot", kill)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(KeyboardInterrupt):
        game.train(Toy(SimpleNamespace(method="toy", steps=1)), images, folder=tmp_path, say=print)
    assert (tmp_path / "samples" / "toy_0000001.png").exists()
