"""A run folder with odd values in any place of its files, and the reports of it.

Nobody wrote these variants by hand: places of the trees times kinds of node, both drawn.
"""

import functools
import json
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np

from jaxdet.report import conditions, latex, markdown, papers, tables
from jaxdet.report.contents import read_contents
from jaxdet.report.figures.sheets import sheets
from jaxdet.report.figures.style import LIGHT
from jaxdet.report.page import page_html
from tests.report import runs

TREES = ("results.json", "config.json", "env.json", "metrics.jsonl")
ARRAYS = ("predictions/progan.npz", "analysis/ranking/progan.npz", "analysis/spectra/biggan.npz")
# Of 20 cases, so many for each.
TARGETS = ("results.json",) * 9 + TREES[1:] * 2 + ARRAYS + ("folders",) * 2
STEP_NAMES = (
    "\N{SUPERSCRIPT TWO}", "\N{ARABIC-INDIC DIGIT ONE}", "1_000", "-1", "007", "+3", " 4", "0x10",
    "9" * 200, "12", "1e3", "\x1b[2J", "3.tmp", "4.damaged", "x" * 250,
)  # fmt: skip
LETTERS = (
    "abz09", "\0\x07\x1b\r\n\x7f", "\x85\x9b", "\u202e\u200f\u2066", "\udc80\udcff",
    "\u0661\u00b2", "=+-@|&<>$%#_{}~^\\\"'`*[]", "/.",
)  # fmt: skip


@functools.cache
def _sound():
    held = tempfile.TemporaryDirectory(prefix="fuzz-runs-")
    run = Path(held.name) / "run"
    sets = {
        "progan": runs.predictions("progan", per_label=8, categories=("cat", "dog")),
        "biggan": runs.predictions("biggan", per_label=8, skipped=("0_real/x.png",)),
    }
    validation = runs.predictions("val", per_label=8)
    runs.write_run(run, sets, validation=validation, published={"progan": 0.9}, draws=5)
    runs.write_analyses(run, sets, side=16, kinds=("protocol", "jpeg"))
    for step in (7, 12):
        (run / "checkpoints" / str(step)).mkdir(parents=True)
    return held, run


def kinds():
    """The reports of one run, and of it between sound ones."""
    return ("alone", "compared")


def sound_case(what, folder):
    """As `make_case`, undamaged."""
    shutil.copytree(_sound()[1], folder)
    return folder


def make_case(number, seed, folder):
    """Writes the odd run of a number; gives what is odd in it and its folder."""
    rng = np.random.default_rng([seed, number])
    target = TARGETS[number % len(TARGETS)]
    sound_case("alone", folder)
    if target == "folders":
        _change_folders(folder, rng)
    elif target in ARRAYS:
        (folder / target).write_bytes(_odd_arrays(folder / target, rng))
    else:
        path = folder / target
        path.write_bytes(_odd_text(path.read_text(), rng, lines=target.endswith("l")))
    if rng.random() < 0.2:
        results = folder / "results.json"
        shutil.rmtree(results) if results.is_dir() else results.unlink(missing_ok=True)
    return f"{kinds()[number // len(TARGETS) % 2]}, {target}", folder


def _odd_text(text, rng, *, lines):
    if lines:
        every = text.splitlines()
        for _ in range(rng.integers(1, 6)):
            place = rng.integers(len(every))
            tree = json.loads(every[place]) if rng.random() < 0.8 else {}
            every[place] = _dumped(_odd_tree(tree, rng))
        return "\n".join(every).encode()
    return _dumped(_odd_tree(json.loads(text), rng)).encode()


def _dumped(tree):
    """JSON in which "<digits N>" is an integer of N digits, which Python would not write."""
    return re.sub(r'"<digits (\d+)>"', lambda found: "7" * int(found[1]), json.dumps(tree))


def _odd_tree(tree, rng):
    """One to three changes, each at a place drawn from all places of the tree."""
    for _ in range(rng.integers(1, 4)):
        places = list(_places(tree))
        if not places:
            return _node(rng)
        holder, key = places[rng.integers(len(places))]
        way = rng.integers(8)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, dict):
            holder[_string(rng)] = holder.pop(key)
        elif way == 2:
            other, taken = places[rng.integers(len(places))]
            holder[key] = json.loads(json.dumps(other[taken]))
        elif way == 3:
            holder[key] = (
                type(holder[key])() if isinstance(holder[key], dict | list) else [holder[key]]
            )
        else:
            holder[key] = _node(rng)
    return tree


def _places(tree):
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in list(keys):
        yield tree, key
        yield from _places(tree[key])


def _node(rng, depth=0):
    """A value of any kind."""
    kind = rng.integers(8 if depth < 3 else 6)
    if kind == 0:
        return (None, True, False)[rng.integers(3)]
    if kind == 1:
        return int(rng.integers(-3, 4)) * 10 ** int(rng.integers(0, 1000))
    if kind == 2:
        return f"<digits {rng.integers(1, 5000)}>"
    if kind == 3:
        odd = (np.nan, np.inf, -np.inf, -0.0, 5e-324, 1.8e308, -0.5, 1.5)
        return float(odd[rng.integers(len(odd))])
    if kind == 4:
        return float(rng.normal() * 10.0 ** rng.integers(-300, 300))
    if kind == 5:
        return _string(rng)
    size = int(rng.integers(0, 4))
    if kind == 6:
        nested = [_node(rng, depth + 1) for _ in range(size)]
        for _ in range((0, 0, 0, 20, 60)[rng.integers(5)]):
            nested = [nested]
        return nested
    return {_string(rng): _node(rng, depth + 1) for _ in range(size)}


def _string(rng):
    letters = LETTERS[0] + LETTERS[rng.integers(len(LETTERS))]
    size = (0, 1, 5, 20, 300, 3000)[rng.integers(6)]
    return "".join(letters[place] for place in rng.integers(len(letters), size=size))


def _odd_arrays(path, rng):
    """The arrays of a file, one of them of another form or with odd values."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = list(arrays)[rng.integers(len(arrays))]
    value = arrays[name]
    if rng.random() < 0.4 and value.dtype.kind in "fiu" and value.size:
        flat = value.copy().reshape(-1)
        odd = (0, 1, -1, 255, np.nan, np.inf, -np.inf, 1e38, -1e38, 2**31 - 1)
        with np.errstate(all="ignore"):
            at = rng.integers(flat.size, size=rng.integers(1, 9))
            flat[at] = np.array(odd[rng.integers(len(odd))]).astype(value.dtype)
        arrays[name] = flat.reshape(value.shape)
    elif rng.random() < 0.5:
        # All that go together lose the same: sides and counts of 0, 1, and unlike ones.
        cut = int(rng.integers(0, 3))
        axis = int(rng.integers(0, 3))
        arrays = {n: _cut(a, axis, cut) if rng.random() < 0.7 else a for n, a in arrays.items()}
    else:
        kinds = ("<f8", "<f2", "<i8", "<u1", "<U4", "?", "S3", "<c8", "<M8[s]")
        with np.errstate(all="ignore"):
            arrays[name] = np.zeros(value.shape, kinds[rng.integers(len(kinds))])
    out = path.with_name("odd.npz")
    np.savez(out, **arrays)
    content = out.read_bytes()
    out.unlink()
    return content


def _cut(array, axis, size):
    return array[(slice(None),) * axis + (slice(size),)] if array.ndim > axis else array


def _change_folders(folder, rng):
    """Steps of odd names, files in place of folders, and folders in place of files."""
    for place in ("checkpoints", "unvalidated"):
        for _ in range(rng.integers(0, 4)):
            path = folder / place / STEP_NAMES[rng.integers(len(STEP_NAMES))]
            path.parent.mkdir(exist_ok=True)
            # A name may be drawn twice, once for a folder and once for a file.
            if rng.random() < 0.7:
                if not path.exists():
                    path.mkdir()
            elif path.is_file():
                path.unlink()
            elif not path.exists():
                path.write_bytes(b"")
    names = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    for _ in range(rng.integers(0, 3)):
        path = folder / names[rng.integers(len(names))]
        if path.is_dir():
            shutil.rmtree(path)
            path.write_bytes(b"")
        elif path.is_file():
            path.unlink()
            path.mkdir()


def readers(what):
    """Name to a function of the folder of a case."""
    others = [] if what.startswith("alone") else [_sound()[1]]
    return {"report": lambda folder: _report([*others, folder])}


def _report(folders):
    """All that is written of runs, figures without their files; nothing in it moves a cursor."""
    contents = read_contents(folders)
    runs = contents.runs
    written = [markdown.markdown_text(runs, contents.comparison, contents.unscored)]
    if runs:
        written += [tables.csv_text(runs), latex.latex_text(runs), papers.csv_text(runs)]
        written += [papers.latex_text(runs), papers.markdown_text(runs), conditions.csv_text(runs)]
        written += [latex.comparison_text(runs, contents.comparison)]
    written.append(page_html(contents))
    for run in runs:
        tables.print_table(run.results)
    for one in contents.unscored:
        tables.print_unscored(one)
    for text in written:
        odd = {sign for sign in text if not sign.isprintable()} - {"\n", "\N{EM SPACE}"}
        assert not odd, odd
        text.encode("utf-8")
    for sheet in sheets(contents):
        sheet.draw(LIGHT)
