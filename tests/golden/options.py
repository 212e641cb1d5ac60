"""The text of docs/configuration.md; `python -m tests.golden.options` rewrites it."""

import dataclasses
from pathlib import Path

from jaxdet.config import Config

PATH = Path(__file__).parents[2] / "docs" / "configuration.md"
_HEAD = """\
# Options

Every option of a config file and of `--config.key=value`. Written from `jaxdet/config/`, a file
a section or a few, by `python -m tests.golden.options`; a test holds the two together.

Lists are given with commas (`--config.data.classes=horse,cat`), ranges in Python's form
(`--config.augment.blur_sigma='(0.0, 2.0)'`), truth as `true` or `false`.
The column "range" holds intervals: `(0, 1]` is above 0 and at most 1, for each number of a list.
"""


def render():
    sections = [("", Config())]
    sections += [
        (field.name, field.default)
        for field in dataclasses.fields(Config)
        if dataclasses.is_dataclass(field.default)
    ]
    return _HEAD + "".join(_section(name, section) for name, section in sections)


def _section(name, section):
    title = f"`{name}`" if name else "The run"
    rows = [
        _row(f"{name}.{field.name}" if name else field.name, field)
        for field in dataclasses.fields(section)
        if not dataclasses.is_dataclass(field.default)
    ]
    titles = ("option", "type", "default", "range", "unit", "meaning", "source")
    head = f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|\n"
    return f"\n## {title}\n\n{type(section).__doc__}\n\n{head}{''.join(rows)}"


def _row(name, field):
    kind = str(field.type) if "[" in str(field.type) else field.type.__name__
    meta = field.metadata
    choices = f" ({', '.join(f'`{c}`' for c in meta['choices'])})" if meta["choices"] else ""
    cells = (f"`{name}`", f"`{kind}`", f"`{field.default!r}`", meta["within"], meta["unit"],
             meta["doc"] + choices, meta["source"])  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    PATH.write_text(render())
