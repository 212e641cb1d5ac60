"""Files that somebody made by hand: what would pass a checksum, and still is not believed."""

import dataclasses
import hashlib
import json
import os
import sys
import time
import tracemalloc

import numpy as np
import pytest

from jaxdet import config
from jaxdet.convert.load import load_weights
from jaxdet.data.sources import open_root
from jaxdet.data.store.layout import RECORD, DamagedStoreError
from jaxdet.datasets.pack.listing import list_files
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.errors import UserError
from jaxdet.results import Predictions, read_arrays, read_metrics, read_results
from jaxdet.scoring.rows import ROW, RowKeeper
from jaxdet.workdir.files import read_json
from jaxdet.workdir.identity import json_sha256
from tests.conftest import write_images
from tests.fuzz import build
from tests.report.runs import predictions


@pytest.fixture
def store(tmp_path):
    write_images(tmp_path / "root" / "train" / "a", count=2, size=16)
    pack(tmp_path / "root", tmp_path / "store", say=lambda line: None)
    return tmp_path / "store"


def sign(store, **changes):
    """Gives a store the sums of what it holds now."""
    path = store / "store.json"
    about = {**json.loads(path.read_text()), **changes}
    about["sha256"] = {
        name: hashlib.sha256((store / name).read_bytes()).hexdigest() for name in about["sha256"]
    }
    del about["digest"]
    path.write_text(json.dumps({**about, "digest": json_sha256(about)}))


@pytest.mark.parametrize(
    ("field", "value"),
    [("offset", 2**63), ("size", 10**6), ("name", 2**40), ("name_size", 60_000), ("shard", 7),
     ("folder", 9), ("height", 60_000)],
)  # fmt: skip
def test_an_index_that_points_elsewhere_is_refused(store, field, value):
    index = np.load(store / "index.npy")
    index[field][1] = value
    np.save(store / "index.npy", index)
    sign(store)
    with pytest.raises(DamagedStoreError, match="points beyond the store"):
        open_root(str(store))


@pytest.mark.parametrize(
    "index", [np.zeros(3), np.zeros((2, 2), RECORD), np.array([None, 1], object)]
)
def test_an_index_of_another_kind_is_refused(store, index):
    np.save(store / "index.npy", index, allow_pickle=True)
    sign(store)
    with pytest.raises(DamagedStoreError, match="not an index"):
        open_root(str(store))


@pytest.mark.parametrize(
    "folder", ["train/../../x/0_real", "train//0_real", "elsewhere/0_real", "train/a", "", 5]
)
def test_folders_that_lead_out_of_a_store_are_refused(store, folder):
    sign(store, folders=[folder, "train/a/1_fake"])
    with pytest.raises(DamagedStoreError, match="is not as it was written"):
        open_root(str(store))


def test_names_that_lead_out_of_a_store_are_refused(store):
    names = (store / "names.bin").read_bytes()
    (store / "names.bin").write_bytes(names.replace(b"000.png", b"../.png"))
    sign(store)
    with pytest.raises(DamagedStoreError, match="points beyond the store"):
        open_root(str(store))


def test_no_module_is_imported_for_a_dataset(tmp_path, monkeypatch):
    from jaxdet.datasets.pack.arrayrecord_writer import write_tfds

    write_images(tmp_path / "root" / "train" / "a", count=1, size=16)
    folder = write_tfds(list_files(tmp_path / "root"), tmp_path / "tfds", name="x")
    (tmp_path / "evil_features.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    path = folder / "features.json"
    text = path.read_text().replace("tensorflow_datasets.core.features.text", "evil")
    path.write_text(text.replace("evil_feature.Text", "evil_features.Text"))
    with pytest.raises(UserError, match=r"features\.json: names features that are not"):
        open_root(f"tfds:{folder}")
    assert "evil_features" not in sys.modules


def saved(path, **changes):
    rows = predictions("progan", per_label=3)
    arrays = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
    np.savez(path, **{**arrays, **changes})
    return path


@pytest.mark.parametrize(
    "changes",
    [{"logit": np.full(6, np.nan, np.float32)}, {"logit": np.zeros(5, np.float32)},
     {"label": np.full(6, 2, np.int32)}, {"id": np.arange(6)}, {"fingerprint": np.array(["a"])},
     {"fingerprint": np.array(1)}, {"sharpness": np.zeros((6, 2), np.float32)}],
)  # fmt: skip
def test_scores_of_another_form_or_without_meaning_are_refused(tmp_path, changes):
    with pytest.raises(UserError, match=r"x\.npz: not a file of predictions"):
        read_arrays(saved(tmp_path / "x.npz", **changes), Predictions)


def test_a_file_of_arrays_that_unpacks_to_more_than_it_is_and_one_with_code_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", id=np.zeros(10**7))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    with pytest.raises(UserError, match="larger inside than outside"):
        read_arrays(tmp_path / "bomb.npz", Predictions)
    np.savez(tmp_path / "code.npz", id=np.array([print], object))
    with pytest.raises(UserError, match="holds Python objects, which are code"):
        read_arrays(tmp_path / "code.npz", Predictions)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (build.npy(descr="'<f4'", shape="(8589934592,)"), "more values than"),
        (build.npy(descr="'<f4'", shape="(100,)", data=bytes(40)), "too small for requested array"),
        (build.npy(descr="'<U0'", shape="(1000000000,)"), "more values than it has bytes"),
        (build.npy(descr="'|O'", shape="(1,)"), "Python objects"),
        (build.npy(descr="[" * 3000 + "]" * 3000, shape="(1,)"), "cannot be read as predictions"),
        (build.npy(descr="'<f4'", shape="(1,)", version=3, data=bytes(4)), "of another version"),
    ],
)  # fmt: skip
def test_no_room_is_made_for_what_a_header_claims(tmp_path, array, says):
    for content in (build.zip_of([("id.npy", array)]), array):
        (tmp_path / "x.npz").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(UserError, match=says if content != array else "no npz"):
            read_arrays(tmp_path / "x.npz", Predictions)
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()


@pytest.mark.parametrize(("rows", "position"), [(np.zeros(3), 3), (np.zeros(0, ROW), -1)])
def test_rows_of_another_form_are_computed_again(tmp_path, rows, position):
    np.savez(tmp_path / ".x.part-0.npz", rows=rows, position=position, fingerprint="f00d")
    keeper = RowKeeper(tmp_path / "x.npz", "f00d")
    assert (len(keeper.rows), keeper.position) == (0, 0)


READERS = (read_json, read_results, config.read_config, load_weights, read_metrics,
           lambda path: read_arrays(path, Predictions))  # fmt: skip


@pytest.mark.parametrize("read", READERS)
def test_nobody_waits_at_a_pipe_or_reads_a_device(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "zero"):
        if path.name == "zero":
            path.symlink_to("/dev/zero")
        with pytest.raises((UserError, ValueError), match="is no regular file"):
            read(path)


def test_json_that_would_exhaust_the_stack_or_memory_is_refused(tmp_path):
    for text in ("[" * 100_000, "[" * 40 + "]" * 40):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(UserError, match=r"a\.json: cannot be read"):
            read_json(tmp_path / "a.json")
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="more than 16777216 bytes"):
        read_json(tmp_path / "a.json")


def test_large_json_is_refused_at_once(tmp_path):
    for content in (b'{"a": "' + b"x" * 90_000_000 + b'"}', b"[" + b"[]," * 2**22 + b"[]]"):
        (tmp_path / "config.json").write_bytes(content)
        began = time.process_time()
        with pytest.raises(UserError, match=r"more than (16777216 bytes|524288 values)"):
            config.read_config(tmp_path / "config.json")
        assert time.process_time() - began < 2


def test_what_a_newer_jaxdet_made_is_called_that(store, tmp_path):
    says = "made by a newer jaxdet"
    sign(store, schema_version=2)
    with pytest.raises(UserError, match=rf"store\.json: {says}"):
        open_root(str(store))
    (tmp_path / "results.json").write_text('{"schema_version": 7}')
    with pytest.raises(UserError, match=rf"results\.json: {says}, schema version 7"):
        read_results(tmp_path / "results.json")
    about = {"kind": "jaxdet-detector", "schema_version": 3}
    (tmp_path / "detector.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=rf"detector\.json: {says}, schema version 3"):
        load_weights(tmp_path)
    saved = {**config.to_json_dict(config.Config()), "telepathy": {"on": True}}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=rf"config\.json: {says}, .*unknown option telepathy"):
        config.read_config(tmp_path / "config.json")
