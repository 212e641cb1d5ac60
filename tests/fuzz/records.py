"""One file of weights, a store, a dataset or a run damaged, and every reader of it."""

import hashlib
import io
import json
import shutil

import numpy as np

from jaxdet import config
from jaxdet.config import Data
from jaxdet.convert.load import load_weights
from jaxdet.data.sources import open_root
from jaxdet.datasets.verify.store import verify_store
from jaxdet.report import conditions, latex, markdown, papers, tables
from jaxdet.report.contents import read_contents
from jaxdet.report.page import page_html
from jaxdet.scoring.rows import RowKeeper, finished_images
from jaxdet.workdir.identity import json_sha256
from tests.fuzz import mutate
from tests.fuzz.samples import sound

# Folder of `sound`, file in it, whether sums over the file are made right again after the damage.
TARGETS = (
    ("weights", "zip.pth", False), ("weights", "stream.pth", False),
    ("weights", "a.safetensors", False), ("detector", "detector.json", False),
    ("detector", "variables.safetensors", True), ("store", "store.json", True),
    ("store", "index.npy", True), ("store", "names.bin", True), ("store", "index.npy", False),
    ("store", "shards/00000.bin", False), ("tfds", "ids-1.0.0.json", False),
    ("tfds", "1.0.0/features.json", False), ("tfds", "1.0.0/dataset_info.json", False),
    ("tfds", "1.0.0/x-train.array_record-00000-of-00001", False), ("run", "results.json", False),
    ("run", "results.json", False), ("run", "config.json", False), ("run", "env.json", False),
    ("run", "metrics.jsonl", False), ("run", "predictions/progan.npz", False),
    ("run", "analysis/ranking/progan.npz", False), ("run", "analysis/spectra/biggan.npz", False),
    ("rows", ".x.part-0.npz", False),
)  # fmt: skip


def make_case(number, seed, folder):
    """Writes the damaged copy of a number; gives what it is and its folder."""
    rng = np.random.default_rng([seed, number])
    kind, name, renew = TARGETS[number % len(TARGETS)]
    shutil.copytree(sound()[1] / kind, folder)
    path = folder / name
    path.write_bytes(_damaged(path, rng, other=(sound()[1] / "weights/zip.pth").read_bytes()))
    if renew:
        _renew(kind, folder, name)
    return f"{kind}/{name}", folder


def kinds():
    """One target for each kind of folder."""
    return {kind: f"{kind}/{name}" for kind, name, _ in reversed(TARGETS)}.values()


def sound_case(what, folder):
    """As `make_case`, undamaged."""
    shutil.copytree(sound()[1] / what.partition("/")[0], folder)
    return folder


def _damaged(path, rng, *, other):
    """By bytes in half of the cases, else by what the file says."""
    content = path.read_bytes()
    if rng.random() < 0.5 and path.suffix == ".json":
        return mutate.damaged_json(content.decode(), rng).encode()
    if rng.random() < 0.5 and path.suffix == ".jsonl":
        lines = content.decode().splitlines()
        place = rng.integers(len(lines))
        lines[place] = mutate.damaged_json(lines[place], rng)
        return "\n".join(lines).encode()
    if rng.random() < 0.7 and path.suffix == ".npz":
        return _other_arrays(path, rng)
    return mutate.damaged(content, rng, other=other)


def _other_arrays(path, rng):
    """The arrays of a file, one of them of another type, shape or meaning."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = list(arrays)[rng.integers(len(arrays))]
    value = arrays[name]
    others = (
        value[:1] if value.ndim else value[None], value.reshape(1, *value.shape), np.zeros(0),
        np.zeros(value.shape, "U9"), np.zeros(value.shape, bool), np.array(-1), np.array("x"),
        np.full(value.shape, np.nan, np.float32), np.full(value.shape, -7),
        np.broadcast_to(np.float32(0), (2**22,)), np.array(2**62),
    )  # fmt: skip
    changed = {**arrays, name: others[rng.integers(len(others))]}
    if rng.random() < 0.2:
        del changed[name]
    save = np.savez_compressed if rng.random() < 0.2 else np.savez
    out = io.BytesIO()
    save(out, **changed)
    return out.getvalue()


def _renew(kind, folder, name):
    """Sums as somebody would give them who made the file by hand."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    about_file = folder / ("store.json" if kind == "store" else "detector.json")
    try:
        about = json.loads(about_file.read_text())
    except ValueError:
        return
    if not isinstance(about, dict):
        return
    if kind == "detector":
        about["variables_sha256"] = digest
    else:
        about.pop("digest", None)
        if name != "store.json":
            about["sha256"][name] = digest
        about["digest"] = json_sha256(about)
    about_file.write_text(json.dumps(about))


def readers(what):
    """Name to a function of the folder of a case."""
    kind, _, name = what.partition("/")
    return {
        "weights": {"load_weights": lambda folder: load_weights(folder / name)},
        "detector": {"load_weights": load_weights},
        "store": {"open_store": lambda folder: _see_all(str(folder)), "verify_store": verify_store},
        "tfds": {"open_tfds": lambda folder: _see_all(f"tfds:{folder / '1.0.0'}")},
        "run": {
            "read_config": lambda folder: config.read_config(folder / "config.json"),
            "report": _report,
        },
        "rows": {"take_up": _take_up},
    }[kind]


def _see_all(root):
    """Everything that a run asks of its data; an image that cannot be read is one of many."""
    opened = open_root(root)
    for folder in ("train", "test/s"):
        images = opened.load(folder, name="x")
        assert len(images.labels) == len(images.ids)
        assert images.fingerprint
        assert images.content_fingerprint
        for place in range(len(images)):
            images.size(place)
            try:
                pixels = images.read(place, max_pixels=Data.max_pixels)
            except (OSError, ValueError):
                continue
            assert pixels.ndim == 3, pixels.shape
            assert pixels.size


def _report(folder):
    """All that is written of a run, but the figures' files."""
    contents = read_contents([folder])
    written = [tables.csv_text(contents.runs), latex.latex_text(contents.runs)]
    written += [markdown.markdown_text(contents.runs, contents.comparison)]
    written += [papers.csv_text(contents.runs), papers.latex_text(contents.runs)]
    written += [conditions.csv_text(contents.runs), page_html(contents)]
    tables.print_table(contents.runs[0].results)
    for text in written:
        text.encode("utf-8", "replace")


def _take_up(folder):
    """What an evaluation does with the scores of an earlier start."""
    keeper = RowKeeper(folder / "x.npz", "f00d")
    list(finished_images(keeper.rows))
    assert keeper.position >= 0
