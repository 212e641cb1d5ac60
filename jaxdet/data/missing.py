"""Finds what a run begins with and is not there, each with the command that fetches or makes it."""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote

from jaxdet.config.benchmarks import TFDS
from jaxdet.config.data import Data
from jaxdet.config.evaluation import Evaluation
from jaxdet.data.regular import listing
from jaxdet.data.released import RELEASED_WEIGHTS
from jaxdet.data.sources import open_root, reading_of
from jaxdet.data.splits import missing_benchmarks
from jaxdet.data.table.columns import Reading
from jaxdet.data.table.kind import is_table
from jaxdet.errors import ListedError, UserError
from jaxdet.metrics import USUAL_NAMES

_SYNTH = "python -m jaxdet.data synth"
_OWN = f"{_SYNTH} --size=256 --photos=PHOTOS"
_READ = "see docs/experiments.md"
# What fills the folders that presets name, ForenSynths's aside.
_SOURCES = {
    "data/synth": f"{_SYNTH} --root=data/synth",
    "data/autogan": f"{_OWN} --method=autogan --root=data/autogan",
    "data/dip": f"{_OWN} --method=dip --root=data/dip",
    "data/cyclegan": f"images of CycleGAN and the photographs it was trained on, {_READ}",
    "data/biggan": f"400,000 images of BigGAN and as many of ImageNet, {_READ}",
    "data/stylegan2": f"cats and horses of StyleGAN2 and of LSUN, {_READ}",
    "data/xuan": f"faces of CelebA-HQ and of a progressive GAN, {_READ}",
    "data/few": "a few images of the new generator and as many real ones, see docs/systems.md",
}
# Whose numbers are of ForenSynths; Xuan et al.'s are of other images.
_PAPERS = ("wang2020", "frank2020re", "tan2021eecs6322", "cnndetection_readme")


@dataclasses.dataclass(frozen=True)
class Missing:
    """Describes one folder or file that is not there.

    Attributes:
      place: its path, with the option that names it where that is all there is to mend.
      what: it should be.
      source: a command, or where to look.
    """

    place: str
    what: str
    source: str

    def sentence(self) -> str:
        """Returns all of it as one line."""
        return f"{self.place}: no such {self.what}; {self.source}"


def refuse_missing(missing: Iterable[Missing]) -> None:
    """Raises UserError that names all that is not there, each with what fetches or makes it."""
    lines = list(dict.fromkeys(missing))
    if len(lines) == 1:
        raise UserError(lines[0].sentence())
    if lines:
        raise ListedError(
            "not here (fetch or make them, or name other places with --config.data.root=DIR and "
            "--config.model.init=PATH):",
            [f"{one.place}: {one.source}" for one in lines],
        )


def find_missing(data: Data, evaluation: Evaluation, *, task: str, init: str) -> Iterator[Missing]:
    """Yields every folder and file that a run begins with and that is not there.

    Args:
      data: of its config.
      evaluation: of its config.
      task: of its config.
      init: the weights that it begins with; "" for none.
    """
    forensynths, reading = _is_forensynths(data, evaluation), reading_of(data)
    if task != "eval":
        option, root = "data.root", data.root
        if data.train_root:
            option, root = "data.train_root", data.train_root
        splits = ("train", "val") if data.validation == "auto" else ("train",)
        yield from _missing_splits(option, root, splits, reading, forensynths=forensynths)
    if task != "train" and not evaluation.benchmarks:
        yield from _missing_splits(
            "data.root", data.root, ("test",), reading, forensynths=forensynths
        )
    if task != "train" and evaluation.missing_benchmarks == "stop":
        for name, _, root in missing_benchmarks(evaluation):
            leave = "leave out what is missing with --config.evaluation.missing_benchmarks=skip"
            yield Missing(f"evaluation.benchmarks={name}={root}", "folder or table", leave)
    with listing(Path(init).parent):
        if init and not Path(init).exists():
            yield _missing_weights(Path(init), task)


def _missing_splits(
    option: str, root: str, splits: tuple[str, ...], reading: Reading, *, forensynths: bool
) -> Iterator[Missing]:
    """Yields what a root lacks, where it has not the first of the splits."""
    if not root or root.startswith(TFDS) or _has(root, splits[0], reading):
        return
    source = _SOURCES.get(root.rstrip("/"), "")
    if not source and option == "data.root" and forensynths:
        for split in splits:
            if not _has(root, split, reading):
                command = f"python -m jaxdet.data fetch forensynths-{split} --root={quote(root)}"
                yield Missing(f"{root}/{split}", "folder", command)
    elif os.path.lexists(root):
        holds = "the sets to evaluate on" if splits == ("test",) else "the images to train on"
        in_table = is_table(Path(root))
        place = f"{root}, split {splits[0]}" if in_table else f"{root}/{splits[0]}"
        what = "rows" if in_table else "folder"
        yield Missing(place, what, source or f"it holds {holds}")
    else:
        give = f"give one with --config.{option}=DIR, or make the built-in dataset with "
        yield Missing(f"{option}={root}", "folder", source or f"{give}`{_SYNTH} --root=DIR`")


def _has(root: str, split: str, reading: Reading) -> bool:
    """Returns whether a root has a split, or is something that its readers refuse."""
    path = Path(root)
    with listing(path):
        if not path.is_dir() and not is_table(path):
            return path.exists()
        return open_root(root, reading=reading).has(split)


def _is_forensynths(data: Data, evaluation: Evaluation) -> bool:
    """Returns whether the images of Wang et al. are meant: by generator, numbers or test sets."""
    return (
        data.generator == "progan"
        or evaluation.published.partition(";")[0] in _PAPERS
        or bool(evaluation.sets and set(evaluation.sets) <= set(USUAL_NAMES))
    )


def _missing_weights(path: Path, task: str) -> Missing:
    """Returns a file that is not there, with the command where `fetch` knows its name."""
    for collection, names in RELEASED_WEIGHTS.items():
        if path.name in names:
            fetch = f"python -m jaxdet.data fetch {collection} --root={quote(str(path.parent))}"
            only = path.name.split("-")[0]
            return Missing(f"model.init={path}", "file or run", f"{fetch} --only={only}")
    source = "see docs/training.md for weights"
    if path.parts[0] == "runs":
        source += ", or train that run first"
    way = "" if task == "eval" else ", or start at random with --config.model.init="
    return Missing(f"model.init={path}", "file or run", source + way)
