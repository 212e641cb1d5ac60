"""The golden texts of the tables of experiments; `python -m tests.golden.tables` rewrites them.

A text has what each row changes of the defaults: a changed recipe shows in every row it touches.
"""

from jaxdet import config as schema
from tests.golden.configs import REPOSITORY

FOLDER = REPOSITORY / "tests" / "golden" / "tables"
CONFIGS = REPOSITORY / "configs"
PAPERS = sorted((CONFIGS / "papers").glob("*.py"))
FILES = {file.stem: file for file in [*PAPERS, CONFIGS / "detectors.py"]}
NAMES = list(FILES)


def load(name, argument=""):
    file = FILES[name]
    return schema.load_file(f"{file}:{argument}" if argument else str(file))


def render(table):
    return "\n".join([f"{table.title}\n{table.source}\n", *map(_row, table.rows)])


def _row(row):
    defaults = schema.flatten(schema.Config())
    changed = {k: v for k, v in schema.flatten(row.config).items() if v != defaults[k]}
    facts = [f"[{row.name}]", *(f"= {one}" for one in row.published), f"images: {row.images}"]
    facts += [f"not verified, or otherwise here: {row.unverified}"] if row.unverified else []
    changed.pop("name"), changed.pop("evaluation.published")
    return "\n".join([*facts, *(f"{key}: {value!r}" for key, value in changed.items())]) + "\n"


def path(name):
    return FOLDER / f"{name}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in NAMES:
        path(one).write_text(render(load(one)))
