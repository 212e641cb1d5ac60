import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdet.config import Model, Optim
from jaxdet.convert.architectures import shapes
from jaxdet.convert.rules import nest
from jaxdet.errors import UserError
from jaxdet.models.architectures import Architecture
from jaxdet.models.detector import get_detector
from jaxdet.train.losses import contrastive_loss, get_objective, transfer_loss
from jaxdet.train.sgd import torch_sgd
from jaxdet.train.state import make_optimizer


def test_the_transfer_loss_is_that_worked_out_by_hand():
    activation = np.array([[0.9, 0.3], [0.25, 0.5]], np.float32)
    label = np.array([0, 1])
    residual = np.zeros((2, 1, 2, 1), np.float32)
    reconstruction = np.array([0.0, 2.0, -1.0, 1.0], np.float32).reshape(2, 1, 2, 1)
    # Real: |0.9 - 1| + |0.3 - 0|; fake: |0.25 - 0| + |0.5 - 1|; reconstruction: (0+2+1+1)/4.
    expected = ((0.1 + 0.3) + (0.25 + 0.5)) / 2 + 0.1 * 1.0
    assert transfer_loss(activation, reconstruction, residual, label) == pytest.approx(expected)


def test_the_contrastive_loss_is_the_means_over_pairs_that_count():
    turn = np.radians([0, 30, 0, 90, 180])
    # Norms do not count; the third is the first once more, at distance 0.
    embedding = np.stack([np.cos(turn), np.sin(turn)], 1) * np.array([[1], [2], [3], [1], [0.5]])
    label = np.array([0, 0, 0, 1, 1])
    chord = {degrees: 2 * np.sin(np.radians(degrees) / 2) for degrees in (30, 60, 90)}
    # Real: 30 degrees twice; fake: 90 degrees. Apart: 30 to 90 degrees is at the margin of 1.
    same = (2 * chord[30] + chord[90]) / 3
    found, gradient = jax.value_and_grad(contrastive_loss)(jnp.asarray(embedding), label)
    assert found == pytest.approx(same, abs=1e-5)
    assert np.isfinite(gradient).all()
    near = contrastive_loss(jnp.array([[1.0, 0.0], [np.sqrt(0.75), 0.5]]), np.array([0, 1]))
    assert near == pytest.approx(1 - chord[30], abs=1e-5)


def test_the_contrastive_loss_needs_no_difference_of_every_pair():
    rng = np.random.default_rng(0)
    embedding, label = rng.normal(0.3, 1, (12, 40)).astype(np.float32), np.arange(12) % 2
    embedding[5] = 2 * embedding[3]

    def by_differences(embedding):
        vectors = embedding / jnp.linalg.norm(embedding, axis=1, keepdims=True)
        loss = jnp.zeros(())
        for same in (True, False):
            pairs = [(i, j) for i in range(12) for j in range(12) if i != j and {i, j} != {3, 5}]
            pairs = [(i, j) for i, j in pairs if (label[i] == label[j]) == same]
            first, second = np.transpose(pairs)
            distance = jnp.linalg.norm(vectors[first] - vectors[second], axis=1)
            term = distance if same else jnp.maximum(0, 1 - distance)
            loss += term.sum() / jnp.maximum(1, (term > 0).sum())
        return loss

    found, expected = (
        jax.value_and_grad(of)(jnp.asarray(embedding))
        for of in (lambda e: contrastive_loss(e, label), by_differences)
    )
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    assert "12,12,40" not in str(jax.make_jaxpr(contrastive_loss)(embedding, label))


@pytest.mark.parametrize("name", ["linear_probe", "two_layer_probe", "rine"])
def test_a_share_of_the_loss_is_contrastive(name):
    model = Model(
        name=name, width=6, tower="dinov2_b14:size=14,width=8,depth=1,heads=2,mlp=12",
        projection_layers=1,
    )  # fmt: skip
    detector, rng = get_detector(model), np.random.default_rng(0)
    arrays = {p: rng.normal(0, 0.5, s).astype(np.float32) for p, s in shapes(model).items()}
    variables, label = {"batch_stats": {}, **nest(arrays)}, np.arange(6) % 2
    image = rng.integers(0, 256, (6, 14, 14, 3), dtype=np.uint8)

    @jax.jit
    def losses(variables):
        of = [
            get_objective(detector.architecture, "", contrastive=share) for share in (0.0, 0.3, 1.0)
        ]
        return [loss_of(detector, variables, image, label, jax.random.key(1)) for loss_of in of]

    (crossed, (logit, _)), (mixed, (same, _)), (contrast, _) = losses(variables)
    assert float(mixed) == pytest.approx(float(0.7 * crossed + 0.3 * contrast), rel=1e-5)
    np.testing.assert_allclose(same, logit, atol=1e-5)


@pytest.mark.slow
def test_the_decoder_sees_the_half_of_the_true_class_alone():
    detector = get_detector(Model(name="forensic_transfer", width=4))
    variables = detector.random(0, size=32)
    transfer = jax.jit(detector.transfer)
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)

    def decoded(variables, label):
        return transfer(variables, image, np.full(2, label)).reconstruction

    # Maps for fake come from the second half of the last encoder layer's kernels.
    kernel = variables["params"]["encoder_4"]["kernel"]
    half = kernel.shape[-1] // 2
    changed = jax.tree.map(lambda leaf: leaf, variables)
    changed["params"]["encoder_4"]["kernel"] = np.concatenate(
        [kernel[..., :half], 3 * kernel[..., half:]], axis=-1
    )
    np.testing.assert_array_equal(decoded(variables, 0), decoded(changed, 0))
    assert np.abs(decoded(variables, 1) - decoded(changed, 1)).max() > 0
    before, after = (transfer(v, image, np.zeros(2, int)) for v in (variables, changed))
    np.testing.assert_allclose(after.activation[:, 1], 3 * before.activation[:, 1], rtol=1e-5)
    np.testing.assert_allclose(after.logit, after.activation[:, 1] - after.activation[:, 0])
    np.testing.assert_allclose(detector.apply(changed, image), after.logit, rtol=1e-5)


def test_an_unknown_objective_is_named_with_those_there_are():
    architecture = Architecture(build=lambda model: None, objective="focal")
    with pytest.raises(UserError, match="'focal' is none of cross_entropy, forensic_transfer"):
        get_objective(architecture, "")


@pytest.mark.slow
def test_a_few_steps_lower_the_transfer_loss():
    detector = get_detector(Model(name="forensic_transfer", width=8))
    variables = detector.random(0, size=32)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    label = np.arange(16) % 2
    image[label == 1] //= 2
    optimizer = make_optimizer(Optim())
    loss_of = get_objective(detector.architecture, "")

    @jax.jit
    def step(variables, moments):
        def objective(params):
            changed = {**variables, "params": params}
            return loss_of(detector, changed, image, label, jax.random.key(1))

        (loss, (_, stats)), gradients = jax.value_and_grad(objective, has_aux=True)(
            variables["params"]
        )
        direction, moments = optimizer.update(gradients, moments)
        params = jax.tree.map(lambda p, d: p - 3e-3 * d, variables["params"], direction)
        return {"params": params, "batch_stats": stats}, moments, loss

    moments, losses = optimizer.init(variables["params"]), []
    for _ in range(12):
        variables, moments, loss = step(variables, moments)
        losses.append(float(loss))
    assert losses[-1] < 0.8 * losses[0]


def test_sgd_is_torch_s_step_by_step():
    params = {"w": jnp.array([1.0, -2.0])}
    gradients = [jnp.array(g) for g in ([0.5, 0.1], [-0.2, 0.3], [0.4, -0.6])]
    optimizer = torch_sgd(momentum=0.9, dampening=0.9, weight_decay=0.1)
    state, w, buffer = optimizer.init(params), np.array([1.0, -2.0]), None
    for gradient in gradients:
        direction, state = optimizer.update({"w": gradient}, state, params)
        params = optax.apply_updates(params, jax.tree.map(lambda d: -0.5 * d, direction))
        # torch/optim/sgd.py, single tensor
        g = np.asarray(gradient) + 0.1 * w
        buffer = g if buffer is None else 0.9 * buffer + (1 - 0.9) * g
        w = w - 0.5 * buffer
        np.testing.assert_allclose(params["w"], w, rtol=1e-6)
