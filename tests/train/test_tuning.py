import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdet.config import Augment, Config, Model, Optim, validate
from jaxdet.convert.architectures import shapes
from jaxdet.convert.rules import nest
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.runtime.mesh import make_mesh, put_batch
from jaxdet.train.start import training_detector
from jaxdet.train.state import make_optimizer, new_state, unplaced_state
from jaxdet.train.step import make_train_step
from jaxdet.train.tuning import join, plain, split

TOWER = "clip_b16:size=28,patch=14,width=8,depth=1,heads=2,mlp=12,projection=6"
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 3), dtype=np.uint8)
LABELS = np.arange(4, dtype=np.int32) % 2


def config_of(tune="head", model=None, **optim):
    return Config(
        augment=Augment(crop=28),
        model=Model(**{"name": "linear_probe", "tower": TOWER, "tune": tune} | (model or {})),
        optim=Optim(**{"batch_size": 4, "name": "sgd", "weight_decay": 0.1} | optim),
    )


def step_of(config, mesh):
    optim = config.optim
    return make_train_step(
        get_detector(config.model), make_optimizer(optim), mesh, seed=0, tune=config.model.tune,
        accumulate=optim.accumulate, contrastive=optim.contrastive, ema=optim.ema,
    )  # fmt: skip


def start(config):
    """Random variables."""
    rng = np.random.default_rng(0)
    arrays = {
        place: rng.normal(0, 0.5, shape).astype(np.float32)
        for place, shape in shapes(config.model).items()
    }
    return {"batch_stats": {}, **nest(arrays)}


def stepped(config, steps=2, rate=0.1):
    """The state before some steps, and after them, on the host; and the last scalars."""
    mesh = make_mesh(1)
    state = new_state(config, start(config), mesh)
    before, step = jax.device_get(state), step_of(config, mesh)
    batch = put_batch(mesh, {"image": IMAGES, "label": LABELS})
    for _ in range(steps):
        state, scalars = step(state, batch["image"], batch["label"], rate)
    return before, jax.device_get(state), scalars


def equal(first, second):
    return jax.tree.map(np.array_equal, first, second)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_head_alone_moves_and_has_moments(accumulate):
    before, after, scalars = stepped(config_of(accumulate=accumulate))
    same = equal(before.variables["params"], after.variables["params"])
    assert all(jax.tree.leaves(same["vit"]))
    assert not any(jax.tree.leaves(same["head"]))
    assert jax.tree.map(np.shape, after.optimizer.momentum) == {
        "head": {"bias": (1,), "kernel": (6, 1)}
    }
    assert float(scalars["grad_norm"]) > 0


def test_the_head_moves_as_it_does_with_the_tower_in_the_first_step():
    (_, head, _), (_, both, _) = (stepped(config_of(tune), steps=1) for tune in ("head", "all"))
    for name in ("kernel", "bias"):
        found, expected = (s.variables["params"]["head"][name] for s in (head, both))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert not all(jax.tree.leaves(equal(head.variables, both.variables)))


def test_no_gradient_of_the_tower_is_in_the_program():
    products = {}
    for tune in ("head", "all"):
        config, mesh = config_of(tune), make_mesh(1)
        state = new_state(config, start(config), mesh)
        traced = jax.make_jaxpr(step_of(config, mesh))(state, IMAGES, LABELS, 0.1)
        products[tune] = str(traced).count("dot_general")
    assert products["head"] < 0.5 * products["all"]


@pytest.mark.parametrize("tune", ["head", "all", "lora", "svd"])
def test_what_is_divided_is_joined_again(tune):
    config = config_of(tune)
    state = unplaced_state(config.model, config.optim, start(config))
    params = state.variables["params"]
    assert all(jax.tree.leaves(equal(join(*split(tune, params)), params)))


ADAPTED = [
    config_of("lora", {"tune_rank": 2, "tune_alpha": 3.0}),
    config_of("svd"),
    config_of("svd", {"tune_rank": 3, "tower": TOWER.replace("clip_b16", "dinov3_s16")}),
]


@pytest.mark.parametrize("config", ADAPTED, ids=["lora", "svd", "svd of 3"])
def test_adapters_begin_as_the_tower_move_alone_and_are_merged(config):
    detector, tune = get_detector(config.model), config.model.tune
    before, after, _ = stepped(config)

    @jax.jit
    def logits(variables):
        return detector.apply(variables, IMAGES)

    expected = logits(start(config))
    np.testing.assert_allclose(logits(before.variables), expected, atol=1e-6)
    np.testing.assert_allclose(logits(plain(tune, before.variables)), expected, atol=1e-6)

    kept, moved = (
        split(tune, equal(before.variables["params"], after.variables["params"]))[part]
        for part in (1, 0)
    )
    assert all(jax.tree.leaves(kept))
    assert not any(jax.tree.leaves(moved))
    tuned = logits(after.variables)
    assert np.abs(tuned - expected).max() > 1e-3
    merged = plain(tune, after.variables)
    np.testing.assert_allclose(logits(merged), tuned, atol=1e-5)
    assert jax.tree.map(np.shape, merged) == jax.tree.map(np.shape, start(config))


@pytest.mark.parametrize("tower", ["dinov2_b14", "dinov3_7b16"])
def test_lora_of_queries_keys_and_values_is_that_of_their_one_layer(tower):
    sizes = "size=28,patch=14,width=8,depth=1,heads=2,mlp=12"
    config = config_of("lora", {"tune_rank": 2, "tower": f"{tower}:{sizes}"})
    _, after, _ = stepped(config)
    attn = after.variables["params"]["vit"]["blocks_0"]["attn"]
    merged = plain("lora", after.variables)["params"]["vit"]["blocks_0"]["attn"]
    packed, outwards = (
        np.concatenate([attn[name][part] for name in "qkv"], axis=1)
        for part in ("kernel", "adapter_out")
    )
    expected = packed + attn["adapter_in"] * attn["adapter_scale"] @ outwards
    found = np.concatenate([merged[name]["kernel"] for name in "qkv"], axis=1)
    assert np.abs(expected - packed).max() > 1e-5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_tower_of_half_precision_keeps_its_dtype_under_adapters():
    config = config_of("lora", {"dtype": "bfloat16"})
    variables = unplaced_state(config.model, Optim(), start(config)).variables
    detector = get_detector(config.model)
    seen = jax.eval_shape(detector.see, variables, IMAGES)
    assert seen.dtype == jax.eval_shape(detector.see, start(config), IMAGES).dtype


def test_svd_takes_the_last_direction_out_of_a_kernel():
    state = unplaced_state(ADAPTED[1].model, Optim(), start(ADAPTED[1]))
    layer = state.variables["params"]["vit"]["blocks_0"]["attn"]["proj"]
    values = np.linalg.svd(start(ADAPTED[1])["params"]["vit"]["blocks_0"]["attn"]["proj"]["kernel"])
    np.testing.assert_allclose(layer["adapter_scale"], values[1][-1:], rtol=1e-4)
    left = np.linalg.svd(layer["kernel"])[1]
    np.testing.assert_allclose(left, [*values[1][:-1], 0], atol=1e-5)


@pytest.mark.parametrize(
    ("tune", "tower", "adapters"),
    [
        # 24 blocks, 4 layers each: a column, a row and a value. Effort: "0.19M".
        ("svd", "clip_l14:projection=0", 24 * 4 * (1024 + 1024 + 1)),
        # Rank 8, DDA's layers: qkv of 1,024 by 3,072, 1,024 by 1,024, two of 1,024 by 4,096.
        ("lora", "dinov2_l14:size=336", 3_145_728),
    ],
)
def test_so_many_parameters_are_trained(tune, tower, adapters):
    model = Model(name="linear_probe", tower=tower, tune=tune)
    detector = get_detector(model)
    side = detector.architecture.side(model)

    def trained():
        variables = detector.init(jax.random.key(0), size=side)
        params = unplaced_state(model, Optim(), variables).variables["params"]
        return split(tune, params)[0]

    sizes = [leaf.size for leaf in jax.tree.leaves(jax.eval_shape(trained))]
    assert sum(sizes) == adapters + 1024 + 1


def test_a_rank_beyond_the_layers_is_refused():
    with pytest.raises(UserError, match="rank=8: layers of clip_b16:size=28"):
        training_detector(config_of("lora"))


@pytest.mark.parametrize(
    ("model", "optim", "says"),
    [
        (
            {"tune": "head"},
            {},
            "model.tune='head' needs model.name=linear_probe or two_layer_probe or rine or knn",
        ),
        ({}, {"layer_decay": 0.5}, "optim.layer_decay=0.5 needs model.name=linear_probe"),
        ({}, {"contrastive": 0.5}, "optim.contrastive=0.5 needs model.name=linear_probe or"),
        ({"name": "linear_probe", "tune": "head"}, {"contrastive": 0.5}, "changes nothing"),
        ({"name": "rine", "tune": "head"}, {"layer_decay": 0.5}, "trains no layer of the tower"),
        ({"name": "knn", "tune": "head"}, {"ema": 0.5}, "ema=0.5 changes nothing"),
        ({"name": "knn", "tune": "head"}, {"loss": "a.b:C"}, "learns by what it remembers"),
        ({"name": "token_probe"}, {"loss": "a.b:C"}, "has a loss of its own"),
        ({"tune_rank": 4}, {}, "tune_rank=4 changes nothing: model.tune='all' has no adapters"),
        ({"name": "rine", "tune": "svd", "tune_alpha": 2.0}, {}, "tune_alpha=2.0 changes nothing"),
        ({"name": "rine", "normalise": True}, {}, "model.normalise=True changes nothing"),
        (
            {"name": "rine"},
            {"contrastive": 0.5, "loss": "a.b:C"},
            "optim.loss=a.b:C do not go together",
        ),
        (
            {"name": "rine"},
            {"supcon": 0.2, "accumulate": 2},
            "those of a part alone: set optim.acc",
        ),
        ({}, {"warmup": 0.5}, "optim.warmup=0.5 needs optim.schedule=cosine or constant"),
    ],
)
def test_what_needs_a_tower_is_refused_without_one(model, optim, says):
    config = Config(model=Model(**{"name": "resnet18"} | model), optim=Optim(**optim))
    with pytest.raises(UserError, match=says):
        validate(config)


def test_a_tower_s_rates_fall_from_block_to_block():
    deep = TOWER.replace("depth=1", "depth=2")
    states = [
        stepped(config_of("all", {"tower": deep}, layer_decay=decay), steps=1, rate=1e-2)
        for decay in (1.0, 0.5)
    ]
    (plain_before, plain_after, _), (before, after, _) = states

    def moved(first, second, *place):
        for name in place:
            first, second = first[name], second[name]
        return jax.tree.map(np.subtract, second, first)

    for place, factor in {
        ("vit", "patch_embed", "kernel"): 0.125,
        ("vit", "norm_pre", "scale"): 0.125,
        ("vit", "blocks_0", "mlp", "fc1", "kernel"): 0.25,
        ("vit", "blocks_1", "mlp", "fc1", "kernel"): 0.5,
        ("vit", "norm", "scale"): 1,
        ("vit", "projection", "kernel"): 1,
        ("head", "kernel"): 1,
    }.items():
        expected = moved(plain_before.variables["params"], plain_after.variables["params"], *place)
        found = moved(before.variables["params"], after.variables["params"], *place)
        np.testing.assert_allclose(found, factor * expected, rtol=1e-2, atol=1e-6)


def test_adamw_is_torch_s():
    """Two steps by hand with torch's formula: the weights shrink by rate x decay beside Adam's."""
    optimizer = make_optimizer(Optim(name="adamw", weight_decay=0.1))
    weights, state = jnp.array([2.0, -1.0]), optimizer.init(jnp.zeros(2))
    expected, m, v, rate = np.array([2.0, -1.0]), 0, 0, 1e-2
    for number, gradient in enumerate(np.array([[0.3, -2.0], [-0.1, 0.4]]), 1):
        direction, state = optimizer.update(jnp.asarray(gradient), state, weights)
        weights = weights - rate * direction
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        adam = (m / (1 - 0.9**number)) / (np.sqrt(v / (1 - 0.999**number)) + 1e-8)
        expected = expected * (1 - rate * 0.1) - rate * adam
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


@pytest.mark.parametrize("tune", ["all", "lora"])
def test_averages_follow_what_is_trained_and_are_what_is_scored(tune):
    config = config_of(tune, {"tune_rank": 2}, ema=0.75)
    first, after_one, _ = stepped(config, steps=1)
    _, after_two, _ = stepped(config, steps=2)
    trained = [split(tune, s.variables["params"])[0] for s in (first, after_one, after_two)]
    found = after_two.variables["average"]["params"]
    jax.tree.map(
        lambda f, a, b, c: np.testing.assert_allclose(
            f, 0.75 * (0.75 * a + 0.25 * b) + 0.25 * c, rtol=1e-5, atol=1e-6
        ),
        found,
        *trained,
    )
    scored = plain(tune, after_two.variables)["params"]
    assert np.array_equal(scored["head"]["kernel"], found["head"]["kernel"])
    _, without, _ = stepped(config_of(tune, {"tune_rank": 2}))
    same = equal(without.variables["params"], after_two.variables["params"])
    assert all(jax.tree.leaves(same))


def test_averages_have_what_is_remembered_of_images_as_it_is():
    config = config_of("head", {"name": "token_probe", "bank": 4, "tokens": 2}, ema=0.9)
    variables = get_detector(config.model).random(0, size=28)
    mesh = make_mesh(1)
    state, step = new_state(config, variables, mesh), step_of(config, mesh)
    for _ in range(3):
        state, _ = step(state, *put_batch(mesh, {"image": IMAGES, "label": LABELS}).values(), 0.1)
    statistics = jax.device_get(state.variables["batch_stats"])
    assert statistics["counts"].sum() == 8
    assert all(jax.tree.leaves(equal(plain("head", state.variables)["batch_stats"], statistics)))
