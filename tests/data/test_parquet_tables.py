"""Parquet files and folders of shards as data roots: read in place, shuffled, bounded."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxdet.config import Augment, Config, Data
from jaxdet.data import order
from jaxdet.data.loaders import TrainLoader
from jaxdet.data.readers import training_reader
from jaxdet.data.sources import open_root
from jaxdet.data.splits import load_train_and_val
from jaxdet.data.table import groups, parquet
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.load import read_table
from jaxdet.errors import UserError
from tests.data.table_files import content, structs, write_parquet

LABELS = {"label": ["real", "fake"]}


def reading(labels=None, columns=None):
    return Reading.of(
        columns=json.dumps(columns) if columns else "",
        labels=json.dumps(labels) if labels else "",
        layout="auto",
    )


def only_set(path, how=None):
    root = open_root(str(path), reading=how)
    (name,) = root.categories("test")
    return root.load(f"test/{name}", name=name)


@pytest.fixture
def shards(tmp_path):
    """Four shards sorted by label, of 30 rows each: reals, reals, fakes, fakes."""
    folder = tmp_path / "shards"
    for number in range(4):
        write_parquet(
            folder / f"train-{number:05}-of-00004.parquet",
            {"image": structs(30, start=30 * number), "label": [number // 2] * 30},
            names=LABELS,
        )
    return folder


def test_shards_are_one_split_that_their_names_say(shards):
    images = open_root(str(shards)).load("train", name="train")
    assert np.bincount(images.labels).tolist() == [60, 60]
    assert images.content(61, max_pixels=10**6) == content(61)
    assert images.where(61) == str(shards / "train-00002-of-00004.parquet#1")
    assert images.size(0) == (24, 24)
    assert images.blocks.number.tolist() == np.repeat(np.arange(12), 10).tolist()


def test_labels_go_by_names_where_shards_number_them_otherwise(tmp_path):
    for number, names in enumerate((["real", "fake"], ["fake", "real"])):
        write_parquet(
            tmp_path / "s" / f"{number}.parquet",
            {"image": structs(4, start=4 * number), "label": [0, 1, 0, 1]},
            names={"label": names},
        )
    images = only_set(tmp_path / "s")
    fakes = [images.where(i).rsplit("/", 1)[1] for i in np.flatnonzero(images.labels)]
    assert fakes == ["0.parquet#1", "0.parquet#3", "1.parquet#0", "1.parquet#2"]


def test_numbers_with_names_in_one_shard_alone_are_refused(tmp_path):
    write_parquet(
        tmp_path / "0.parquet", {"image": structs(2), "label": [0, 1]}, names={"label": ["a", "b"]}
    )
    with pytest.raises(UserError, match="'a' says neither real nor fake"):
        only_set(tmp_path)
    write_parquet(
        tmp_path / "0.parquet",
        {"image": structs(2), "label": [0, 1]},
        names={"label": ["fake", "real"]},
    )
    write_parquet(tmp_path / "1.parquet", {"image": structs(2), "label": [0, 1]})
    with pytest.raises(UserError, match=r"0.parquet names the numbers of its labels and 1.parquet"):
        only_set(tmp_path)
    # What the user says of the numbers counts before what a shard calls them.
    images = only_set(tmp_path, reading(labels={"0": "real", "1": "fake"}))
    assert images.where(0).endswith("0.parquet#0")
    assert images.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "label",
    [
        pa.array([True, False]),
        pa.array([1.0, 0.0]),
        pa.array(["fake", "real"]).dictionary_encode(),
        pa.array([1, 0], pa.uint8()),
        pa.array(["AI", "nature"], pa.large_string()),
    ],
)
def test_labels_of_many_types(tmp_path, label):
    path = write_parquet(tmp_path / "a.parquet", {"image": structs(2), "label": label})
    assert only_set(path).where(0).endswith("#1")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (pa.array([None, None]), "row 0: has no label"),
        (pa.array([0, None]), "row 1: has no label"),
        (pa.array([0, -1]), "row 1: its label '-1'"),
        (pa.array([[0], [1]]), "is of type list<element: int64>, not one value a row"),
        (pa.array([0, 1], pa.date32()), "row 0: its label '1970-01-01'"),
        (pa.array([0, 2**63], pa.uint64()), "row 1: its label '9223372036854775808'"),
        (pa.array([0.5, float("nan")]), "row 0: its label '0.5'"),
        (pa.array([b"real", b"fake"]), "is of type binary, not one value a row"),
    ],
)
def test_mistakes_in_labels_are_one_line(tmp_path, label, message):
    path = write_parquet(tmp_path / "a.parquet", {"image": structs(2), "label": label})
    with pytest.raises(UserError) as raised:
        only_set(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_are_no_tables_of_images_are_one_line(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"image": structs(20), "label": [0, 1] * 10})
    whole = path.read_bytes()
    for damaged in (b"", b"PAR1", whole[:-3], whole[: len(whole) // 2], b"\0" * 1000):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read as Parquet"):
            only_set(path)
    write_parquet(path, {"image": structs(0), "label": pa.array([], pa.int64())})
    with pytest.raises(UserError, match="holds no rows"):
        only_set(path)
    write_parquet(path, {"image": [1.5, 2.5], "label": [0, 1]})
    with pytest.raises(UserError, match="column 'image' is of type double; images are bytes"):
        only_set(path)


def test_a_table_beside_images_is_refused(tmp_path):
    write_parquet(tmp_path / "a.parquet", {"image": structs(2), "label": [0, 1]})
    (tmp_path / "a.png").write_bytes(content(0))
    with pytest.raises(UserError, match=r"holds a table, a.parquet, and image files, a.png"):
        open_root(str(tmp_path))


def test_bytes_paths_and_structs_without_bytes(tmp_path):
    (tmp_path / "0000.png").write_bytes(content(0))
    cells = [{"bytes": None, "path": "0000.png"}, {"bytes": content(1), "path": None}]
    columns = {"image": cells, "label": [0, 1]}
    images = only_set(write_parquet(tmp_path / "a.parquet", columns))
    assert [images.content(i, max_pixels=10**6) for i in (0, 1)] == [content(0), content(1)]
    columns = {"image": [content(0), content(1)], "label": [0, 1]}
    images = only_set(write_parquet(tmp_path / "b.parquet", columns))
    assert images.content(1, max_pixels=10**6) == content(1)
    columns = {"image": ["0000.png", "0000.png"], "label": [0, 1]}
    images = only_set(write_parquet(tmp_path / "c.parquet", columns))
    assert images.content(1, max_pixels=10**6) == content(0)
    assert images.blocks is None


def test_damaged_rows_are_unreadable_images(tmp_path):
    image = structs(60, lacking={3}, damaged={50})
    path = write_parquet(
        tmp_path / "a.parquet",
        {"image": image, "label": [0] * 30 + [1] * 30, "split": ["train"] * 60},
    )
    config = Config(data=Data(root=str(path), validation="none", on_bad_image="skip"))
    images, _ = load_train_and_val(config)
    augment = Augment(crop=16)
    read = training_reader(config.data, augment, images)
    load = TrainLoader(read=read, augment=augment, seed=0, batch_size=20)
    batches = [load(step) for step in range(3)]
    seen = np.concatenate([batch["index"] for batch in batches])
    bad = np.concatenate([batch["bad"] for batch in batches])
    assert sorted(set(bad) - {-1}) == [3, 50]
    assert not {3, 50} & set(seen.tolist())
    assert np.concatenate([batch["valid"] for batch in batches]).all()


def test_a_damaged_row_group_is_that_many_unreadable_images(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"image": structs(20), "label": [0, 1] * 10})
    images = only_set(path)
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    first = column.dictionary_page_offset or column.data_page_offset
    with open(path, "r+b") as file:
        file.seek(first)
        file.write(bytes(60))
    groups._GROUPS.__init__(groups.MOST_BYTES)
    for index in range(20):
        if int(images.where(index).rsplit("#", 1)[1]) < 10:
            with pytest.raises(ValueError, match="its row group 0 cannot be read"):
                images.read(index, max_pixels=10**6)
        else:
            assert images.read(index, max_pixels=10**6).shape == (24, 24, 3)


def test_every_epoch_shows_each_image_once_and_batches_mix_sorted_shards(shards, monkeypatch):
    images = open_root(str(shards)).load("train", name="train")
    monkeypatch.setattr(order, "WINDOW_BYTES", int(images.blocks.bytes.max()) * 4)
    epochs = [
        order.epoch_order(120, seed=1, epoch=epoch, batch_size=20, blocks=images.blocks)
        for epoch in (0, 1)
    ]
    for epoch in epochs:
        assert sorted(epoch.ravel().tolist()) == list(range(120))
        shares = images.labels[epoch].mean(axis=1)
        assert shares.min() >= 0.2
        assert shares.max() <= 0.8
    assert not np.array_equal(*epochs)
    again = order.epoch_order(120, seed=1, epoch=0, batch_size=20, blocks=images.blocks)
    assert np.array_equal(again, epochs[0])


def test_few_row_groups_are_read_and_few_are_kept(shards, monkeypatch):
    """Each once an epoch, where those of a window fit; and never more bytes than are allowed."""
    images = open_root(str(shards)).load("train", name="train")
    monkeypatch.setattr(order, "WINDOW_BYTES", 1)  # eight blocks
    size = int(images.blocks.bytes.max())
    kept = groups.Groups(17 * size)
    monkeypatch.setattr(groups, "_GROUPS", kept)
    reads, real = [], parquet.read_group
    monkeypatch.setattr(groups, "read_group", lambda *a: reads.append(a) or real(*a))
    blocks = images.blocks
    for epoch in (0, 1):
        reads.clear()
        for index in order.epoch_order(
            120, seed=1, epoch=epoch, batch_size=1, blocks=blocks
        ).ravel():
            images.content(int(index), max_pixels=10**6)
            assert kept.held <= 18 * size
        assert len(reads) <= 12
    kept = groups.Groups(0)
    monkeypatch.setattr(groups, "_GROUPS", kept)
    for index in range(120):
        images.content(index, max_pixels=10**6)
    assert kept.held <= 2 * size


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.int8()])
def test_names_count_whatever_holds_the_numbers(tmp_path, kind):
    path = write_parquet(
        tmp_path / "a.parquet",
        {"image": structs(2), "label": pa.array([0, 1], kind)},
        names={"label": ["fake", "real"]},
    )
    assert only_set(path).where(0).endswith("#1")


def test_a_number_without_a_name_is_refused_where_others_have_one(tmp_path):
    columns = {"image": structs(2), "label": [0, 1]}
    path = write_parquet(tmp_path / "a.parquet", columns, names={"label": ["fake"]})
    with pytest.raises(UserError, match="row 1: its label '1, which has no name' says neither"):
        only_set(path)
    assert only_set(path, reading(labels={"0": "real", "1": "fake"})).where(0).endswith("#0")


def test_shards_of_which_some_say_no_split_are_refused(tmp_path):
    names = ("train-00000-of-00001.parquet", "validation.parquet", "sub/test.parquet")
    for name in names:
        write_parquet(tmp_path / "v1.4" / name, {"image": structs(2), "label": [0, 1]})
    root = open_root(str(tmp_path / "v1.4"))
    assert [len(one) for one in root.sets()] == [2, 2, 2]
    assert root.categories("test") == ["v1.4"]
    write_parquet(tmp_path / "v1.4" / "more.parquet", {"image": structs(2), "label": [0, 1]})
    with pytest.raises(UserError, match=r"says its split and more.parquet does not; rename it"):
        open_root(str(tmp_path / "v1.4"))


def test_a_column_with_a_dot_in_its_name_has_bytes(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"my.image": structs(2), "label": [0, 1]})
    images = only_set(path, reading(columns={"image": "my.image"}))
    assert images.blocks.bytes.min() > 100
    assert images.content(0, max_pixels=10**6) == content(0)


def test_images_of_another_column_are_other_images(tmp_path):
    """Or scores and features of the one would be taken for those of the other."""
    columns = {"clean": structs(4), "jpeg": structs(4, start=4), "label": [0, 1] * 2}
    path = write_parquet(tmp_path / "a.parquet", columns)
    sets = [only_set(path, reading(columns={"image": name})) for name in ("clean", "jpeg")]
    for compare in ("times", "bytes"):
        assert sets[0].identity(compare) != sets[1].identity(compare)
    again = only_set(path, reading(columns={"image": "clean"}))
    assert again.identity("times") == sets[0].identity("times")


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int16()])
def test_a_word_in_each_of_128_or_256_rows(tmp_path, kind):
    """As many as indices of one byte can tell apart, and none is left for an empty cell."""
    count = 256 if kind == pa.uint8() else 128
    words = pa.array([f"g{number}" for number in range(count)])
    columns = {
        "image": [f"{number}.png" for number in range(count)],
        "label": [0, 1] * (count // 2),
        "generator": pa.DictionaryArray.from_arrays(pa.array(range(count), kind), words),
    }
    table = read_table(write_parquet(tmp_path / "a.parquet", columns, group=count), Reading())
    assert [table.generator[row] for row in (0, count - 1)] == ["g0", f"g{count - 1}"]


def test_files_that_rows_name_are_part_of_the_identity(tmp_path):
    (tmp_path / "a.png").write_bytes(content(0))
    cells = [{"bytes": None, "path": "a.png"}, {"bytes": content(1), "path": "b.png"}]
    path = write_parquet(tmp_path / "t.parquet", {"image": cells, "label": [0, 1]}, group=1)
    before = only_set(path).identity("bytes")
    assert only_set(path).identity("bytes") == before
    (tmp_path / "a.png").write_bytes(content(2))
    assert only_set(path).identity("bytes") != before
    assert parquet.paths_beside(path, "image") == ["a.png"]
    assert parquet.paths_beside(tmp_path / "none.parquet", "image") == []


def test_numbers_of_rows_are_those_of_one_table(tmp_path):
    def numbering(name, cells, labels):
        path = write_parquet(tmp_path / name / "t.parquet", {"image": cells, "label": labels})
        return open_root(str(path)).load("test/t", name="t").numbering

    labels = [0, 1] * 6
    first = numbering("a", structs(12), labels)
    assert numbering("copy", structs(12), labels) == first
    assert numbering("fewer", structs(11), labels[:11]) != first
    assert numbering("other", structs(12, start=1), labels) != first
    assert numbering("groups", structs(12), labels[::-1]) != first
