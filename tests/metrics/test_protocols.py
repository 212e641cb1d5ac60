import pytest

from jaxdet import config, metrics


def test_protocols_have_the_sets_they_are_called_after():
    sizes = {name: len(set(sets)) for name, sets in metrics.PROTOCOLS.items()}
    assert sizes == {"eleven": 11, "thirteen": 13, "eight": 8}
    preset = config.from_config_dict(config.load_file("configs/eval_forensynths.py"))
    assert set(metrics.PROTOCOLS["thirteen"]) == set(preset.evaluation.sets)
    assert set(metrics.PROTOCOLS["eleven"]) < set(metrics.PROTOCOLS["thirteen"])
    assert set(metrics.PROTOCOLS["eight"]) < set(metrics.PROTOCOLS["thirteen"])


def test_a_mean_is_over_all_sets_or_none():
    values = {name: float(i) for i, name in enumerate(metrics.PROTOCOLS["thirteen"])}
    assert metrics.protocol_mean({**values, "other": 99.0}, "thirteen") == pytest.approx(6)
    assert metrics.protocol_mean(values, "eleven") == pytest.approx(5)
    del values["san"]
    assert metrics.protocol_mean(values, "eleven") is None
    assert metrics.missing_sets(values, "eleven") == ["san"]
    assert metrics.missing_sets(values, "eight") == []
    assert metrics.protocol_mean(values, "eight") is not None
