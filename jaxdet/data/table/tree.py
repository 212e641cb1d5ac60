"""Reads folders of images in the layouts of released benchmarks, each as a `Table`."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.formats import is_image_name
from jaxdet.data.names import is_hidden
from jaxdet.data.regular import listing
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.layouts import Layout
from jaxdet.data.table.recognise import (
    NoLabelsError,
    choose_layout,
    parent_of,
    refuse_halves,
    refuse_ignored,
)
from jaxdet.data.table.rows import WHOLE, Table, Words
from jaxdet.data.table.split_folders import SplitFolders, find_split_folders
from jaxdet.data.walk import folders_of, walk
from jaxdet.data.words import LABELS, is_real_folder, label_of_word, split_of_word
from jaxdet.errors import UserError
from jaxdet.streams import printable, some_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    """Holds the folders with images below a root, and how they are read.

    Attributes:
      table: the images.
      layout: name of the layout.
      aside: what else lies there.
      labels: names of the folders that are taken for real images, and for fakes.
      classes: paths of folders that are called like a split and are none.
    """

    table: Table
    layout: str
    aside: LeftAside
    labels: tuple[Sequence[str], Sequence[str]]
    classes: Sequence[str]

    def sentence(self) -> str:
        """Returns what is taken for what, in one line."""
        n_fake = int(self.table.label.sum())
        splits = {split_of_word(one) for one in self.table.split.words}
        counts = f"{len(self.table) - n_fake:,} real and {n_fake:,} fake images"
        read = f"read as data.layout={self.layout}: {counts}, {', '.join(sorted(splits))}"
        for label, names in zip(LABELS, self.labels, strict=True):
            read += f"; {label}: {some_names(names)}" if names else ""
        made_by = [word for word in self.table.generator.words if word]
        read += f"; {len(made_by):,} generators: {some_names(made_by)}" if made_by else ""
        if self.classes:
            shown = ", ".join(printable(one)[:80] for one in self.classes[:3])
            read += f"; no split, but one more of the folders beside it: {shown}"
        return read


def read_tree(root: Path, reading: Reading) -> Tree:
    """Returns the images below a folder, by the layout that is named or recognised.

    Raises:
      UserError: where two readings fit, or none is recognised.
    """
    with listing(root):
        folders = dict(_image_folders(root))
    if not folders:
        raise UserError(f"{root}: holds no image files")
    name, layout = choose_layout(root, list(folders), reading)
    is_recognised = reading.layout == "auto" and not reading.labels
    labels = {path: _label(root, path, layout) for path in folders}
    rows = [
        (path, one, label)
        for path, label in labels.items()
        if label is not None
        for one in folders[path]
    ]
    if not rows:
        raise NoLabelsError(f"{root}: data.layout={name}: no folder is called {_names(layout)}")
    if is_recognised and layout.others is None:
        refuse_ignored(root, labels, name, layout)
    seen = {path for path, label in labels.items() if label is not None}
    splits = _split_folders(root, sorted(seen), layout)
    table = _table(root, rows, layout, splits)
    if is_recognised and layout.others is None and not layout.reals:
        refuse_halves(root, table, name)
    around = () if reading.labels else {parent_of(p, layout) for p in seen if layout.said(p)}
    aside = LeftAside(around=frozenset(around))
    for visit in walk(root):
        aside.note(visit, is_wanted=is_image_name if visit.path in seen else None)
    names = _label_names(labels, layout)
    return Tree(table=table, layout=name, aside=aside, labels=names, classes=splits.classes)


def _label_names(
    labels: Mapping[str, int | None], layout: Layout
) -> tuple[Sequence[str], Sequence[str]]:
    """Returns the names of the folders that say real, and those that say fake."""
    found: tuple[dict[str, None], dict[str, None]] = ({}, {})
    for path, label in labels.items():
        if label is not None:
            said = layout.said(path)
            found[label][said[-1][0] if said else "all other folders"] = None
    return list(found[0]), list(found[1])


def _image_folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    for visit in walk(root):
        names = [name for name in visit.names if is_image_name(name)]
        hidden = any(map(is_hidden, visit.path.split("/"))) and visit.path
        if visit.error and not hidden:
            raise visit.error
        if names and not hidden:
            yield visit.path, names


def _split_folders(root: Path, paths: Sequence[str], layout: Layout) -> SplitFolders:
    labels = {step for path in paths for step, _ in layout.said(path)}
    return find_split_folders(root, paths, split_of=layout.split_of, is_label=labels.__contains__)


def _label(root: Path, path: str, layout: Layout) -> int | None:
    """Returns the label of the images of a folder; None where none is said.

    Raises:
      UserError: where two folders around them say the opposite.
    """
    said = layout.said(path)
    if len({label for _, label in said}) > 1:
        one, other = (next(step for step, of in said if of == label) for label in (0, 1))
        raise UserError(
            f"{root}: {printable(path)[:200]}: {one} says real and {other} says fake; say which "
            f'with --config.data.labels, as \'{{"{one}": "real"}}\''
        )
    if not said and layout.others is not None:
        _refuse_contrary_names(root, path, layout.others)
    return said[-1][1] if said else layout.others


def _refuse_contrary_names(root: Path, path: str, label: int) -> None:
    """Raises UserError for a folder whose label nothing contradicts but its name.

    Real images taken for fakes, or fakes for real ones, would be a label that nobody gave.
    """
    is_contrary = is_real_folder if label else lambda step: label_of_word(step) == 1
    name = next((step for step in path.split("/") if is_contrary(step)), "")
    if name:
        other, own = LABELS[1 - label], LABELS[label]
        raise UserError(
            f"{root}: {printable(path)[:200]}: all folders of this layout but those of {other} "
            f"images are {own}, and {printable(name)[:60]} is called as if it were {other}; say "
            f'which with --config.data.labels=\'{{"{printable(name)[:60]}": "{other}"}}\' or '
            f'"{own}", beside --config.data.layout'
        )


def _table(
    root: Path, rows: Sequence[tuple[str, str, int]], layout: Layout, splits: SplitFolders
) -> Table:
    paths = list(dict.fromkeys(path for path, _, _ in rows))
    steps = {path: _steps(path, layout, splits.splits) for path in paths}
    wrapper = _wrapper([rest for _, rest in steps.values()], layout)
    folders = {path: (split, *_named(rest[wrapper:], layout)) for path, (split, rest) in
               steps.items()}  # fmt: skip
    split, generator, category = (
        Words.of(folders[path][place] for path, _, _ in rows) for place in range(3)
    )
    return Table(
        place=str(root),
        name=root.resolve().name or "root",
        base=root,
        files=[f"{path}/{name}" if path else name for path, name, _ in rows],
        file=np.arange(len(rows), dtype=np.int32),
        row=np.full(len(rows), WHOLE, np.int64),
        label=np.array([label for _, _, label in rows], np.int32),
        split=split,
        generator=generator,
        category=category,
        group=Words.same("", len(rows)),
        reals=layout.reals,
        sources=folders_of(root),
    )


def _steps(path: str, layout: Layout, splits: Mapping[str, str]) -> tuple[str, list[str]]:
    """Returns the split of a folder, and its steps without those of splits and labels."""
    split, rest, above = "test", [], ""
    labels = {step for step, _ in layout.said(path)}
    for step in path.split("/"):
        above = f"{above}/{step}".lstrip("/")
        if above in splits:
            split = splits[above]
        elif step and step not in labels:
            rest.append(step)
    return split, rest


def _wrapper(rests: Sequence[list[str]], layout: Layout) -> int:
    """Returns how many folders stand around all images and say nothing of any of them.

    The only folder there is stays: it is a generator.
    """
    levels = zip(*rests, strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda steps: len(set(steps)) == 1, levels))
    deepest = max(map(len, rests))
    if len(set(map(tuple, rests))) == 1 or not layout.names:
        return 0
    return common if layout.wraps or deepest > layout.names else 0


def _named(rest: Sequence[str], layout: Layout) -> tuple[str, str]:
    """Returns generator and category."""
    named = rest[: layout.names] if layout.names else rest[-1:]
    generator, category = [*named, "", ""][:2]
    return generator, category


def _names(layout: Layout) -> str:
    return " or ".join(layout.labels) or "anything"
