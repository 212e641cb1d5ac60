"""Folders of which a layout would take half: refused, with what may be meant and how to say so."""

import pytest

from jaxdet.data.pairs import draw_places
from jaxdet.data.sources import open_root
from jaxdet.datasets.commands import main
from jaxdet.errors import UserError
from tests.conftest import exit_status
from tests.data.table_files import write_csv, write_tree
from tests.data.test_released_layouts import reading


def counts(root, how=None):
    sets = open_root(str(root), reading=how).sets()
    return {one.name: (int((one.labels == 0).sum()), int(one.labels.sum())) for one in sets}


def tree(root, folders):
    return write_tree(root, [f"{one}/{one.replace('/', '')}.png" for one in folders])


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["real", "midjourney", "sdxl"], "2 folders of images say nothing: midjourney, sdxl; they "
         "may be fakes of generators beside one set of real images, which is "
         "--config.data.layout=shared_real, or nothing that is wanted, which is "
         "--config.data.layout=real_fake"),
        (["real", "fake_sd", "fake_mj"], "fake_mj, fake_sd; they may be fakes of generators"),
        (["A/real", "midjourney"], "--config.data.layout=shared_real"),
        (["fake", "photos"], 'they may be real, which is --config.data.labels=\'{"photos"'),
        (["train/real", "train/fake", "test/real", "test/sdxl"], "test/sdxl; they may be fakes"),
        (["A/real", "A/fake", "B/fake", "C/real"], "A with both labels, B with fakes alone, C with "
         "real images alone: sets may be incomplete, as after a partial download"),
        (["A/real", "A/fake", "B/fake"], "A with both labels, B with fakes alone: sets may be"),
        (["fake"], "test images are fake alone, read as data.layout=real_fake"),
        (["A/real", "B/real"], "test images are real alone"),
    ],
)  # fmt: skip
def test_a_half_is_refused_where_nobody_named_the_layout(tmp_path, capsys, folders, message):
    tree(tmp_path / "r", folders)
    with pytest.raises(UserError) as raised:
        open_root(str(tmp_path / "r"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert exit_status(main, "verify", tmp_path / "r") == 2
    assert exit_status(main, "audit", tmp_path / "r") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "folders",
    [["authentic", "fake"], ["Real", "generated"], ["Natural", "Synthetic"], ["human", "GAN"],
     ["photo", "ai/midjourney", "fake/sd"]],
)  # fmt: skip
def test_folders_may_be_called_as_labels_of_tables_are(tmp_path, folders):
    how = reading("real_fake") if "photo" in folders else None
    found = counts(tree(tmp_path / "r", folders), how)
    assert sum(fake for _, fake in found.values()) == len(folders) - 1
    assert all(real == 1 for real, _ in found.values())


def test_usual_words_count_before_others_around_an_image(tmp_path):
    tree(tmp_path, ["real/human/gan", "fake/human/gan"])
    assert counts(tmp_path) == {"test/human": (1, 1)}


def test_fakes_beside_one_set_of_reals_are_a_layout(tmp_path):
    tree(tmp_path / "r", ["set/Real", "set/sdxl/cats", "set/fake/flux", "set/gan"])
    found = counts(tmp_path / "r", reading("shared_real"))
    assert found == {"test/fake": (1, 1), "test/flux": (1, 1), "test/sdxl": (1, 1)}
    tree(tmp_path / "c", ["real", "coco", "sdxl"])
    with pytest.raises(UserError, match="coco is called as if it were real"):
        open_root(str(tmp_path / "c"), reading=reading("shared_real"))


def test_what_is_named_is_read_so_and_what_lies_beside_is_a_fault(tmp_path, capsys):
    tree(tmp_path / "r", ["A/real", "A/fake", "B/fake", "C/real"])
    how = reading("real_fake")
    assert counts(tmp_path / "r", how) == {"test/A": (1, 1), "test/B": (1, 1)}
    tree(tmp_path / "s", ["real", "fake", "midjourney"])
    assert exit_status(main, "audit", tmp_path / "s") == 1
    assert exit_status(main, "verify", tmp_path / "s") == 1
    assert "midjourney" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["GenImage/ADM/imagenet_a/val", "GenImage/glide/imagenet_b/val"], ["ADM", "glide"]),
        (["a/b/ADM", "a/b/glide"], ["ADM", "glide"]),
        (["ADM/x"], ["ADM"]),
    ],
)
@pytest.mark.parametrize("labels", [("ai", "nature"), ("real", "fake")])
def test_a_folder_around_all_is_no_generator(tmp_path, folders, names, labels):
    if "val" in folders[0] and labels[0] == "real":
        folders = [one.replace("/val", "").rpartition("/")[0] for one in folders]
    tree(tmp_path, [f"{one}/{label}" for one in folders for label in labels])
    assert sorted(counts(tmp_path)) == [f"test/{name}" for name in names]


def test_reals_around_which_the_wrapper_stands_too_stay_shared(tmp_path):
    tree(tmp_path, ["set/real", "set/ADM/fake", "set/glide/fake"])
    assert counts(tmp_path) == {"test/ADM": (1, 1), "test/glide": (1, 1)}


def test_the_folders_of_univfd_in_any_letters(tmp_path):
    tree(tmp_path, ["ImageNet/0_real", "LAION/0_real", "Guided/1_fake", "dalle/1_fake"])
    write_tree(tmp_path, ["LAION/0_real/more.png"])
    assert counts(tmp_path) == {"test/Guided": (1, 1), "test/dalle": (2, 1)}


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["split", "generator"], [["reddit", "sd"], ["test", "reddit-sd"]]),
        (["split", "generator"], [["test", "a/b"], ["test", "a_b"]]),
    ],
)
def test_two_sets_of_one_name_are_refused(tmp_path, names, rows):
    tree(tmp_path, ["i"])
    cells = [["i/i.png", label, *own] for own in rows for label in (0, 1)]
    table = write_csv(tmp_path / "t.csv", ["path", "label", *names], cells)
    with pytest.raises(UserError, match="would both be the set"):
        open_root(str(table))


def test_partners_are_of_one_generator_where_it_has_both_labels(tmp_path):
    folders = [f"train/{g}/cat/{label}" for g in ("A", "B") for label in ("real", "fake")]
    write_tree(tmp_path, [f"{one}/1.png" for one in [*folders, "train/C/cat/fake"]])
    images = open_root(str(tmp_path)).load("train", name="train")
    made_by = dict(enumerate(images.generator_names()))
    places = draw_places(images, "name").tolist()
    assert all(made_by[place] == made_by[first] for place, first in enumerate(places))
    assert sum(place != first for place, first in enumerate(places)) == 2
