import contextlib
import json

import numpy as np
import pytest
from PIL import Image

from jaxdet.datasets.commands import main
from tests.conftest import LABELS, draw_image

SETS = ("train/cat", "val/cat", "test/alpha")


def save_png(pixels, path, fake):
    Image.fromarray(pixels).save(path.with_suffix(".png"))


@pytest.fixture
def make_tree(tmp_path):
    """Writes a data root whose labels differ in nothing but what `save` makes differ."""

    def make(save=save_png, *, count=24, seed=0, size=48, sets=SETS, name="root"):
        root, rng = tmp_path / name, np.random.default_rng(seed)
        for place in sets:
            for fake, label in enumerate(LABELS):
                folder = root / place / label
                folder.mkdir(parents=True)
                for number in range(count):
                    save(draw_image(rng, size, False), folder / f"{number:03d}", fake)
        return root

    return make


@pytest.fixture
def audit(tmp_path, capsys):
    """Runs the command: exit status, the findings as JSON, what it printed."""

    def run(root, *flags):
        out = tmp_path / "findings.json"
        status = 0
        try:
            main(["audit", str(root), f"--json={out}", *map(str, flags)])
        except SystemExit as ended:
            status = ended.code
        with contextlib.suppress(FileNotFoundError):
            return status, json.loads(out.read_text()), capsys.readouterr()
        return status, {}, capsys.readouterr()

    return run


@pytest.fixture
def leaks():
    """Names of the leaking cues of all sets together."""

    def found(findings):
        return {
            name
            for group in findings["groups"]
            for name, cue in group["cues"].items()
            if cue["kind"] == "leak" and cue["stands_out"]
        }

    return found
