import pytest

from tests.report.runs import GENERATORS, KINDS, predictions, write_analyses, write_run


@pytest.fixture
def make_full_run(make_run):
    """As `make_run`, with everything that a full evaluation leaves behind."""

    def make(folder, sets, *, strength=1.0, kinds=KINDS, **more):
        path = make_run(folder, sets, **more)
        write_analyses(path, sets, strength=strength, kinds=kinds)
        return path

    return make


@pytest.fixture
def make_run(tmp_path):
    """Function of (folder name, sets, ...) that writes a run and gives its path."""
    return lambda folder, sets=None, **more: write_run(
        tmp_path / folder, sets or {"progan": predictions("progan")}, **more
    )


@pytest.fixture
def make_predictions():
    return predictions


@pytest.fixture
def generators():
    return GENERATORS
