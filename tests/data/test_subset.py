"""A share of the training images never tears partners or groups apart."""

from collections import Counter

import numpy as np
import pytest

from jaxdet.config import Config, Data
from jaxdet.data.splits import load_train_and_val
from jaxdet.data.subset import draw_subset
from tests.data.table_files import content, structs, write_parquet


class Named:
    """Has what a draw asks of a set."""

    def __init__(self, ids, groups=None):
        self.ids, self.groups = ids, groups or [""] * len(ids)

    def __len__(self):
        return len(self.ids)

    def group_names(self):
        return self.groups


def ids_of(real, fake, category="cat"):
    return [f"{category}/0_real/{i}.png" for i in range(real)] + [
        f"{category}/1_fake/{i}.png" for i in range(fake)
    ]


@pytest.fixture
def named_alike(tmp_path):
    """30 photographs, of which the first 20 have a fake; 40 fakes have none."""
    for label, numbers in (("0_real", range(30)), ("1_fake", (*range(20), *range(40, 80)))):
        folder = tmp_path / "train" / label
        folder.mkdir(parents=True)
        for number in numbers:
            (folder / f"{number:03d}.png").write_bytes(content(number, size=8))
    return str(tmp_path)


def test_partners_are_held_out_and_drawn_together(named_alike):
    data = Data(root=named_alike, pairs="name", val_fraction=0.3, fraction=0.5)
    train, val = load_train_and_val(Config(data=data))
    assert not set(train.stems()) & set(val.stems())
    assert np.bincount(val.labels).tolist() == [9, 18]
    paired = {f"{number:03d}" for number in range(20)}
    counts = Counter(train.stems())
    assert {counts[stem] for stem in paired & counts.keys()} == {2}
    # Half of the 21 and 42 that are left.
    real, fake = np.bincount(train.labels).tolist()
    assert 9 <= real <= 10
    assert fake == 21


def test_groups_of_a_table_lie_on_one_side_without_pairs_too(tmp_path):
    columns = {
        "image": structs(40),
        "label": [0, 1] * 20,
        "group": [f"g{number // 4}" if number < 32 else None for number in range(40)],
        "split": ["train"] * 40,
    }
    root = str(write_parquet(tmp_path / "a.parquet", columns))
    train, val = load_train_and_val(Config(data=Data(root=root, val_fraction=0.25)))
    assert set(train.group_names()) & set(val.group_names()) <= {""}
    assert 4 <= len(val) <= 10


def test_a_group_that_is_most_of_the_set_stays_in_training():
    ids = ids_of(20, 20)
    groups = ["one" if int(i.rsplit("/")[-1][:-4]) < 15 else "" for i in ids]
    taken = draw_subset(Named(ids, groups), share=0.1, seed=0, stream=4)
    assert {groups[place] for place in taken} == {""}
    assert len(taken) == 4
    # Where there is nothing else, the smallest is taken whole.
    groups = ["big" if int(i.rsplit("/")[-1][:-4]) < 15 else "small" for i in ids]
    taken = draw_subset(Named(ids, groups), share=0.1, seed=0, stream=4)
    assert [groups[place] for place in taken] == ["small"] * 10


def test_without_pairs_and_groups_images_are_drawn_as_ever():
    """Places that seed 3 drew before there were groups."""
    images = Named(ids_of(10, 10) + ids_of(4, 7, category="dog"))
    assert draw_subset(images, share=0.3, seed=3, stream=4).tolist() == [
        0, 2, 7, 11, 13, 14, 20, 28, 29
    ]  # fmt: skip
