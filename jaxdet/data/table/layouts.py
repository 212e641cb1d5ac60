"""Reads folders of images in the layouts of released benchmarks, each as a `Table`.

A layout says which folders' names are labels. The label of an image is what such a folder around
it says, and never follows from a position. Described from the sets themselves: GenImage (Zhu et
al., NeurIPS 2023), UniversalFakeDetect's diffusion sets (Ojha et al., CVPR 2023), DRCT-2M (Chen et
al., ICML 2024) and Synthbuster (Bammey 2023), whose fakes are held against photographs of RAISE.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from jaxdet.data.aside import LeftAside
from jaxdet.data.formats import is_image_name
from jaxdet.data.names import is_hidden
from jaxdet.data.regular import listing
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.rows import WHOLE, Table, Words
from jaxdet.data.table.split_folders import SplitFolders, find_split_folders
from jaxdet.data.walk import walk
from jaxdet.data.words import LABELS, is_real_folder, is_split_word, label_of_word, split_of_word
from jaxdet.errors import UserError
from jaxdet.streams import printable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Describes how a benchmark lays out its folders.

    Attributes:
      labels: folder's name, in lower case, to the label it says.
      others: label of images below none of them; None: such images are left aside.
      splits: further names of splits, in lower case.
      val: what `val/` is; the papers test GenImage on it.
      reals: generator to the set of real images that its fakes are held against; "" for others.
      signs: names of folders by which `auto` knows the layout; empty: `labels`.
      names: how many of the other folders around an image say something: generator and category;
        0: the innermost is the generator, whatever stands around it.
    """

    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    others: int | None = None
    splits: Mapping[str, str] = dataclasses.field(default_factory=dict)
    val: str = "val"
    reals: Mapping[str, str] = dataclasses.field(default_factory=dict)
    signs: Sequence[str] = ()
    names: int = 2

    def split_of(self, step: str) -> str:
        """Returns the split that a folder's name says; "" for none."""
        word = self.splits.get(step.lower()) or (split_of_word(step) if is_split_word(step) else "")
        return self.val if word == "val" else word

    def is_label(self, step: str) -> bool:
        """Returns whether a folder's name is that of a label."""
        return step in self.labels or step.lower() in self.labels


# By the name that data.layout gives.
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "forensynths": Layout(labels={"0_real": 0, "1_fake": 1}),
        "genimage": Layout(labels={"nature": 0, "ai": 1}, val="test", names=1),
        "real_fake": Layout(labels={"real": 0, "fake": 1}),
        "univfd": Layout(
            labels={"0_real": 0, "1_fake": 1},
            reals={"guided": "imagenet", "": "laion"},
            signs=("imagenet", "laion", "guided"),
            names=0,
        ),
        "drct": Layout(
            others=1,
            splits={"train2017": "train", "val2017": "test"},
            signs=("train2017", "val2017"),
            names=0,
        ),
        "synthbuster": Layout(
            labels={"real_raise_1k": 0}, others=1, signs=("real_raise_1k",), names=0
        ),
        "fake_only": Layout(others=1),
        "real_only": Layout(others=0),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tree:
    """Holds the folders with images below a root, and how they are read.

    Attributes:
      table: the images.
      layout: name of the layout.
      aside: what else lies there.
      classes: paths of folders that are called like a split and are none.
    """

    table: Table
    layout: str
    aside: LeftAside
    classes: Sequence[str]

    def sentence(self) -> str:
        """Returns what is taken for what, in one line."""
        n_fake = int(self.table.label.sum())
        splits = {split_of_word(one) for one in self.table.split.words}
        counts = f"{len(self.table) - n_fake:,} real and {n_fake:,} fake images"
        read = f"read as data.layout={self.layout}: {counts}, {', '.join(sorted(splits))}"
        if self.classes:
            shown = ", ".join(printable(one)[:80] for one in self.classes[:3])
            read += f"; no split, but one more of the folders beside it: {shown}"
        return read


def read_tree(root: Path, reading: Reading) -> Tree:
    """Returns the images below a folder, by the layout that is named or recognised.

    Raises:
      UserError: where two layouts may be meant, or none is recognised.
    """
    with listing(root):
        folders = list(_image_folders(root))
    if not folders:
        raise UserError(f"{root}: holds no image files")
    name, layout = _choose(root, [path for path, _ in folders], reading)
    rows: list[tuple[str, str, int]] = []  # folder, name, label
    seen: set[str] = set()
    for path, names in folders:
        label = _label(root, path, layout, exact=bool(reading.labels))
        if label is not None:
            seen.add(path)
            rows += [(path, one, label) for one in names]
    if not rows:
        raise UserError(f"{root}: data.layout={name}: no folder is called {_names(layout)}")
    aside = LeftAside()
    for visit in walk(root):
        aside.note(visit, is_wanted=is_image_name if visit.path in seen else None)
    splits = find_split_folders(
        root, sorted(seen), split_of=layout.split_of, is_label=layout.is_label
    )
    table = _table(root, rows, layout, splits)
    return Tree(table=table, layout=name, aside=aside, classes=splits.classes)


def _image_folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    for visit in walk(root):
        names = [name for name in visit.names if is_image_name(name)]
        hidden = any(map(is_hidden, visit.path.split("/"))) and visit.path
        if visit.error and not hidden:
            raise visit.error
        if names and not hidden:
            yield visit.path, names


def _choose(root: Path, paths: Sequence[str], reading: Reading) -> tuple[str, Layout]:
    """Returns the layout that is named, or the only one that labels folders.

    Raises:
      UserError: where there are two, with what each says of one folder, or none.
    """
    if reading.layout != "auto":
        layout = LAYOUTS[reading.layout]
        return reading.layout, dataclasses.replace(
            layout, labels={**_lower(layout.labels), **reading.labels}
        )
    if reading.labels:
        return "auto", Layout(labels=reading.labels)
    steps = {step.lower() for path in paths for step in path.split("/")}
    fitting = [name for name, one in LAYOUTS.items() if _is_known(one, steps)]
    # A set of generators whose reals lie apart says more than the labels' names alone.
    if "univfd" in fitting:
        fitting.remove("forensynths")
    if len(fitting) > 1:
        raise UserError(f"{root}: {_two_readings(paths, fitting)}")
    if not fitting:
        shown = ", ".join(printable(path or ".")[:80] for path in paths[:3])
        raise UserError(
            f"{root}: no folder says which images are real: {shown}; say it with "
            '--config.data.labels=\'{"FOLDER": "real", "FOLDER": "fake"}\' or '
            "--config.data.layout=fake_only"
        )
    return fitting[0], LAYOUTS[fitting[0]]


def _is_known(layout: Layout, steps: set[str]) -> bool:
    if layout.signs:
        return steps.issuperset(layout.signs)
    return any(label in steps for label in layout.labels)


def _two_readings(paths: Sequence[str], names: Sequence[str]) -> str:
    """Returns what two layouts say of one folder, where there is one of another label in each."""

    def said(path: str, name: str) -> str:
        found = _said(path, LAYOUTS[name].labels)
        label = found[-1][1] if found else LAYOUTS[name].others
        return "left aside" if label is None else LABELS[label]

    path = next((p for p in paths if said(p, names[0]) != said(p, names[1])), paths[0])
    told = "; ".join(
        f"by data.layout={name} {printable(path)[:80]} is {said(path, name)}" for name in names[:2]
    )
    return f"two layouts fit: {told}; say which with --config.data.layout=NAME"


def _label(root: Path, path: str, layout: Layout, *, exact: bool) -> int | None:
    """Returns the label of the images of a folder; None where none is said.

    Raises:
      UserError: where two folders around them say the opposite.
    """
    said = _said(path, layout.labels, exact=exact)
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


def _said(path: str, labels: Mapping[str, int], *, exact: bool = False) -> list[tuple[str, int]]:
    """Returns the folders of a path that say a label, with it; what the user named is exact."""
    return [
        (step, labels[key])
        for step in path.split("/")
        if (key := step if exact and step in labels else step.lower()) in labels
    ]


def _table(
    root: Path, rows: Sequence[tuple[str, str, int]], layout: Layout, splits: SplitFolders
) -> Table:
    paths = dict.fromkeys(path for path, _, _ in rows)
    folders = {path: _steps(path, layout, splits.splits) for path in paths}
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
    )


def _steps(path: str, layout: Layout, splits: Mapping[str, str]) -> tuple[str, str, str]:
    """Returns split, generator and category of a folder: its steps without those of labels."""
    split, rest, above = "test", [], ""
    for step in path.split("/"):
        above = f"{above}/{step}".lstrip("/")
        if above in splits:
            split = splits[above]
        elif step and not layout.is_label(step):
            rest.append(step)
    named = rest[: layout.names] if layout.names else rest[-1:]
    generator, category = [*named, "", ""][:2]
    return split, generator, category


def _lower(labels: Mapping[str, int]) -> dict[str, int]:
    return {name.lower(): label for name, label in labels.items()}


def _names(layout: Layout) -> str:
    return " or ".join(layout.labels) or "anything"
