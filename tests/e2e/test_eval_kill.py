"""SIGKILL within an evaluation, for real: what was scored is not scored again."""

import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxdet.report import write_report
from jaxdet.results import Predictions, RunFolder, read_arrays, read_results
from tests.conftest import write_images
from tests.data.table_files import write_csv, write_tree
from tests.e2e.conftest import REPOSITORY, main_arguments
from tests.e2e.test_kill import kill_when
from tests.golden import torchvision

# Saves after every batch, so that a test need not wait half a minute for it.
SAVING_ALWAYS = """
import sys
from jaxdet.scoring import rows
rows.KEEP_EVERY = 0.0
from jaxdet.main import main
main(sys.argv)
"""
OPTIONS = {
    "task": "eval",
    "model__width": 64,
    "optim__batch_size": 2,
    "evaluation__protocols": "('crop','full')",
    "evaluation__two_shot": 2,
    "evaluation__two_shot_crops": 5,
    "evaluation__analyses": "()",
}


@pytest.fixture
def weights(tmp_path):
    save_file(torchvision.state_dict("resnet18"), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


@pytest.fixture
def saving(environment):
    """Starts an evaluation that saves its scores after every batch."""
    return lambda arguments: subprocess.Popen(
        [sys.executable, "-c", SAVING_ALWAYS, *arguments],
        cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def start(tmp_path, weights, saving):
    root = tmp_path / "data"
    for seed, (name, count) in enumerate({"one": 6, "two": 60}.items()):
        write_images(root / "test" / name, count=count, seed=seed)
    arguments = main_arguments(root, tmp_path / "run", model__init=weights, **OPTIONS)
    return lambda: saving(arguments)


@pytest.fixture
def start_benchmarks(tmp_path, weights, saving):
    """Starts the scoring, in a given folder, of fakes with shared real images and of a table."""
    buster, viral = tmp_path / "buster", tmp_path / "viral"
    write_tree(buster, [f"real_RAISE_1k/r{n}.png" for n in range(60)])
    write_tree(buster, [f"{name}/{name}{n}.png" for name in ("dalle2", "firefly") for n in "abc"])
    write_tree(viral, [f"v{n}.png" for n in range(80)])
    rows = [[f"v{n}.png", ("real", "fake")[n % 2]] for n in range(80)]
    write_csv(viral / "viral.csv", ["filename", "label"], rows)
    given = (f"buster={buster}", f"viral={viral / 'viral.csv'}")
    options = {**OPTIONS, "evaluation__protocols": "('crop',)", "evaluation__two_shot": 0}
    return lambda workdir: saving(
        main_arguments(
            tmp_path / "none", workdir, model__init=weights, evaluation__benchmarks=given, **options
        )
    )


def times(run):
    """When each whole file of scores was written."""
    return {
        path: path.stat().st_mtime_ns
        for folder in ("predictions", "conditions", "two_shot")
        for path in (run.path / folder).rglob("[!.]*.npz")
    }


@pytest.mark.slow
def test_an_evaluation_killed_within_sets_goes_on_where_it_was(start, tmp_path):
    run = RunFolder(tmp_path / "run")
    partial = [run.predictions(".two.part-0"), run.condition("full", ".two.part-0")]

    kill_when(start(), partial[0].exists)
    first = times(run)
    assert list(first) == [run.predictions("one"), run.two_shot("one")]
    page = write_report([run.path], tmp_path / "report")
    assert "(1 set scored so far)" in page.read_text()

    kill_when(start(), partial[1].exists)
    second = times(run)
    assert {path: second[path] for path in first} == first
    assert run.two_shot("two") in second
    assert run.condition("full", "one") in second
    assert not run.condition("full", "two").exists()

    process = start()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert {path: times(run)[path] for path in second} == second
    for line in (
        "one (crop): 12 images, scores are there already",
        "one (two-shot): 4 images, scores are there already",
        "two (crop): 120 images, scores are there already",
        "two (two-shot): 4 images, scores are there already",
        "one (full): 12 images, scores are there already",
        "two (full): 60 real and 60 fake, each once, 0 skipped",
    ):
        assert line in err
    assert 0 < int(re.search(r"two \(full\): going on after (\d+) images", err)[1]) < 120
    assert re.search(r"images of any size: \d+ shapes compiled, peak memory \d", err)
    assert not [path for path in run.path.rglob(".*.npz") if path.is_file()]

    results = read_results(run.results)
    assert list(results.conditions) == ["full"]
    assert results.conditions["full"].sets["two"].n_fake == 60
    assert results.sets["two"].two_shot.pairs == 4
    assert len(read_arrays(run.condition("full", "two"), Predictions).id) == 120


@pytest.mark.slow
def test_benchmarks_killed_in_each_of_them_end_with_the_same_numbers(start_benchmarks, tmp_path):
    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "run")
    process = start_benchmarks(whole.path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err

    shared = run.path / "predictions" / "parts" / ".buster.real.part-0.npz"
    kill_when(start_benchmarks(run.path), shared.exists)
    assert not times(run)

    kill_when(start_benchmarks(run.path), run.predictions(".viral.viral.part-0").exists)
    first = times(run)
    assert {path.stem for path in first} == {
        "buster.dalle2", "buster.firefly", "buster.real", "buster.dalle2 (fake)",
        "buster.firefly (fake)",
    }  # fmt: skip

    process = start_benchmarks(run.path)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert {path: times(run)[path] for path in first} == first
    assert 0 < int(re.search(r"viral.viral \(crop\): going on after (\d+) images", err)[1]) < 80
    # Of six files of scores, this start made the last one alone.
    assert re.findall(r"(\S+) \(crop\): \d+ real and \d+ fake, each once", err) == ["viral.viral"]

    assert read_results(run.results) == read_results(whole.results)
    files = [path.relative_to(run.path) for path in times(run)]
    assert files == [path.relative_to(whole.path) for path in times(whole)]
    for file in files:
        mine, theirs = np.load(run.path / file), np.load(whole.path / file)
        assert all(np.array_equal(mine[name], theirs[name]) for name in theirs.files), file
