"""Counts what the plan of the code promises: `python -m tests.house [--fragments | --copies]`."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, CONFIGS = ROOT / "jaxdet", ROOT / "configs"
LOOP = "jaxdet.train.loop"
_LONG_FUNCTION, _LONG_FILE = 40, 300
_COPY = 6  # lines one after the other that two configs have alike
# Plural nouns that a fragment may open with; all other words in -s are taken for verbs.
_NOUNS = frozenset({
    "Accuracies", "Activations", "Arrays", "As", "Augmentations", "Batches", "Bytes", "Chunks",
    "Crops", "Detectors", "Devices", "Epochs", "Fakes", "Fields", "Files", "Floats", "Folders",
    "Generators", "Gradients", "Groups", "Hours", "Images", "Indices", "Its", "Kinds", "Lengths",
    "Levels", "Lines", "Loaders", "Logits", "Magnitudes", "Means", "Networks", "Numbers", "Pages",
    "Pairs", "Parts", "Percentiles", "Photographs", "Pictures", "Pieces", "Pixels", "Points",
    "Reals", "Records", "Results", "Rows", "Seconds", "Sets", "Shapes", "Shares", "Steps", "Tables",
    "Texts", "This", "Those", "Threads", "Thresholds", "Values", "Variables", "Weights", "Words",
})  # fmt: skip


def main() -> None:
    """Prints the counts, or each fragment or copy with its place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fragments", action="store_true", help="list them")
    parser.add_argument("--copies", action="store_true", help="list those in configs")
    options = parser.parse_args()
    if options.fragments or options.copies:
        for path, line, text in fragments() if options.fragments else copies():
            print(f"{path.relative_to(ROOT)}:{line}: {text}")
        return
    files = sources()
    others = {name: sources(ROOT / name) for name in ("tests", "configs")}
    lengths = {path: line_count(path) for path in files}
    closure, loaded = imported(LOOP), imported(LOOP, packages=True)
    for what, count in {
        "files": len(files),
        "lines": sum(lengths.values()),
        f"files above {_LONG_FILE} lines": len(long_files()),
        f"functions above {_LONG_FUNCTION} lines": sum(1 for _ in long_functions()),
        "docstrings that open with no verb": sum(1 for _ in fragments()),
        f"runs of {_COPY} lines or more that two configs have alike": sum(1 for _ in copies()),
        "files that jaxdet.train.loop imports": len(closure),
        "lines of them": sum(lengths[path] for path in closure),
        "lines with what the packages they lie in import": sum(lengths[path] for path in loaded),
        "files that name the whole Config": len(config_files()),
        **{f"files of {name}": len(paths) for name, paths in others.items()},
        **{f"lines of {name}": sum(map(line_count, paths)) for name, paths in others.items()},
    }.items():
        print(f"{count:>7,}  {what}")


def sources(folder: Path = PACKAGE) -> list[Path]:
    """Returns the Python files of a folder, the package where left out."""
    return sorted(folder.rglob("*.py"))


def line_count(path: Path) -> int:
    """Returns the number of lines of a file."""
    return len(path.read_text().splitlines())


def definitions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Yields each function and class of the package."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield path, node


def fragments() -> Iterator[tuple[Path, int, str]]:
    """Yields file, line and first line of each docstring that does not open with a verb."""
    for path in sources():
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        if not opens_with_verb(text):
            yield path, 1, text.split("\n")[0]
    for path, node in definitions():
        text = ast.get_docstring(node)
        if text and not opens_with_verb(text):
            yield path, node.lineno, text.splitlines()[0]


def opens_with_verb(text: str) -> bool:
    """Returns whether a text opens as "Returns the loss" does, a command that it names aside."""
    text = re.sub(r"^`[^`]*`: (\w)", lambda first: first[1].upper(), text)
    match = re.match(r"([A-Z][a-z]+s|Does|Goes|Has)\b,?( \w+)?", text)
    return bool(match) and match[1] not in _NOUNS and match[2] != " of"


def long_files() -> list[Path]:
    """Returns the files that are too long."""
    return [path for path in sources() if line_count(path) > _LONG_FILE]


def long_functions() -> Iterator[tuple[Path, str]]:
    """Yields file and name of each function that is too long, its docstring not counted."""
    for path, node in definitions():
        if isinstance(node, ast.ClassDef):
            continue
        body = node.body[1:] if ast.get_docstring(node) else node.body
        if body and (node.end_lineno or 0) - body[0].lineno + 1 > _LONG_FUNCTION:
            yield path, node.name


def copies() -> Iterator[tuple[Path, int, str]]:
    """Yields file, line and twin of each run of lines that an earlier config has, too.

    Blank lines, comments, imports and the docstring do not count.
    """
    seen: dict[tuple[str, ...], tuple[Path, int]] = {}
    for path in sources(CONFIGS):
        own: dict[tuple[str, ...], tuple[Path, int]] = {}
        last = -_COPY
        code = code_lines(path)
        for place in range(len(code) - _COPY + 1):
            number = code[place][0]
            run = tuple(text for _, text in code[place : place + _COPY])
            own[run] = path, number
            if run in seen:
                if place > last + 1:  # else the run before goes on
                    twin, line = seen[run]
                    yield path, number, f"as {twin.relative_to(ROOT)}:{line}"
                last = place
        seen |= own


def code_lines(path: Path) -> list[tuple[int, str]]:
    """Returns number and text of the lines of a file that do something."""
    lines = path.read_text().splitlines()
    code = []
    for node in ast.parse(path.read_text()).body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_text and not isinstance(node, ast.Import | ast.ImportFrom):
            numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            code += [(number, lines[number - 1].strip()) for number in numbers]
    return [(number, text) for number, text in code if text and not text.startswith("#")]


def imported(module: str, *, packages: bool = False) -> set[Path]:
    """Returns the files of the package that a module imports, and theirs, at its top level.

    With `packages` those too that the packages in which they lie import, as Python loads them.
    """
    seen: set[Path] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        path = file_of(name)
        if packages and "." in name:
            todo.append(name.rpartition(".")[0])
        if path is None or path in seen:
            continue
        seen.add(path)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                todo += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return seen


def file_of(module: str) -> Path | None:
    """Returns the file of a module of the package; None of any other."""
    if module.split(".")[0] != PACKAGE.name:
        return None
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in candidates if one.is_file()), None)


def config_files() -> list[Path]:
    """Returns the files outside the room of configs that have a parameter of type Config."""
    pattern = re.compile(r": (?:schema\.)?Config\b")
    return [
        path
        for path in sources()
        if path.parent.name != "config" and pattern.search(path.read_text())
    ]


if __name__ == "__main__":
    main()
