"""The notebook: runs from the first cell to the last, and is kept without what it printed."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "quickstart.ipynb"
# In the place of the cell of parameters: the same, in seconds.
TINY = """
FOLDER = "tiny"
DATASET = {"size": 32, "train-images": 12, "val-images": 4, "test-images": 4, "steps": 2}
OPTIONS = {
    "augment.crop": 24, "model.width": 8, "optim.batch_size": 8, "optim.max_epochs": 1,
    "evaluation.bootstrap": 20, "evaluation.analyses": (), "runtime.workers": 0,
    "runtime.devices": 1,
}
"""


def cells():
    return json.loads(NOTEBOOK.read_text())["cells"]


def test_it_is_kept_without_outputs():
    coded = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in coded)
    assert sum(cell["metadata"].get("tags") == ["parameters"] for cell in coded) == 1
    assert "google.colab" in "".join(coded[0]["source"])
    assert "/home/" not in NOTEBOOK.read_text()


@pytest.mark.slow
def test_it_runs_to_its_end(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = TINY
    client = nbclient.NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    printed = "".join(output.get("text", "") for output in outputs)
    assert "0_real/" in printed
    assert "P(fake) = " in printed
    assert (tmp_path / "tiny" / "run" / "results.json").exists()
    tables = [out["data"] for out in outputs if "text/html" in out.get("data", {})]
    assert "pixelshuffle" in tables[0]["text/html"]
