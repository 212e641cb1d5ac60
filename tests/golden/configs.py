"""The golden texts of the presets; `python -m tests.golden.configs` rewrites them."""

import runpy
from pathlib import Path

from jaxdet import config as schema

FOLDER = Path(__file__).parent / "configs"
REPOSITORY = Path(__file__).parents[2]
# Preset and argument.
PRESETS = [
    (path.stem, "")
    for path in sorted((REPOSITORY / "configs").glob("*.py"))
    if "def get_config" in path.read_text()
]
PRESETS += [
    ("small", "blur_jpeg_0.5"), ("suites", "dda"), ("univfd", "cached"), ("wild", "cached"),
]  # fmt: skip


def load(preset, argument=""):
    module = runpy.run_path(str(REPOSITORY / "configs" / f"{preset}.py"))
    return schema.from_config_dict(module["get_config"](argument))


def render(config):
    return "".join(f"{key}: {value!r}\n" for key, value in sorted(schema.flatten(config).items()))


def path(preset, argument=""):
    return FOLDER / f"{preset}{'-' if argument else ''}{argument}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in PRESETS:
        path(*one).write_text(render(load(*one)))
