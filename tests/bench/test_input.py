"""The bench's rows and ratios, on few small pictures. No speed is asserted."""

import json

import numpy as np
import pytest

from jaxdet.bench.__main__ import main
from jaxdet.bench.input import AUGMENT, InputPlan, Setting, measure_input
from jaxdet.bench.pictures import write_pictures, write_table
from jaxdet.bench.reference import PublishedDataset, ReferenceLoader, open_torch_batches
from jaxdet.config import Augment
from jaxdet.data import order
from jaxdet.data.folder import load_set
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.readers import Reader
from jaxdet.data.sources import open_root
from jaxdet.datasets.pack.listing import list_files

ROWS = {
    "folder/fast", "folder/faithful", "packed/fast", "packed/faithful", "arrayrecord/fast",
    "arrayrecord/faithful", "parquet/fast", "reference", "jpeg/fast/scaled", "jpeg/fast/whole",
    "jpeg/faithful/scaled", "jpeg/faithful/whole", "jpeg/reference",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    write_pictures(root, count=6)
    return root


def test_rows_and_ratios(pictures, tmp_path):
    settings = (Setting(kind="threads", workers=1),)
    plan = InputPlan(root=pictures, scratch=tmp_path, batch_size=4, seconds=0.05, rounds=3,
                settings=settings)  # fmt: skip
    rows = {row["what"]: row for row in measure_input(plan, say=lambda line: None)}
    assert rows.keys() == ROWS
    for name, row in rows.items():
        beside = "jpeg/reference" if name.startswith("jpeg/") else "reference"
        reference = rows[beside]["images_per_second"]
        assert rows[beside]["ratio_to_reference"] == 1
        assert row["images_per_second"] == sorted(row["rounds"])[1]
        ratio = row["images_per_second"] / reference
        assert row["ratio_to_reference"] == pytest.approx(ratio, rel=0.01)


def test_the_table_has_the_folder_s_images_in_its_order(pictures, tmp_path):
    write_table(list_files(pictures), tmp_path / "table.parquet")
    folder, table = (open_root(str(root)).load("train", name="train")
                     for root in (pictures, tmp_path / "table.parquet"))  # fmt: skip
    assert table.labels.tolist() == folder.labels.tolist()
    for index in range(len(folder)):
        one, two = (images.read(index, max_pixels=10**6) for images in (folder, table))
        assert np.array_equal(one, two)


@pytest.mark.parametrize("augment", [AUGMENT, Augment(crop=224), Augment(crop=224, resize=230)])
def test_the_reference_does_the_work_that_ours_does(pictures, augment):
    images = load_set(pictures / "train", name="train")
    dataset = PublishedDataset(images=images, augment=augment, seed=0, length=100)
    read = Reader(images=images, max_pixels=10**6, skip_bad=False)
    load = TrainLoader(read=read, augment=augment, seed=0, batch_size=4)
    epoch = order.epoch_order(len(images), seed=0, epoch=0, batch_size=1)[:, 0]
    for step in range(3):
        batch = load(step)
        for row, index in enumerate(batch["index"]):
            tensor, label = dataset[int(np.flatnonzero(epoch == index)[0])]
            mean, std = (np.array(v) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
            levels = (tensor.transpose(1, 2, 0) * std + mean) * 255
            # Both encoders are libjpeg-turbo, perhaps of two releases.
            assert np.abs(levels - batch["image"][row]).max() < 2.01
            assert label == batch["label"][row]


def test_the_reference_runs_on_torch_s_loader_where_there_is_one(pictures):
    pytest.importorskip("torch")
    images = load_set(pictures / "train", name="train")
    dataset = PublishedDataset(images=images, augment=AUGMENT, seed=0, length=8)
    load = ReferenceLoader(dataset=dataset, batch_size=4)
    with open_torch_batches(load, workers=1) as batches:
        for step, batch in enumerate(batches):
            expected = load(step)
            assert np.array_equal(batch["image"], expected["image"])
            assert batch["label"].tolist() == expected["label"].tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["input", "--images=/nowhere"], "--images=/nowhere: no such folder"),
        (["input", "--rounds=0"], "--rounds: '0': give a whole number"),
        (["inputs"], "invalid choice: 'inputs'"),
    ],
)
def test_mistakes_are_one_line(arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_the_command_writes_the_contract_s_json(tmp_path):
    main(["input", "--seconds=1", "--rounds=1", f"--json={tmp_path / 'b.json'}"])
    found = json.loads((tmp_path / "b.json").read_text())
    assert {row["what"] for row in found["rows"]} == ROWS
    assert found["machine"]
    assert "commit" in found
