"""Writes a page that scores images in a browser, with an ONNX file, and asks nobody else."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from jaxdet.convert.onnx import is_onnx
from jaxdet.convert.onnx.run import read_onnx
from jaxdet.data.ops.sides import LARGEST_RATIO
from jaxdet.errors import UserError
from jaxdet.predict.onnx_engine import OnnxDetector
from jaxdet.predict.rows import Scoring
from jaxdet.scoring.pieces import MAX_WHOLE_PIXELS, MAX_WHOLE_SIDE, TILE
from jaxdet.serve.facts import all_facts
from jaxdet.workdir.drafts import new_folder, refuse_existing
from jaxdet.workdir.files import write_json

# Of the npm package onnxruntime-web: all that runs on a CPU, as a module and its WebAssembly.
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_HERE = Path(__file__).parent
# The service's own page and this one look alike and answer alike.
_SHARED = ("answers.js", "icon.svg", "page.css")


def write_browser_page(src: Path, dst: Path, *, package: Path) -> None:
    """Writes a folder for a server of files: the page, the detector and onnxruntime-web.

    Args:
      src: an ONNX file of `python -m jaxdet.convert export`.
      dst: the folder, which is not there yet.
      package: the npm package onnxruntime-web, unpacked.

    Raises:
      UserError: where a file is missing, damaged or of another kind, or the folder's name is taken.
    """
    if not is_onnx(src):
        raise UserError(f"{src}: no ONNX file; convert export --format=onnx makes one")
    refuse_existing(dst)
    runtime = [package / "dist" / name for name in RUNTIME]
    if missing := next((file for file in runtime if not file.is_file()), None):
        raise UserError(
            f"--onnxruntime-web={package}: {missing} is missing; `npm install onnxruntime-web` "
            "brings it"
        )
    detector = OnnxDetector(read_onnx(src))
    page = [*(_HERE / "browser").iterdir(), *(_HERE / "page" / name for name in _SHARED)]
    with new_folder(dst) as draft:
        for file in (*page, *runtime):
            shutil.copyfile(file, draft / file.name)
        shutil.copyfile(src, draft / "detector.onnx")
        write_json(draft / "detector.json", _facts(detector))


def _facts(detector: OnnxDetector) -> dict[str, Any]:
    scoring = Scoring.of(detector)
    return {
        **all_facts(detector, scoring),
        "scored": {
            **dataclasses.asdict(scoring.protocol),
            "smallest": detector.smallest,
            "most_pixels": MAX_WHOLE_PIXELS,
            "largest_ratio": LARGEST_RATIO,
            "most_side": MAX_WHOLE_SIDE,
            "tile": TILE,
        },
    }
