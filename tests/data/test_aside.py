import json
import os

import numpy as np
import pytest
from PIL import Image

from jaxdet.data.aside import look_aside
from jaxdet.data.folder import label_places, load_sets, look_at_layout
from jaxdet.datasets.verify.tree import Expect, verify_tree
from jaxdet.errors import UserError
from tests.conftest import write_images


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def test_a_line_says_how_many_of_which_kind_and_what_helps(tmp_path):
    folder = write_images(tmp_path / "test" / "x", count=1)
    touch(folder / "0_real", *(f"{n}.HEVC" for n in range(6)), "a", "b")
    touch(folder / "extra", "1.png", "2.JPG", "3.webp")
    (folder / "0_real" / "up").symlink_to(folder)
    assert look_at_layout(tmp_path).sentence() == (
        "8 other files left aside: 6 .HEVC, 2 without an ending; "
        "1 linked folder not followed in a circle (test/x/0_real/up); "
        "3 image files in folders that are not looked into: test/x/extra (3)"
    )


def test_a_line_stays_short_and_can_be_printed_whatever_there_is(tmp_path):
    places = [tmp_path / "train" / f"{n:04d}{'x' * 150}" / "one\nmore" for n in range(200)]
    for number, place in enumerate(places):
        touch(place, "1.png", f"2.{number}\t{'y' * 100}")
    (tmp_path / "train" / os.fsdecode(b"\xff.\xfe\xfd")).touch()
    aside = look_at_layout(tmp_path)
    sentence = aside.sentence()
    assert (aside.files, aside.unseen.total()) == (401, 200)
    assert len(sentence) < 1000
    assert sentence.isprintable()
    assert "195 with other endings" in sentence
    assert "and 194 more folders" in sentence
    json.dumps(aside.to_plain())


def test_a_root_in_the_middle_of_other_things_is_not_counted_to_its_end(tmp_path):
    write_images(tmp_path / "train" / "cat", count=2)
    touch(tmp_path / "train" / "cat", "left.png")
    touch(tmp_path / "home", *(f"{n}.py" for n in range(30)))
    touch(tmp_path / "other", *(f"{n}.py" for n in range(30)))
    looked_into = {"train/cat/0_real", "train/cat/1_fake"}
    aside = look_aside(tmp_path, looked_into=looked_into, most=20)
    assert aside.sentence().endswith("train/cat (1); there is more, not counted")
    assert aside.files == 31
    assert look_aside(tmp_path, looked_into=looked_into).files == 61


def test_other_splits_are_passed_over_and_other_names_are_not(tmp_path):
    for split in ("train", "test", "Val"):
        touch(tmp_path / split / "cat", "stray.png")
    assert look_at_layout(tmp_path, splits=("train",)).unseen == {"train/cat": 1, "Val/cat": 1}


@pytest.mark.parametrize("split", ["train", "val"])
def test_labels_may_lie_in_a_split_itself_for_all_commands(tmp_path, split):
    write_images(tmp_path / split, count=2)
    touch(tmp_path / split / "cat" / "0_real", "stray.png")
    (images,) = load_sets(tmp_path)
    assert len(images) == 4
    assert [*label_places(tmp_path, split)] == [(split, "", "0_real"), (split, "", "1_fake")]
    report = verify_tree(tmp_path, expect=Expect.AUTO)
    assert [one.path for one in report.findings] == [f"{split}/cat/0_real"]
    assert (report.checked, report.counts[0].real) == (4, 2)


def test_tests_belong_to_sets_with_names(tmp_path):
    write_images(tmp_path / "test", count=2)
    with pytest.raises(UserError, match="test: holds images directly"):
        load_sets(tmp_path)
    report = verify_tree(tmp_path, expect=Expect.AUTO)
    assert {one.path for one in report.findings} == {"test/0_real", "test/1_fake"}


def test_images_beside_the_splits_are_nobodys_but_those_below_a_label(tmp_path):
    write_images(tmp_path / "test" / "a", count=1)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "sheet.png")
    touch(tmp_path / "samples", "1.png")
    assert verify_tree(tmp_path, expect=Expect.NOTHING).findings == ()
    touch(tmp_path / "old" / "0_real", "1.png")
    (finding,) = verify_tree(tmp_path, expect=Expect.NOTHING).findings
    assert (finding.path, finding.detail) == ("old/0_real", "1 image file where no command looks")
