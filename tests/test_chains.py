"""Chains of degradations are read from their text, or refused in a line that names the option."""

import pytest

from jaxdet import config as schema
from jaxdet.config.chains import read_chain, read_chains
from jaxdet.config.views import read_views
from jaxdet.errors import UserError


def test_named_chains_are_what_they_stand_for():
    assert read_chains(["web", "hard", "screenshot:0.75", "web+blur:1.5"]) == {
        "web": (("long", 768), ("jpeg", 60)),
        "hard": (("long", 512), ("jpeg", 40)),
        "screenshot:0.75": (("scale", 0.75),),
        "web+blur:1.5": (("long", 768), ("jpeg", 60), ("blur", 1.5)),
    }


def test_training_sees_the_same_chains_under_their_spelling():
    (view,) = read_views(["hard"])
    assert view.name == "long:512+jpeg:40"
    assert list(view.degradations) == read_chain("hard", option="x")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("facebook",), "'facebook' is not one of jpeg:LEVEL, blur:LEVEL, scale:LEVEL, long:LEVEL"),
        (("long:0",), "'long:0': the level of long is not at least 1"),
        (("long:10.5",), "the level of long is not a whole number, at least 1"),
        (("web:1024",), "'web:1024' is not one of"),
        (("screenshot",), "the level of scale"),
        (("web+",), "is not one of"),
        (("web", "long:768+jpeg:60"), "names one twice"),
        (("web", "web"), "names one twice"),
    ],
)
def test_what_is_no_chain_is_refused(given, says):
    with pytest.raises(UserError) as refusal:
        schema.validate(schema.Config(evaluation=schema.Evaluation(chains=given)))
    assert says in str(refusal.value)
    assert str(refusal.value).startswith("config: evaluation.chains")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", ["jpeg", "jpeg:0", "jpeg:101", "jpeg:9.5", "png", "", "web"])
def test_what_cannot_equalise_is_refused(value):
    with pytest.raises(UserError, match=r"^config: evaluation\.equalise='.*' is not none or jpeg:"):
        schema.validate(schema.Config(evaluation=schema.Evaluation(equalise=value)))


@pytest.mark.parametrize("value", ["none", "jpeg:1", "jpeg:96", "jpeg:100"])
def test_what_equalises_is_taken(value):
    schema.validate(schema.Config(evaluation=schema.Evaluation(equalise=value)))
