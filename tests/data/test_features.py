import copy

import numpy as np
import pytest

from jaxdet.config.views import read_views
from jaxdet.data.features import FeatureDraft, FeatureStore, Layout
from jaxdet.errors import UserError

SHAPE = (3, 5)
ROWS = 20


def layout(dtype="float32", **facts):
    return Layout(rows=ROWS, shape=SHAPE, dtype=dtype, facts={"view": "clean", **facts})


def values(dtype="float32"):
    seen = np.random.default_rng(0).normal(size=(ROWS, *SHAPE)).astype(np.float32)
    # What bfloat16 holds has zeros in the lower half.
    return seen if dtype == "float32" else (seen.view(np.uint32) & 0xFFFF0000).view(np.float32)


def write(folder, first=None, stop=ROWS, dtype="float32"):
    """Writes rows up to `stop`, from what is there on; the draft."""
    draft = FeatureDraft(folder / layout(dtype).name, layout(dtype))
    first = draft.done if first is None else first
    with draft.appending(first):
        for row in range(first, stop):
            draft.add(np.array([row if row != 7 else -1]), values(dtype)[row : row + 1])
    return draft


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_store_gives_back_what_was_written(tmp_path, dtype):
    write(tmp_path, dtype=dtype).become_store()
    store = copy.copy(FeatureStore(tmp_path / layout(dtype).name))
    store.check()
    index, seen = store.take([4, 7, 2])
    assert index.tolist() == [4, -1, 2]
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, values(dtype)[[4, 7, 2]])
    assert store.layout == layout(dtype)
    size = (store.path / "rows.bin").stat().st_size
    assert size == layout(dtype).size == ROWS * (12 + 15 * (4 if dtype == "float32" else 2))


def test_a_killed_start_is_taken_up_at_the_last_whole_and_intact_row(tmp_path):
    write(tmp_path / "whole").become_store()
    partial = tmp_path / f"{layout().name}.partial" / "rows.bin"
    row = layout().row.itemsize
    write(tmp_path, stop=9)
    with partial.open("r+b") as file:  # as a kill leaves it, in the middle of a row
        file.truncate(9 * row - 5)
    draft = write(tmp_path, stop=12)
    assert draft.done == 12
    with partial.open("r+b") as file:  # as a power cut may leave it
        file.seek(5 * row)
        file.write(bytes(row))
    assert FeatureDraft(tmp_path / layout().name, layout()).done == 5
    write(tmp_path).become_store()
    assert not partial.parent.exists()
    for name in ("rows.bin", "store.json"):
        found, expected = (f / layout().name / name for f in (tmp_path, tmp_path / "whole"))
        assert found.read_bytes() == expected.read_bytes()


def test_a_damaged_store_is_one_line(tmp_path):
    write(tmp_path).become_store()
    place = tmp_path / layout().name
    with (place / "rows.bin").open("r+b") as file:
        file.seek(100)
        file.write(b"xxxx")
    with pytest.raises(UserError, match=r"damaged; remove it"):
        FeatureStore(place).check()
    with (place / "rows.bin").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(UserError, match=r"rows\.bin: damaged"):
        FeatureStore(place)
    (place / "store.json").write_text("{}")
    with pytest.raises(UserError, match="does not describe a store of features"):
        FeatureStore(place)


def test_whatever_the_values_follow_from_is_in_the_name():
    names = {layout().name, layout("bfloat16").name, layout(view="jpeg:90").name,
             layout(weights="x").name}  # fmt: skip
    assert len(names) == 4


def test_views_are_read():
    clean, first, second, chain = read_views(("clean", "augmented:2", "blur:1.5+jpeg:75"))
    assert (clean.name, clean.degradations, clean.draw) == ("clean", (), None)
    assert [first.draw, second.draw] == [0, 1]
    assert chain.degradations == (("blur", 1.5), ("jpeg", 75.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sharp:1", "is not one of clean, augmented:K, jpeg:LEVEL, blur:LEVEL, scale:LEVEL"),
        ("jpeg:0", "the level of jpeg is not at least 1"),
        ("jpeg:7.5", "the level of jpeg"),
        ("jpeg", "the level of jpeg"),
        ("blur:1+", "is not one of"),
        ("augmented:0", "names no 1 to 1000 draws"),
        ("augmented", "names no 1 to 1000 draws"),
        ("clean,clean", "names one twice"),
    ],
)
def test_views_that_are_none_are_refused(text, says):
    with pytest.raises(UserError, match=says):
        read_views(text.split(","))
