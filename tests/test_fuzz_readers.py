"""Damaged files through the readers; `python -m tests.fuzz` runs any number of them."""

import pytest

from tests.fuzz.__main__ import COUNTS
from tests.fuzz.run import fuzz, report

# VmHWM of the process, MiB: one image of data.max_pixels in the hands of the hungriest reader,
# beside Python with its libraries.
LARGEST = 4096


def check(kind, *, seed, count, folder):
    found = fuzz(kind, seed=seed, count=count, folder=folder)
    assert not found.defects, "\n".join(report(kind, found, seconds=0))
    assert 0 < found.baseline_mib <= found.peak_mib < LARGEST
    assert sum(n for (_, outcome), n in found.outcomes.items() if outcome == "refused") > count / 4
    assert sum(n for (_, outcome), n in found.outcomes.items() if outcome == "read") > count / 4


@pytest.mark.parametrize(
    ("kind", "count"),
    [("images", 20), ("nested", 20), ("inside", 20), ("places", 20), ("runs", 15)],
)
def test_a_few_of_each_kind(tmp_path, kind, count):
    check(kind, seed=1, count=count, folder=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", COUNTS)
def test_all_of_each_kind(tmp_path, kind):
    check(kind, seed=0, count=COUNTS[kind], folder=tmp_path)


def test_the_fuzzer_sees_crashes_hangs_and_tracebacks(tmp_path, monkeypatch):
    """Its own proof: a child that misbehaves in each way."""
    monkeypatch.setattr("tests.fuzz.run.HUNG", 2.0)
    found = fuzz("misbehaving", seed=0, count=4, folder=tmp_path)
    told = {case: text for case, _, _, text in found.defects}
    assert "ends with SIGSEGV" in told[0]
    assert "hangs" in told[1]
    assert "ZeroDivisionError" in told[2]
    assert set(told) == {0, 1, 2}
    assert found.outcomes["reader", "read"] == 1
