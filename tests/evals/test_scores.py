import dataclasses

import numpy as np
import pytest

from jaxdet import metrics
from jaxdet.errors import RunFailedError
from jaxdet.evals import scores
from jaxdet.evals.drawn import draw_sets
from jaxdet.results import Predictions
from jaxdet.workdir.files import to_json


def _predictions(categories=("car", "cat"), per_label=20, **changes):
    rng = np.random.default_rng(0)
    ids = [
        f"{category}/{folder}/{i:03}.png".lstrip("/")
        for category in categories
        for folder in ("0_real", "1_fake")
        for i in range(per_label)
    ]
    label = np.array(["1_fake" in i for i in ids], np.int32)
    rows = {
        "id": np.array(ids),
        "label": label,
        "logit": rng.normal(label * 2 - 1, 1.5).astype(np.float32),
        "sharpness": rng.normal(100 - 20 * label, 30).astype(np.float32),
        "skipped": np.array(["car/0_real/bad.png"]),
        "fingerprint": "f00d",
    }
    return Predictions(**{**rows, **changes})


def test_a_set_is_pooled_over_its_categories():
    rows = _predictions()
    result = scores.score_set(rows, draws=50, seed=1)
    assert result.ap == metrics.average_precision(rows.label, rows.logit)
    assert result.accuracy == metrics.accuracy(rows.label, rows.logit)
    assert result.accuracy_real == metrics.accuracy_of(rows.label, rows.logit, which=0)
    assert result.accuracy_fake == metrics.accuracy_of(rows.label, rows.logit, which=1)
    assert result.accuracy_real != result.accuracy_fake
    assert result.auc == metrics.auc(rows.label, rows.logit)
    drawn = metrics.bootstrap(
        rows.label, rows.logit, {"ap": metrics.ap_of, "eer": metrics.eer_of}, draws=50, seed=1
    )
    assert result.ap_ci95 == metrics.interval(drawn["ap"])
    assert result.intervals["eer"] == metrics.interval(drawn["eer"])
    assert result.sharpness_ap == metrics.sharpness_floor(rows.label, rows.sharpness)
    assert (result.n_real, result.n_fake, result.n_skipped) == (40, 40, 1)


def test_a_measure_that_some_draws_do_not_define_has_no_interval(monkeypatch):
    def of_the_first_image(counts):
        images = counts.fakes[..., 0] + counts.reals[..., 0]
        return images / images

    monkeypatch.setattr(metrics, "measures_of", lambda *_: {"first": of_the_first_image})
    result = scores.score_set(_predictions(), draws=50, seed=1)
    assert result.measures == {"first": 1.0}
    assert "auc" in result.intervals
    assert "first" not in result.intervals


def test_each_category_is_the_set_of_its_images():
    rows = _predictions()
    result = scores.score_set(rows, draws=50, seed=1)
    assert list(result.categories) == ["car", "cat"]
    for name, part in result.categories.items():
        chosen = rows.category == name
        alone = Predictions(
            id=rows.id[chosen],
            label=rows.label[chosen],
            logit=rows.logit[chosen],
            sharpness=rows.sharpness[chosen],
            skipped=np.array([], str),
            fingerprint="",
        )
        expected = scores.score_set(alone, draws=50, seed=1)
        assert vars(part) == {k: getattr(expected, k) for k in vars(part)}
        assert (part.n_real, part.n_fake) == (20, 20)


def test_a_set_without_categories():
    assert scores.score_set(_predictions([""]), draws=0, seed=0).categories == {}


def test_a_set_of_one_class_goes_to_json():
    label = np.zeros(40, np.int32)
    result = scores.score_set(_predictions([""], label=label), draws=50, seed=0)
    assert (result.ap, result.auc, result.ap_ci95, result.accuracy_fake) == (None,) * 4
    assert (result.sharpness_ap, result.measures["eer"]) == (None, None)
    low, high = result.intervals["accuracy_real"]
    assert low < result.accuracy_real < high
    assert '"ap": null' in to_json(result)
    assert scores.mean_ap({"x": result}) is None
    drawn = draw_sets({"x": _predictions([""], label=label)}, draws=9, seed=0)
    assert scores.mean_intervals(drawn) == {
        "ap": {}, "accuracy": {},
    }  # fmt: skip


def test_logits_that_are_not_finite_are_named():
    logit = np.zeros(40, np.float32)
    logit[[3, 7]] = np.nan, np.inf
    with pytest.raises(RunFailedError, match=r"2 of 40 logits .* 0_real/003\.png"):
        scores.score_set(_predictions([""], logit=logit), draws=0, seed=0)


def test_no_image_left():
    none = np.array([])
    with pytest.raises(RunFailedError, match="1 were skipped"):
        scores.score_set(
            _predictions(id=none.astype(str), label=none, logit=none, sharpness=none),
            draws=0,
            seed=0,
        )


def test_mean_ap_weighs_sets_alike():
    large = scores.score_set(_predictions(["a"], per_label=30), draws=0, seed=0)
    small = scores.score_set(_predictions(["a"], per_label=5), draws=0, seed=0)
    assert scores.mean_ap({"x": large, "y": small}) == pytest.approx((large.ap + small.ap) / 2)
    with pytest.raises(ValueError, match="no sets"):
        scores.mean_ap({})


def test_every_number_but_a_count_has_an_interval():
    rows = _predictions()
    calibration = scores.calibrate(_predictions(), source="val")
    result = scores.score_set(rows, draws=30, seed=0, calibration=calibration)
    fields = {"accuracy", "accuracy_real", "accuracy_fake", "auc"}
    assert set(result.intervals) == fields | set(result.measures)
    for name in fields:
        low, high = result.intervals[name]
        assert low <= getattr(result, name) <= high
    assert all(low <= high for low, high in result.intervals.values())
    assert scores.score_set(rows, draws=0, seed=0).intervals == {}


def test_measures_are_those_of_the_room_of_metrics():
    rows = _predictions()
    found = scores.score_set(rows, draws=0, seed=0).measures
    label, logit = rows.label, rows.logit
    assert (found["oracle_accuracy"], found["oracle_threshold"]) == metrics.oracle(label, logit)
    assert found["eer"] == metrics.eer(label, logit)
    assert found["tpr_at_fpr_1"] == metrics.tpr_at_fpr(label, logit, fpr=0.01)
    assert found["tpr_at_fpr_5"] == metrics.tpr_at_fpr(label, logit, fpr=0.05)
    assert found["ece"] == metrics.calibration_error(label, logit)
    assert found["brier"] == metrics.brier_score(label, logit)


def test_temperature_and_thresholds_come_from_validation_alone():
    validation, rows = _predictions(logit=_predictions().logit * 3), _predictions()
    calibration = scores.calibrate(validation, source="val")
    assert calibration.temperature == metrics.fit_temperature(validation.label, validation.logit)
    assert (calibration.source, calibration.n_real, calibration.n_fake) == ("val", 40, 40)
    found = scores.score_set(rows, draws=0, seed=0, calibration=calibration).measures
    assert found["ece_scaled"] == metrics.calibration_error(
        rows.label, rows.logit, temperature=calibration.temperature
    )
    for name, fpr in (("fpr_1", 0.01), ("fpr_5", 0.05)):
        threshold = metrics.threshold_at_fpr(validation.label, validation.logit, fpr=fpr)
        assert calibration.thresholds[name] == threshold
        called = rows.logit >= threshold
        assert found[f"tpr_val_{name}"] == called[rows.label == 1].mean()
        assert found[f"fpr_val_{name}"] == called[rows.label == 0].mean()


def test_what_validation_cannot_tell_is_left_out():
    separated = _predictions(logit=np.where(_predictions().label == 1, 9, -9).astype(np.float32))
    calibration = scores.calibrate(separated, source="val")
    assert calibration.temperature is None
    found = scores.score_set(_predictions(), draws=5, seed=0, calibration=calibration)
    assert "ece_scaled" not in found.measures
    assert found.measures["tpr_val_fpr_5"] is not None


def test_a_set_of_one_class_has_what_is_defined():
    label = np.ones(40, np.int32)
    result = scores.score_set(_predictions([""], label=label), draws=50, seed=0)
    defined = {name for name, number in result.measures.items() if number is not None}
    assert defined == {"ece", "brier"}
    assert set(result.intervals) == {"accuracy", "accuracy_fake", "ece", "brier"}


def test_the_means_of_the_papers_need_all_their_sets():
    one = scores.score_set(_predictions(), draws=0, seed=0)
    sets = dict.fromkeys(metrics.PROTOCOLS["thirteen"], one)
    full = scores.protocol_means(sets)
    assert full["ap"] == pytest.approx(dict.fromkeys(("eleven", "thirteen", "eight"), one.ap))
    del sets["whichfaceisreal"]
    some = scores.protocol_means(sets)
    assert some["accuracy"]["thirteen"] is None
    assert some["accuracy"]["eleven"] == pytest.approx(one.accuracy)


def test_the_interval_of_a_mean_is_that_of_independent_sets():
    rng = np.random.default_rng(1)
    noisy = [_predictions(logit=_predictions().logit + rng.normal(0, 1, 80)) for _ in range(4)]
    sets = {f"set{i}": one for i, one in enumerate(noisy)}
    found = scores.mean_intervals(draw_sets(sets, draws=600, seed=0))
    assert set(found) == {"ap", "accuracy"}
    assert set(found["ap"]) == {"all"}
    widths = [np.diff(scores.score_set(one, draws=600, seed=0).ap_ci95)[0] for one in noisy]
    expected = np.sqrt(np.sum(np.square(widths))) / len(widths)
    assert np.diff(found["ap"]["all"])[0] == pytest.approx(expected, rel=0.15)
    low, high = found["accuracy"]["all"]
    assert low < np.mean([metrics.accuracy(one.label, one.logit) for one in noisy]) < high


def test_means_without_an_interval():
    sets = dict.fromkeys(metrics.PROTOCOLS["thirteen"], _predictions())
    drawn = draw_sets(sets, draws=5, seed=0)
    assert set(scores.mean_intervals(drawn)["ap"]) == {"all", *metrics.PROTOCOLS}
    del sets["san"]
    assert set(scores.mean_intervals(draw_sets(sets, draws=5, seed=0))["ap"]) == {"all", "eight"}
    assert scores.mean_intervals(draw_sets(sets, draws=0, seed=0)) == {"ap": {}, "accuracy": {}}
    sets["reals"] = _predictions(label=np.zeros(80, np.int32))
    assert set(scores.mean_intervals(draw_sets(sets, draws=5, seed=0))["ap"]) == {"all", "eight"}


def test_copies_of_a_picture_are_one_group_of_an_interval():
    """B-Free's ten copies a source: as ten images they would look like ten times as many."""
    few = _predictions()
    rows = np.arange(len(few.id))
    many = np.repeat(rows, 10)
    fields = ("id", "label", "logit", "sharpness")
    copies = dataclasses.replace(few, **{name: getattr(few, name)[many] for name in fields})
    widths = {}
    for name, one in (
        ("few", few), ("copies", copies), ("groups", dataclasses.replace(copies, group=many)),
    ):  # fmt: skip
        result = scores.score_set(one, draws=400, seed=0)
        widths[name] = np.diff(result.ap_ci95)[0]
        assert result.n_groups == (len(rows) if name == "groups" else None)
    assert widths["copies"] < 0.5 * widths["few"]
    assert widths["groups"] == pytest.approx(widths["few"], rel=0.2)


def test_shared_real_images_are_drawn_together():
    """The reals of two sets are the same images: an unlucky draw of them hits both."""
    rng = np.random.default_rng(3)
    label = np.repeat([0, 1], 40).astype(np.int32)
    reals = rng.normal(-1, 2, 40)

    def one(number, real):
        logit = np.concatenate([real, rng.normal(1, 2, 40)]).astype(np.float32)
        ids = [f"0_real/{n}" for n in range(40)] + [f"1_fake/{number}-{n}" for n in range(40)]
        return _predictions(id=np.array(ids), label=label, logit=logit, sharpness=logit**2)

    shared = {str(n): one(n, reals) for n in range(4)}
    apart = {str(n): one(n, rng.permutation(reals)) for n in range(4)}
    ends = {}
    for name, sets in (("shared", shared), ("apart", apart)):
        drawn = draw_sets(sets, draws=400, seed=0)
        ends[name] = scores.mean_intervals(drawn)["ap"]["all"]
        tnr = [own["accuracy_real"] for own in drawn.values()]
        assert np.array_equal(tnr[0], tnr[1]) == (name == "shared")
        assert not np.array_equal(drawn["0"]["recall"], drawn["1"]["recall"])
    assert np.diff(ends["shared"])[0] > 1.1 * np.diff(ends["apart"])[0]
