import pytest

from jaxdet.bench.prior import Plan, measure_prior
from jaxdet.datasets.makers.dip import DipSettings


@pytest.mark.slow
def test_rows_and_ratio_of_two_networks():
    # Inside, the losses of both ways are held against each other.
    settings = DipSettings(size=32, network="hourglass", levels=1, width=4, at_once=2)
    rows = measure_prior(Plan(settings=settings, updates=2, rounds=1), say=lambda line: None)
    assert [row["what"] for row in rows] == ["dip, 2 at once", "reference: dip, one by one"]
    assert rows[1]["ratio_to_reference"] == 1
    ratio = rows[0]["images_per_second"] / rows[1]["images_per_second"]
    assert rows[0]["ratio_to_reference"] == pytest.approx(ratio, rel=0.02)
