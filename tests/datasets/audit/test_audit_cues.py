import numpy as np
import pytest

from jaxdet.data.cues import CUES, balanced_ap, score_cue

CUE = {cue.name: cue for cue in CUES}
THRESHOLD, TESTS = 0.6, 50


def score(values, label, *, cue="width", name="set"):
    return score_cue(CUE[cue], values=np.asarray(values), label=np.asarray(label), name=name)


def alarm(one):
    return one.ap >= THRESHOLD and not one.constant and one.ap > one.bound(TESTS)


def labels(count):
    return np.repeat([0, 1], count)


def test_a_value_that_every_image_has_for_itself_tells_nothing():
    rng = np.random.default_rng(0)
    words = np.array([f"word {i}" for i in rng.permutation(200)], object)
    assert score(words, labels(100), cue="container").ap == pytest.approx(0.5, abs=0.05)
    assert not alarm(score(rng.permutation(200).astype(float), labels(100)))


def test_one_value_for_all_is_constant_and_one_half():
    one = score(np.full(40, 144.0), labels(20))
    assert (one.constant, one.ap, one.chance) == (True, 0.5, None)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_leaks_whether_it_rises_or_falls(sign):
    rng = np.random.default_rng(1)
    values = sign * np.concatenate([rng.normal(0, 1, 60), rng.normal(6, 1, 60)])
    one = score(values, labels(60))
    assert one.ap > 0.95
    assert alarm(one)


def test_a_number_leaks_where_neither_end_is_fake():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0, 5, 200), rng.normal(0, 0.3, 200)])
    assert score(values, labels(200)).ap > 0.85


def test_a_label_known_by_half_of_its_images_counts_from_either_side():
    half = np.array(["L"] * 50 + ["RGB"] * 50 + ["RGB"] * 100, object)
    real, fake = score(half, labels(100), cue="mode"), score(half, 1 - labels(100), cue="mode")
    assert real.ap == pytest.approx(fake.ap, abs=0.02)
    assert real.ap > 0.8


def test_the_balance_of_the_labels_moves_neither_chance_nor_a_leak():
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1], [30, 900])
    clean = score(rng.normal(size=930), label)
    assert clean.chance_mean == pytest.approx(0.5, abs=0.06)
    assert not alarm(clean)
    told = score(np.where(label == 1, "PNG", "JPEG").astype(object), label, cue="container")
    assert told.ap == 1.0
    assert balanced_ap(label, np.zeros(930)) == 0.5


@pytest.mark.parametrize("count", [3, 6, 12, 24, 60])
def test_few_images_without_a_leak_raise_no_alarm(count):
    for seed in range(6):
        rng = np.random.default_rng(10 + seed)
        values = {
            "width": rng.normal(size=2 * count),
            "quality": rng.integers(70, 75, 2 * count).astype(float),
            "container": rng.choice(["PNG", "JPEG"], 2 * count).astype(object),
        }
        for cue, one in values.items():
            assert not alarm(score(one, labels(count), cue=cue, name=f"{seed}"))


def test_few_images_with_a_leak_do():
    values = np.where(labels(8) == 1, "PNG", "JPEG").astype(object)
    assert alarm(score(values, labels(8), cue="container"))


def test_one_image_of_a_label_cannot_be_judged():
    one = score(np.arange(9.0), np.repeat([0, 1], [8, 1]))
    assert (one.ap, one.chance, one.constant) == (None, None, False)


def test_equal_sets_give_equal_scores_and_large_ones_are_sampled():
    rng = np.random.default_rng(4)
    label, values = labels(30_000), rng.normal(size=60_000)
    values[label == 1] += 0.5
    one = score(values, label)
    assert one == score(values, label)
    assert (one.n_real, one.n_fake) == (30_000, 30_000)
    assert 0.6 < one.ap < 0.7
    assert one.chance_spread < 0.02
