import dataclasses
import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from jaxdet import metrics
from jaxdet.evals import scores
from jaxdet.evals.pooled import with_pooled_auc
from jaxdet.evals.two_shot import Shots, summarise
from jaxdet.results import Condition, CropScores, Predictions, Results
from jaxdet.workdir.files import to_json


def predictions(per_label=30, seed=0):
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], per_label).astype(np.int32)
    return Predictions(
        id=np.array([f"{'01'[i]}_x/{n:03}.png" for n, i in enumerate(label)]),
        label=label,
        logit=rng.normal(label * 2 - 4, 1.5).astype(np.float32),
        sharpness=rng.normal(100 - 20 * label, 30).astype(np.float32),
        skipped=np.array([], str),
        fingerprint="f",
    )


def test_a_condition_has_the_numbers_of_a_set_but_fewer_intervals():
    rows = predictions()
    found = scores.score_condition(rows, draws=40, seed=3)
    whole = scores.score_set(rows, draws=40, seed=3)
    for name in ("ap", "accuracy", "accuracy_real", "accuracy_fake", "auc", "n_real", "n_fake",
                 "ap_ci95", "sharpness_ap", "measures"):  # fmt: skip
        assert getattr(found, name) == getattr(whole, name)
    assert found.intervals == {"accuracy": whole.intervals["accuracy"]}


def test_many_conditions_stay_small_in_results():
    one = scores.score_condition(predictions(), draws=40, seed=0)
    sets = {f"set{i}": scores.score_set(predictions(), draws=40, seed=0) for i in range(13)}
    condition = Condition(kind="blur", level=1.5, sets=dict.fromkeys(sets, one), mean_ap=one.ap)
    results = Results(
        name="x", config_hash="", weights={}, sets=sets, mean_ap=0.5, status="finished",
        conditions={f"blur-{i}": condition for i in range(25)},
    )  # fmt: skip
    assert len(to_json(results)) < 10**6


def draw_shots(rows, *, count, seed):
    return Shots(images=count, crops=16, side=32, seed=seed).draw(rows)


def test_shots_are_drawn_from_each_label_by_the_seed():
    rows = predictions()
    drawn = draw_shots(rows, count=7, seed=1)
    assert rows.label[drawn].tolist() == [0] * 7 + [1] * 7
    assert len(set(drawn.tolist())) == 14
    assert np.array_equal(drawn, draw_shots(rows, count=7, seed=1))
    assert not np.array_equal(drawn, draw_shots(rows, count=7, seed=2))
    assert len(draw_shots(rows, count=100, seed=1)) == 60


def test_every_pair_teaches_a_threshold_for_the_other_images():
    rows, rng = predictions(), np.random.default_rng(4)
    drawn = draw_shots(rows, count=3, seed=0)
    logit = rows.logit[drawn, None] + rng.normal(0, 0.3, (6, 16)).astype(np.float32)
    shots = CropScores(id=rows.id[drawn], label=rows.label[drawn], logit=logit, fingerprint="f")
    accuracies, thresholds = [], []
    for real, fake in itertools.product((0, 1, 2), (3, 4, 5)):
        threshold = -metrics.fit_bias(logit[real], logit[fake])
        left = np.delete(np.arange(60), drawn[[real, fake]])
        assert len(left) == 58
        accuracies.append(np.mean((rows.logit[left] > threshold) == rows.label[left]))
        thresholds.append(threshold)
    found = summarise(rows, shots)
    assert (found.pairs, found.crops) == (9, 16)
    assert found.accuracy == pytest.approx(np.mean(accuracies))
    assert found.accuracy_sd == pytest.approx(np.std(accuracies))
    assert found.threshold == pytest.approx(np.mean(thresholds))
    assert found.threshold_sd == pytest.approx(np.std(thresholds))
    # The scores lie around -3: a threshold helps where 0 calls every image real.
    assert found.accuracy > metrics.accuracy(rows.label, rows.logit) + 0.1


def test_a_pair_that_leaves_no_image_teaches_nothing():
    rows = predictions(per_label=1)
    shots = CropScores(id=rows.id, label=rows.label, logit=np.zeros((2, 3)), fingerprint="")
    assert summarise(rows, shots) is None


def test_pooled_auc_is_that_of_all_conditions_in_one_ranking():
    clean = predictions()
    order = np.random.default_rng(1).permutation(60)[:59]  # one image could not be read
    moved = {name: getattr(clean, name)[order] for name in ("id", "label", "logit", "sharpness")}
    moved["logit"] = moved["logit"] + 3
    after = dataclasses.replace(clean, **moved)
    sets = {"a": scores.score_set(clean, draws=20, seed=0)}
    (one,) = with_pooled_auc(sets, {"a": clean}, [{"a": after}], draws=20, seed=0).values()
    kept = np.isin(clean.id, after.id)
    label = np.concatenate([clean.label[kept], after.label])
    logit = np.concatenate([clean.logit[kept], after.logit])
    assert one.pooled_auc == pytest.approx(roc_auc_score(label, logit), abs=1e-12)
    # Scores that move together cost no AUC of a condition by itself.
    assert one.pooled_auc < one.auc - 0.05
    assert one.pooled_auc_ci95[0] < one.pooled_auc < one.pooled_auc_ci95[1]
    assert with_pooled_auc(sets, {"a": clean}, [], draws=20, seed=0) == sets
