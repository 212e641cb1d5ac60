"""Thresholds that were learned when weights were trained, for evaluations of these weights."""

import dataclasses

import pytest

from jaxdet.config import Config, Evaluation, Model
from jaxdet.results import RunFolder, read_results
from jaxdet.train.start import stored_calibration
from jaxdet.workdir.files import write_json
from tests.report.runs import predictions, write_run

DIGEST = "0123456789abcdef"


@pytest.fixture
def run(tmp_path):
    path = write_run(tmp_path / "run", {"a": predictions("a")}, validation=predictions("v"))
    results = read_results(RunFolder(path).results)
    weights = {**results.weights, "digest": DIGEST}
    write_json(RunFolder(path).results, dataclasses.replace(results, weights=weights))
    return path


def evaluation_of(run, **options):
    return Config(task="eval", model=Model(init=str(run)), evaluation=Evaluation(**options))


def test_it_is_that_of_the_run_by_the_same_protocol(run):
    found = stored_calibration(evaluation_of(run), DIGEST)
    own = read_results(RunFolder(run).results).calibration
    assert (found.thresholds, found.temperature) == (own.thresholds, own.temperature)
    assert found.source == f"val of {run}"


def test_nothing_is_known_of_other_weights_or_another_part_of_the_image(run):
    assert stored_calibration(evaluation_of(run), DIGEST[::-1]) is None
    assert stored_calibration(evaluation_of(run, crop=64), DIGEST) is None
    assert stored_calibration(evaluation_of(run, protocols=("full",)), DIGEST) is None


def test_a_file_without_anything_beside_it_has_none(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"PK")
    assert stored_calibration(evaluation_of(tmp_path / "w.pth"), DIGEST) is None
