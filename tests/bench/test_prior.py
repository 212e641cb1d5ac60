import pytest

from jaxdet.datasets.makers.dip import DipSettings
from tests.bench.prior_check import measure


@pytest.mark.slow
def test_two_networks_at_once_end_with_the_losses_of_one_by_one():
    settings = DipSettings(size=32, network="hourglass", levels=1, width=4, at_once=2)
    assert min(measure(settings, updates=2, rounds=1)) > 0
