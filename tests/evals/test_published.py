import json

import pytest

from jaxdet.config import Config, Evaluation, Model
from jaxdet.convert.card import network_options
from jaxdet.errors import UserError
from jaxdet.evals.published import Published, find_published

README = "cnndetection_readme; readme; Blur+JPEG (0.5); released weights"


def config(row="auto", *, init="", task="eval", crop=224, protocol="crop"):
    evaluation = Evaluation(published=row, crop=crop, protocols=(protocol,))
    return Config(task=task, model=Model(init=str(init)), evaluation=evaluation)


def test_a_named_row_gives_the_printed_figures():
    found = find_published(config("wang2020; table2; Blur+JPEG (0.5); Wang et al."))
    assert len(found.ap) == 11
    # Wang et al., table 2.
    assert (found.ap["stylegan"], found.ap["seeingdark"], found.ap["san"]) == (0.985, 0.927, 0.639)


def test_released_weights_are_known_by_their_file_also_after_conversion(tmp_path):
    found = find_published(config(init="weights/blur_jpg_prob0.5.pth"))
    assert found.row == README
    assert len(found.ap) == 13
    assert found.ap["whichfaceisreal"] == 0.888
    source = {"file": "blur_jpg_prob0.5.pth", "sha256": "0"}
    about = {"kind": "jaxdet-detector", "schema_version": 1, "source": source}
    about["model"] = network_options(Model())
    (tmp_path / "detector.json").write_text(json.dumps(about))
    assert find_published(config(init=tmp_path)) == found


@pytest.mark.parametrize(
    "without",
    [
        config(init="mine.pth"),
        config("none", init="blur_jpg_prob0.5.pth"),
        # What starts from released weights and trains on is no longer those weights.
        config(init="blur_jpg_prob0.5.pth", task="train_eval"),
    ],
)
def test_elsewhere_nothing_stands_beside(without):
    assert find_published(without) == Published()


@pytest.mark.parametrize("row", ["auto", README])
def test_figures_of_another_crop_are_not_shown(row):
    other = config(row, init="blur_jpg_prob0.5.pth", crop=128)
    assert find_published(other) == Published(row=README)


def test_figures_are_those_of_the_headline_s_protocol():
    weights = "blur_jpg_prob0.5.pth"
    whole = find_published(config(init=weights, protocol="full"))
    # README of CNNDetection, without cropping.
    assert len(whole.ap) == 13
    assert whole.ap != find_published(config(init=weights)).ap
    for protocol in ("resize", "five_crops"):
        assert find_published(config(init=weights, protocol=protocol)) == Published(row=README)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("wang2020; table2; Blur+JPEG(0.5); Wang et al.", r"such as 'wang2020; table2; Blur"),
        ("x", "no such row"),
    ],
)
def test_a_row_that_is_not_there_is_told(row, says):
    with pytest.raises(UserError, match=says):
        find_published(config(row))


def test_a_row_that_was_resized_stands_beside_the_same_protocol_alone():
    row = "wang2020; appendixA.7; Blur+JPEG (0.1) / {}center crop 224; Wang et al."
    resized, plain = row.format("resize 256, "), row.format("no resize, ")
    assert find_published(config(resized, protocol="resize")).ap
    assert not find_published(config(resized)).ap
    assert find_published(config(plain)).ap
    assert not find_published(config(plain, protocol="resize")).ap
