"""Hard negatives: real images of their own folder, several times an epoch, drawn anew each time."""

import dataclasses

import numpy as np
import pytest

from jaxdet.config import Augment, Config, Data, Model
from jaxdet.config.validate import validate
from jaxdet.data import pipeline
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.pairs import draw_places
from jaxdet.data.readers import training_reader
from jaxdet.data.splits import load_train_and_val
from jaxdet.errors import UserError
from tests.data.table_files import structs, write_csv, write_parquet, write_tree


@pytest.fixture
def config(tmp_path):
    paths = [f"train/cat/{label}/{n}.png" for label in ("0_real", "1_fake") for n in range(8)]
    write_tree(tmp_path / "d", paths, size=40)
    write_tree(tmp_path / "hard", ["phone/a.png", "web/b.png"], size=40)
    data = Data(root=str(tmp_path / "d"), negatives=str(tmp_path / "hard"), negatives_weight=3)
    return Config(data=data)


def test_negatives_come_as_often_as_their_weight_says(config):
    plain = load_train_and_val(
        dataclasses.replace(config, data=dataclasses.replace(config.data, negatives="",
                                                             negatives_weight=1))
    )  # fmt: skip
    train, val = load_train_and_val(config)
    assert val.ids == plain[1].ids
    assert len(train) == len(plain[0]) + 6
    assert train.ids[: len(plain[0])] == list(plain[0].ids)
    names = ["00000000-a.png", "00000001-b.png"]
    assert train.ids[-2:] == [f"negatives 3/0_real/{name}" for name in names]
    assert not train.labels[-6:].any()
    augment = Augment(crop=16)
    read = training_reader(config.data, augment, train)
    load = TrainLoader(read=read, augment=augment, seed=1, batch_size=len(train))
    batch = load(0)
    assert sorted(batch["index"].tolist()) == list(range(len(train)))
    first = len(plain[0])
    shown = {int(i): image for i, image in zip(batch["index"], batch["image"], strict=True)}
    same = [np.array_equal(shown[first], shown[first + 2 * n]) for n in (1, 2)]
    assert not all(same)


def test_row_groups_of_training_images_stay_together(config, tmp_path):
    columns = {"image": structs(24), "label": [0, 1] * 12, "split": ["train"] * 24}
    table = write_parquet(tmp_path / "t.parquet", columns, group=4)
    data = dataclasses.replace(config.data, root=str(table), validation="none")
    train, _ = load_train_and_val(dataclasses.replace(config, data=data))
    assert len(train) == 24 + 6
    assert len(np.unique(train.blocks.number[:24])) == 6
    assert train.blocks.number[24:].min() == 6
    assert len(train.blocks.number) == len(train.blocks.label) == len(train)
    assert pipeline._reads_groups(TrainLoader(
        read=training_reader(data, Augment(crop=16), train), augment=Augment(crop=16), seed=1,
        batch_size=4,
    ))  # fmt: skip


@pytest.mark.parametrize("pairs", ["name", "group"])
def test_images_of_a_table_pair_beside_negatives_and_never_with_them(config, tmp_path, pairs):
    rows = [[f"d/train/cat/{label}/{n}.png", fake, "train", str(n)]
            for fake, label in enumerate(("0_real", "1_fake")) for n in range(8)]  # fmt: skip
    columns = ["path", "label", "split", "group"]
    table = write_csv(tmp_path / "t.csv", columns, rows)
    hard = [[f"hard/{one}.png", 0, "train", str(n)] for n, one in enumerate(("phone/a", "web/b"))]
    data = dataclasses.replace(
        config.data, root=str(table), validation="none", pairs=pairs,
        negatives=str(write_csv(tmp_path / "hard.csv", columns, hard)),
    )  # fmt: skip
    train, _ = load_train_and_val(dataclasses.replace(config, data=data))
    assert len(train) == 16 + 6
    places = draw_places(train, pairs)
    assert places.tolist() == [*range(8), *range(8), *range(16, 22)]


def test_fakes_are_no_negatives(config, tmp_path):
    write_tree(tmp_path / "odd", ["fake/a.png"])
    table = write_csv(tmp_path / "t.csv", ["path", "label"], [["hard/web/b.png", 1]])
    for place, message in ((tmp_path / "odd", "as if it were fake"), (table, "is fake; all of")):
        data = dataclasses.replace(config.data, negatives=str(place))
        with pytest.raises(UserError, match=message):
            load_train_and_val(dataclasses.replace(config, data=data))
    alone = dataclasses.replace(config.data, negatives="")
    with pytest.raises(UserError, match=r"negatives_weight=3 changes nothing without data.neg"):
        validate(dataclasses.replace(config, data=alone))
    with pytest.raises(UserError, match="shows images again"):
        validate(dataclasses.replace(config, model=Model(name="knn")))
