"""Which sets of which benchmarks are scored, and what is said of one that cannot be read."""

import pytest

from jaxdet.config import Config, Evaluation
from jaxdet.data.splits import left_aside, load_test_sets
from jaxdet.errors import UserError
from tests.data.table_files import write_tree


def config_of(*benchmarks, sets=()):
    return Config(task="eval", evaluation=Evaluation(benchmarks=benchmarks, sets=sets))


def names_of(config):
    return [one.name for one in load_test_sets(config)]


def test_a_broken_set_and_a_broken_benchmark_can_be_left_out(tmp_path):
    paths = [f"test/{name}/{label}/1.png" for name in "ab" for label in ("0_real", "1_fake")]
    write_tree(tmp_path / "mix", [*paths, "test/broken/1_fake/1.png"])
    given = (f"mix={tmp_path / 'mix'}", f"gone={tmp_path / 'nowhere'}")
    config = config_of(*given, sets=("mix.b", "mix.a"))
    assert names_of(config) == ["mix.a", "mix.b"]
    assert left_aside(config) == []
    for sets, message in (
        ((), "broken/0_real: no such folder"),
        (("mix.broken",), "broken/0_real: no such folder"),
        (("gone.a",), "nowhere: no such folder"),
        (("mix.c",), r"no benchmark has a set mix\.c; there are mix\.a, mix\.b, mix\.broken"),
        (("c",), r"no benchmark has a set c; there are mix\.SET, gone\.SET"),
    ):
        with pytest.raises(UserError, match=message):
            load_test_sets(config_of(*given, sets=sets))
