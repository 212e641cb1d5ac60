import json

import numpy as np

from jaxdet.train.updates import Update, Window


def update(step):
    rng = np.random.default_rng(step)
    scalars = {
        "loss": np.float32(rng.random()),
        "grad_norm": np.float32(rng.random()),
        "logit": rng.normal(size=4).astype(np.float32),
        "label": np.array([0, 1, 1, 0], np.int32),
    }
    return Update(step=step, rate=0.1 / (step + 1), batch={}, scalars=scalars)


def line(window):
    values = window.line(skipped=0)
    return {name: value for name, value in values.items() if name != "images_per_second"}


def test_a_window_kept_as_json_goes_on_with_the_same_means():
    whole = first = Window()
    for step in range(3):
        whole, first = whole.with_update(update(step)), first.with_update(update(step))
    second = Window(**json.loads(json.dumps(first.to_json(skipped=0))))
    for step in (3, 4):
        whole, second = whole.with_update(update(step)), second.with_update(update(step))
    assert line(second) == line(whole)
    assert line(second)["lr"] == 0.1 / 5


def test_of_an_empty_window_nothing_is_kept_but_of_one_that_updates_were_left_out_of():
    window = Window(skipped_before=2)
    assert window.to_json(skipped=2) is None
    assert window.line(skipped=2) == {}
    kept = Window(**json.loads(json.dumps(window.to_json(skipped=3))))
    assert kept.line(skipped=3) == {"train/skipped": 3}
