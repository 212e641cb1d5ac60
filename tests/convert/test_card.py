"""Cards from elsewhere: what is printed of one was checked when it was read."""

import dataclasses
import json

import pytest

from jaxdet.convert.card import Card, read_card
from jaxdet.errors import UserError

_FIGURES = {
    "ap": 0.9, "ap_ci95": [0.8, 0.95], "accuracy": 0.8, "sharpness_ap": 0.5,
    "n_real": 9, "n_fake": 9,
}  # fmt: skip


def plain(tmp_path, *, training=(), **figures):
    """A card as JSON has it, of one test set."""
    card = json.loads(json.dumps(dataclasses.asdict(Card(model={"name": "resnet18"}))))
    known = {"n_real": 4, "n_fake": 5, "classes": ["cat"], **dict(training)}
    return {**card, "training": known, "measured": {"progan": {**_FIGURES, **figures}}}


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = read_card(plain(tmp_path), place=tmp_path)
    assert card.measured == {"progan": _FIGURES}
    assert read_card(plain(tmp_path, ap_ci95=None), place=tmp_path).training["n_real"] == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"n_real": None}}, {"training": {"n_fake": "9"}}, {"training": {"classes": 3}},
        {"ap_ci95": [None, 1]}, {"ap_ci95": [0.5]}, {"ap_ci95": 1}, {"n_real": "many"},
        {"ap": None},
    ],
)  # fmt: skip
def test_one_with_figures_that_are_none_is_refused(tmp_path, changes):
    with pytest.raises(UserError, match="not a card of this jaxdet"):
        read_card(plain(tmp_path, **changes), place=tmp_path)
