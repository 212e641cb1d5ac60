"""Sound weights, a converted folder, a store, a dataset and a run, all as small as can be."""

import functools
import tempfile
from pathlib import Path

import numpy as np

from jaxdet.config import Model
from jaxdet.convert.architectures import TABLES, shapes
from jaxdet.convert.files import write_safetensors
from jaxdet.convert.folder import Source, write_detector
from jaxdet.convert.load import convert_file
from jaxdet.convert.rules import to_torch
from jaxdet.convert.torch_write import write_torch
from jaxdet.datasets.pack.arrayrecord_writer import write_tfds
from jaxdet.datasets.pack.listing import list_files
from jaxdet.datasets.pack.store_writer import pack
from jaxdet.results import write_arrays
from jaxdet.scoring.rows import ROW, PartialScores
from tests.conftest import write_images
from tests.convert.stream import write_stream
from tests.report import runs

MODEL = Model(name="resnet18", width=4)


@functools.cache
def sound():
    """A folder with one of each; goes with the process."""
    held = tempfile.TemporaryDirectory(prefix="fuzz-")
    root = Path(held.name)
    write_weights(root)
    write_images(root / "images" / "train" / "a", count=2, size=(16, 20))
    write_images(root / "images" / "test" / "s", count=2, size=(16, 20), suffix="jpg")
    pack(root / "images", root / "store", say=lambda line: None)
    write_tfds(list_files(root / "images"), root / "made", name="x")
    (root / "made" / "x").rename(root / "tfds")
    write_run(root / "run")
    (root / "rows").mkdir()
    partial = PartialScores(rows=np.zeros(9, ROW), position=9, fingerprint="f00d")
    write_arrays(root / "rows" / ".x.part-0.npz", partial)
    return held, root


def write_weights(root):
    """A detector in each form that weights come in."""
    rng = np.random.default_rng(0)
    arrays = {p: rng.normal(size=s).astype(np.float32) for p, s in shapes(MODEL).items()}
    state_dict = to_torch(arrays, table=TABLES[MODEL.name])
    folder = root / "weights"
    folder.mkdir()
    write_torch(folder / "zip.pth", state_dict)
    write_stream(folder / "stream.pth", state_dict)
    write_safetensors(folder / "a.safetensors", state_dict)
    converted = convert_file(folder / "zip.pth").converted
    (root / "detector").mkdir()
    write_detector(
        root / "detector", converted.arrays, model=MODEL, coverage=converted.coverage,
        source=Source(file="zip.pth", sha256="0" * 64),
    )  # fmt: skip


def write_run(path):
    """A finished run with everything that a report shows."""
    sets = {
        "progan": runs.predictions("progan", per_label=12, categories=("cat", "dog")),
        "biggan": runs.predictions("biggan", per_label=12, skipped=("0_real/x.png",)),
    }
    validation = runs.predictions("val", per_label=12)
    runs.write_run(path, sets, validation=validation, published={"progan": 0.9}, draws=5)
    runs.write_analyses(path, sets, side=16)
