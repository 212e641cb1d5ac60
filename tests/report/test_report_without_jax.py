"""The report in an environment that has nothing but what tables and figures need."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdet
from jaxdet.report import write_report

# What `jaxdet.report` imports; their own requirements come along.
_NEEDED = ("numpy", "scipy", "matplotlib", "jinja2", "rich", "ml-collections")
_ABSENT = ("jax", "jaxlib", "flax", "optax", "orbax", "grain", "tensorflow", "tensorflow_datasets",
           "torch", "cv2", "skimage", "sklearn", "safetensors")  # fmt: skip
_PROGRAM = """
import importlib.util, runpy, sys
sys.path[:0] = [sys.argv[1]]
found = [name for name in {absent!r} if importlib.util.find_spec(name)]
assert not found, found
sys.argv = ["report", *sys.argv[2:]]
runpy.run_module("jaxdet.report", run_name="__main__")
"""


def _with_requirements(names):
    """The distributions of these names and of all that they require."""
    found, waiting = {}, list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # required on another platform or for an extra
        for line in found[name].requires or ():
            if "extra ==" not in line:
                waiting.append(re.match(r"[\w.-]+", line)[0])
    return found.values()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A folder of packages: links to those that are installed, and to jaxdet."""
    folder = tmp_path_factory.mktemp("environment")
    for one in _with_requirements(_NEEDED):
        tops = {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", ".")}
        for top in tops - {"__pycache__"}:
            (folder / top).symlink_to(Path(one.locate_file(top)).resolve())
    (folder / "jaxdet").symlink_to(Path(jaxdet.__file__).parent)
    return folder


def test_every_file_is_the_same_without_jax(environment, make_full_run, make_predictions, tmp_path):
    sets = {"progan": make_predictions("progan", categories=("car", "cat"))}
    runs = [
        make_full_run(
            name, sets, name=name, published={"progan": 0.7}, strength=n, kinds=("protocol", "jpeg")
        )
        for n, name in enumerate(("a", "b"))
    ]
    runs.append(make_full_run("begun", sets, kinds=()))
    (runs[-1] / "results.json").unlink()
    with_jax = write_report(runs, tmp_path / "with").parent
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROGRAM.format(absent=_ABSENT), str(environment),
         *map(str, runs), f"--out={tmp_path / 'without'}"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert "mean over sets" in ended.stdout

    def content(folder):
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.*")}

    assert len(content(with_jax)) == 9 + 2 * 5
    assert content(tmp_path / "without") == content(with_jax)
