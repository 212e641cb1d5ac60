"""Columns of images in every type that Parquet files have for bytes and texts."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from jaxdet.errors import RunFailedError, UserError
from jaxdet.predict.columns import ParquetRows
from jaxdet.predict.files import read_image
from jaxdet.predict.inputs import ParquetColumn

FILE = io.BytesIO()
Image.new("RGB", (6, 4), (1, 2, 3)).save(FILE, "bmp")
CONTENT = FILE.getvalue()
BYTES = {
    "dictionary": pa.array([CONTENT, CONTENT, None]).dictionary_encode(),
    "large dictionary": pa.array([CONTENT, CONTENT, None], pa.large_binary()).dictionary_encode(),
    "view": pa.array([CONTENT, CONTENT, None], pa.binary_view()),
    "fixed size": pa.array([CONTENT, CONTENT, None], pa.binary(len(CONTENT))),
}
PATHS = pa.array(["a.png", "b.png", "c.png"])


def inputs_of(column, folder):
    pq.write_table(pa.table({"x": column}), folder / "a.parquet")
    chunks = ParquetColumn([folder / "a.parquet"], column="x").chunks(0, len(column))
    return [one for chunk in chunks for one in chunk.read()]


def outcome(one):
    try:
        return read_image(one.image, max_pixels=100).pixels.shape
    except (OSError, ValueError) as error:
        return str(error)


@pytest.mark.parametrize("kind", BYTES)
@pytest.mark.parametrize("inside", [False, True])
def test_bytes_are_read_from_every_type(kind, inside, tmp_path):
    column = BYTES[kind]
    if inside:
        column = pa.StructArray.from_arrays([column, PATHS.dictionary_encode()], ["bytes", "path"])
    found = [outcome(one) for one in inputs_of(column, tmp_path)]
    assert found[:2] == [(4, 6, 3)] * 2
    assert ("No such file" if inside else "no image in this row") in found[2]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), "dictionary"])
def test_paths_are_read_and_urls_are_named_as_they_are(kind, tmp_path):
    (tmp_path / "x.bmp").write_bytes(CONTENT)
    urls = [
        "http://host/a//b.png",
        "s3://bucket/x.png",
        "hf://datasets/x",
        f"data:image/png,{'A' * 5000}",
    ]
    texts = pa.array([str(tmp_path / "x.bmp"), *urls])
    inputs = inputs_of(
        texts.dictionary_encode() if kind == "dictionary" else texts.cast(kind), tmp_path
    )
    assert [one.name for one in inputs[:-1]] == texts.to_pylist()[:-1]
    assert inputs[-1].name == f"{tmp_path}/a.parquet#4"
    first, *others = map(outcome, inputs)
    assert first == (4, 6, 3)
    assert all(other.startswith("a URL, and nothing is fetched") for other in others)


def test_structs_without_texts_for_paths_are_refused(tmp_path):
    column = pa.StructArray.from_arrays([BYTES["view"], pa.array([1, 2, 3])], ["bytes", "path"])
    with pytest.raises(UserError, match=r"a\.parquet: column 'x' is of type struct<bytes"):
        inputs_of(column, tmp_path)


@pytest.mark.parametrize("packed", ["none", "gzip", "zstd", "brotli"])
def test_a_table_that_claims_more_than_it_can_hold_is_refused(tmp_path, packed):
    path = tmp_path / "a.parquet"
    for column in (pa.nulls(10**6, pa.binary()), pa.array([bytes(10**7)])):
        pq.write_table(pa.table({"x": column}), path, compression=packed)
        if path.stat().st_size > 10**6:
            continue  # nothing was packed
        with pytest.raises(UserError, match=r"a\.parquet: cannot be read as Parquet: claims"):
            ParquetColumn([path], column="x")


def test_a_table_with_fewer_rows_than_its_footer_says_is_an_error(tmp_path):
    pq.write_table(pa.table({"x": [b"a", b"b"]}), tmp_path / "a.parquet")
    rows = ParquetRows(str(tmp_path / "a.parquet"), "x", 0, 5)
    with pytest.raises(RunFailedError, match="holds fewer rows than its footer says"):
        list(rows.read())
