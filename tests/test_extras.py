"""What an installation without some extra says of it, and that pyproject.toml has these extras."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jaxdet.extras import EXTRAS, how_to_install
from tests.environment import importing

ROOT = Path(__file__).parents[1]
# Python runs it before anything else.
WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def required(extra, project):
    """The names of the distributions of an extra, and of the extras of jaxdet that it names."""
    names = set()
    for line in project["optional-dependencies"][extra]:
        if own := re.match(r"jaxdet\[(.*)\]", line):
            names |= {name for one in own[1].split(",") for name in required(one, project)}
        else:
            names.add(re.match(r"[\w.-]+", line)[0])
    return names


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_the_packages_that_are_said_to_be_its(extra):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    brought = {re.sub("[-_.]+", "-", name).lower() for name in required(extra, project)}
    known = importlib.metadata.packages_distributions()
    for package in set(EXTRAS[extra]) - {"jaxlib"}:  # jax brings it
        distributions = {re.sub("[-_.]+", "-", one).lower() for one in known[package]}
        assert distributions & brought, package
    assert all(not line.startswith(("jax", "flax", "scipy")) for line in project["dependencies"])


def test_packages_of_no_extra_are_faults_of_ours():
    assert how_to_install(ModuleNotFoundError("No module named 'x.y'", name="x.y")) == ""


@pytest.mark.parametrize(
    ("missing", "arguments", "says"),
    [
        ("flax", ["convert", "to-jax", "w.pth", "out"], "pip install -e '.[jax]'"),
        ("jax", ["predict", "--weights=w.pth", "a.png"], "pip install -e '.[jax]'"),
        ("jax", ["train", "--config=small", "--workdir=run"], "training, data, reports and"),
        ("pyarrow", ["predict", "--weights=w.pth", "t.csv"], "pip install -e '.[parquet]'"),
    ],
)
def test_a_missing_package_is_one_line_with_its_extra(tmp_path, missing, arguments, says):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(names=(missing,)))
    for name in ("w.pth", "a.png", "t.csv"):
        (tmp_path / name).write_text("path\na.png\n")
    ended = subprocess.run(
        [sys.executable, "-m", "jaxdet", *arguments],
        cwd=tmp_path, capture_output=True, text=True, env=importing(tmp_path, ROOT),
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith(f"error: {missing} is not installed")
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1
