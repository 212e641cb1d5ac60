import dataclasses
import os
from functools import partial

import jax
import numpy as np
import pytest

from jaxdet.config import Model
from jaxdet.config.model import PROBES
from jaxdet.convert.architectures import shapes
from jaxdet.convert.rules import nest
from jaxdet.errors import UserError
from jaxdet.models.detector import get_detector
from jaxdet.models.platform import has_flash_gradient, written_for
from jaxdet.models.towers import TOWERS, read_tower
from jaxdet.models.vit import flash_attention

SMALL = "size=28,width=8,depth=2,heads=2,mlp=12"


def arrays_of(model):
    rng = np.random.default_rng(0)
    return {p: rng.normal(0, 0.5, s).astype(np.float32) for p, s in shapes(model).items()}


def images(n=2, side=28):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("clip_l14", 303.97),
        ("dinov2_l14", 304.37),
        ("dinov2_b14_reg", 86.58),
        ("dinov3_l16", 303.1),
        ("augreg_s16_384", 21.81),
        ("siglip_l16_256", 315.96),
    ],
)
def test_towers_have_as_many_parameters_as_published(name, millions):
    # Counted on the modules of timm 1.0.31, open_clip 3.3 and transformers 5.24.
    model = Model(name="linear_probe", tower=name)
    sizes = [np.prod(s) for p, s in shapes(model).items() if p.startswith("params/vit/")]
    assert sum(sizes) / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("name", ["two_layer_probe", "rine", "token_probe"])
def test_layers_that_torch_starts_start_as_there(name):
    model = Model(name=name, tower=f"dinov2_b14:{SMALL},width=64", width=32, projection_layers=2)
    params = get_detector(model).random(0, size=28)["params"]
    layers = {key: layer for key, layer in params.items() if key not in ("vit", "alpha")}
    assert layers
    for layer in layers.values():
        bound = 1 / np.sqrt(layer["kernel"].shape[0])
        values = np.concatenate([np.ravel(layer["kernel"]), layer["bias"]])
        assert np.abs(values).max() <= bound
        assert np.std(values) == pytest.approx(bound / np.sqrt(3), rel=0.3)
        assert layer["bias"].any()


def test_a_tower_is_its_text():
    for name, tower in TOWERS.items():
        assert tower.text == name
    changed = read_tower("dinov3_l16:depth=3,epsilon=1e-06,mask_token=false,normalisation=clip")
    assert changed.text == "dinov3_l16:depth=3,mask_token=false,epsilon=1e-06,normalisation=clip"
    assert read_tower(changed.text) == changed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clip_l15", "did you mean clip_l14"),
        ("clip_l14:dept=3", "'dept' is not one of size, patch"),
        ("clip_l14:depth=x", "depth='x' is no int"),
        ("clip_l14:layer_scale=1", "layer_scale='1' is no bool"),
        ("clip_l14:depth=9999999", "depth=9999999 is not in"),
        ("clip_l14:heads=5", "heads=5 does not share 1024"),
        ("clip_l14:size=225", "size=225 is no multiple of the patch"),
        ("clip_l14:normalisation=mine", "neither clip, imagenet, half nor six numbers"),
        ("clip_l14:normalisation=1/1/1/0/1/1", "nor six numbers"),
        ("clip_l14:activation=relu", "is not one of gelu"),
        ("siglip_b16:pool=class", "needs a class token"),
    ],
)
def test_towers_that_cannot_be_are_refused(text, says):
    with pytest.raises(UserError, match=says):
        read_tower(text)


def test_a_tower_takes_its_own_size_alone():
    model = Model(name="linear_probe", tower=f"clip_b16:{SMALL},patch=14,projection=6")
    with pytest.raises(UserError, match="takes images of 28 x 28 pixels, not 42 x 42"):
        get_detector(model).apply(nest(arrays_of(model)), images(side=42))


def test_each_option_that_a_network_on_a_tower_has_reaches_it():
    for name in PROBES:
        model = Model(
            name=name, tower="dinov2_b14", normalise=True, head_deviation=0.5, width=6, bank=7,
            tokens=3, neighbours=5, projection_layers=2,
        )  # fmt: skip
        network = get_detector(model).network
        own = {f.name for f in dataclasses.fields(network)} - {"parent", "name", "tower"}
        assert {one: getattr(network, one) for one in own} == {
            one: getattr(model, one) for one in own
        }
        assert network.tower == read_tower(model.tower)


def test_a_normalised_probe_scores_features_of_norm_1():
    model = Model(name="linear_probe", tower=f"dinov2_b14:{SMALL}", normalise=True)
    variables, detector = nest(arrays_of(model)), get_detector(model)
    seen = detector.see(variables, images())
    features = np.asarray(seen)
    assert (np.abs(np.linalg.norm(features, axis=1) - 1) > 0.1).all()
    head = variables["params"]["head"]
    expected = features / np.linalg.norm(features, axis=1, keepdims=True) @ head["kernel"]
    whole, of_head = detector.apply(variables, images()), detector.on_features()
    for found in (whole, of_head.apply(variables, seen)):
        np.testing.assert_allclose(found, (expected + head["bias"])[:, 0], rtol=1e-5)


def test_two_layers_give_the_odds_of_a_softmax_and_the_first_is_compared():
    model = Model(name="two_layer_probe", tower=f"dinov2_b14:{SMALL}", width=6)
    variables, detector = nest(arrays_of(model)), get_detector(model)
    seen = np.asarray(detector.see(variables, images()))
    embed, head = (variables["params"][name] for name in ("embed", "head"))
    embedding = seen @ embed["kernel"] + embed["bias"]
    both = np.exp(embedding @ head["kernel"] + head["bias"])
    found = detector.contrast(variables, images(), rng=jax.random.key(0))
    for logit in (found[0], detector.on_features().apply(variables, seen)):
        np.testing.assert_allclose(1 / (1 + np.exp(-logit)), both[:, 1] / both.sum(1), rtol=1e-5)
    np.testing.assert_allclose(found[1], embedding, rtol=1e-5)


def test_rine_is_the_published_formula():
    model = Model(name="rine", tower=f"dinov2_b14:{SMALL}", width=6, projection_layers=2)
    arrays, network = arrays_of(model), get_detector(model).network
    seen = np.random.default_rng(1).normal(0, 1, (3, 2, 8)).astype(np.float32)
    found = network.apply(nest(arrays), seen, train=False, method="score")
    params = nest(arrays)["params"]

    def layers(x, names):
        for name in names:
            x = np.maximum(x @ params[name]["kernel"] + params[name]["bias"], 0)
        return x

    weights = np.exp(params["alpha"]) / np.exp(params["alpha"]).sum(0)
    mixed = (weights * layers(seen, ("proj1_1", "proj1_4"))).sum(1)
    last = layers(mixed, ("proj2_1", "proj2_4", "head_0", "head_3"))
    expected = (last @ params["head_6"]["kernel"] + params["head_6"]["bias"])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_rine_looks_at_class_tokens_behind_the_second_norm_of_each_block():
    model = Model(name="rine", tower=f"dinov2_b14:{SMALL}", width=6, projection_layers=2)
    variables, network = nest(arrays_of(model)), get_detector(model).network
    _, kept = network.apply(
        variables, images().astype(np.float32), method="see",
        capture_intermediates=lambda module, _: module.name == "norm2",
    )  # fmt: skip
    seen = network.apply(variables, images().astype(np.float32), method="see")
    for number in range(2):
        norm = kept["intermediates"]["vit"][f"blocks_{number}"]["norm2"]["__call__"][0]
        np.testing.assert_allclose(seen[:, number], norm[:, 0], atol=1e-5)


def test_training_drops_values_of_rine_and_moves_all_of_it():
    model = Model(name="rine", tower=f"dinov2_b14:{SMALL}", width=6, projection_layers=2)
    variables, detector = {**nest(arrays_of(model)), "batch_stats": {}}, get_detector(model)

    def total(params, seed):
        rng = jax.random.key(seed)
        logits, _ = detector.apply_train({**variables, "params": params}, images(), rng=rng)
        return logits.sum()

    first, gradients = jax.value_and_grad(total)(variables["params"], 0)
    assert first != total(variables["params"], 1)
    assert any(np.abs(g).max() > 0 for g in jax.tree.leaves(gradients["vit"]))


@jax.custom_vjp
def cudnn(query, key, value, lengths):
    return attention(query, key, value, **lengths, implementation="xla")


def cudnn_trained(query, key, value, lengths):
    """JAX's rule for cuDNN's attention."""
    if query.shape[1] % 2 or key.shape[1] % 2 or "deterministic" in os.environ["XLA_FLAGS"]:
        raise NotImplementedError("Unsupported sequence length, or no deterministic gradient")
    return jax.vjp(partial(attention, **lengths, implementation="xla"), query, key, value)


cudnn.defvjp(cudnn_trained, lambda pull, gradient: (*pull(gradient), None))
attention = jax.nn.dot_product_attention


@pytest.mark.parametrize("flags", ["", "--xla_gpu_deterministic_ops=true"])
@pytest.mark.parametrize("lengths", [(5, 5), (1, 6), (4, 5), (4, 4)])
def test_towers_of_any_length_are_tuned_where_cudnn_takes_even_ones(lengths, flags, monkeypatch):
    asking, asked = lengths
    rng = np.random.default_rng(0)
    query, key, value = (
        rng.normal(0, 1, (2, n, 3, 8)).astype(np.float32) for n in (asking, asked, asked)
    )

    def emulated(query, key, value, *, implementation=None, **lengths):
        if implementation is None:
            return attention(query, key, value)
        return cudnn(query, key, value, lengths)

    expected, pull = jax.vjp(attention, query, key, value)
    monkeypatch.setattr(jax.nn, "dot_product_attention", emulated)
    monkeypatch.setenv("XLA_FLAGS", flags)
    found, pull_found = jax.vjp(flash_attention, query, key, value)
    for one, other in zip(
        (flash_attention(query, key, value), found, *pull_found(expected)),
        (expected, expected, *pull(expected)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", True),
        ("--xla_gpu_autotune_level=0", True),
        ("--xla_gpu_deterministic_ops", False),
        ("--xla_dump_to=x --xla_gpu_deterministic_ops=1", False),
        ("--xla_gpu_deterministic_ops=True", False),
        ("--xla_gpu_exclude_nondeterministic_ops=true", False),
        ("--xla_gpu_exclude_nondeterministic_ops", False),
        ("--xla_gpu_deterministic_ops=false --xla_gpu_exclude_nondeterministic_ops=0", True),
        ("--xla_gpu_deterministic_ops=true --xla_gpu_deterministic_ops=false", True),
    ],
)
def test_flags_of_determinism_are_known_in_all_their_spellings(flags, expected, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert has_flash_gradient() == expected


def test_on_gpus_alone_the_programs_of_towers_in_bfloat16_leave_triton_s_products():
    half, full, network = (
        get_detector(Model(name=name, dtype=dtype))
        for name, dtype in (
            ("linear_probe", "bfloat16"),
            ("linear_probe", "float32"),
            ("resnet50", "bfloat16"),
        )
    )
    assert half.compiler_options is None
    with written_for("gpu"):
        assert half.compiler_options == {"xla_gpu_enable_triton_gemm": False}
        assert full.compiler_options is None
        assert network.compiler_options is None
