import json

import pytest

from jaxdet.config import Evaluation, Model
from jaxdet.convert.card import network_options
from jaxdet.errors import UserError
from jaxdet.evals.published import Published, find_published

README = "cnndetection_readme; readme; Blur+JPEG (0.5); released weights"


def find(row="auto", *, weights="", crop=224, protocol="crop"):
    evaluation = Evaluation(published=row, crop=crop, protocols=(protocol,))
    return find_published(evaluation, weights=str(weights))


def test_a_named_row_gives_the_printed_figures():
    found = find("wang2020; table2; Blur+JPEG (0.5); Wang et al.")
    assert len(found.ap) == 11
    # Wang et al., table 2.
    assert (found.ap["stylegan"], found.ap["seeingdark"], found.ap["san"]) == (0.985, 0.927, 0.639)


def test_released_weights_are_known_by_their_file_also_after_conversion(tmp_path):
    found = find(weights="weights/blur_jpg_prob0.5.pth")
    assert found.row == README
    assert len(found.ap) == 13
    assert found.ap["whichfaceisreal"] == 0.888
    source = {"file": "blur_jpg_prob0.5.pth", "sha256": "0"}
    about = {"kind": "jaxdet-detector", "schema_version": 1, "source": source}
    about["model"] = network_options(Model())
    (tmp_path / "detector.json").write_text(json.dumps(about))
    assert find(weights=tmp_path) == found


@pytest.mark.parametrize(("row", "weights"), [
    ("auto", "mine.pth"), ("none", "blur_jpg_prob0.5.pth"), ("auto", ""),
])  # fmt: skip
def test_elsewhere_nothing_stands_beside(row, weights):
    assert find(row, weights=weights) == Published()


@pytest.mark.parametrize("row", ["auto", README])
def test_figures_of_another_crop_are_not_shown(row):
    assert find(row, weights="blur_jpg_prob0.5.pth", crop=128) == Published(row=README)


def test_figures_are_those_of_the_headline_s_protocol():
    weights = "blur_jpg_prob0.5.pth"
    whole = find(weights=weights, protocol="full")
    # README of CNNDetection, without cropping.
    assert len(whole.ap) == 13
    assert whole.ap != find(weights=weights).ap
    for protocol in ("resize", "five_crops"):
        assert find(weights=weights, protocol=protocol) == Published(row=README)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("wang2020; table2; Blur+JPEG(0.5); Wang et al.", r"such as 'wang2020; table2; Blur"),
        ("x", "no such row"),
    ],
)
def test_a_row_that_is_not_there_is_told(row, says):
    with pytest.raises(UserError, match=says):
        find(row)


def test_a_row_that_was_resized_stands_beside_the_same_protocol_alone():
    row = "wang2020; appendixA.7; Blur+JPEG (0.1) / {}center crop 224; Wang et al."
    resized, plain = row.format("resize 256, "), row.format("no resize, ")
    assert find(resized, protocol="resize").ap
    assert not find(resized).ap
    assert find(plain).ap
    assert not find(plain, protocol="resize").ap


def test_figures_of_images_as_they_are_do_not_stand_beside_equalised_ones():
    evaluation = Evaluation(published=README, crop=224, equalise="jpeg:96")
    assert find_published(evaluation, weights="") == Published(row=README)
