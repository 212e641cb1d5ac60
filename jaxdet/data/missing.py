"""Finds what a run begins with and is not there, each with the command that fetches or makes it."""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote

from jaxdet.config import Config
from jaxdet.data.regular import listing
from jaxdet.data.released import RELEASED_WEIGHTS
from jaxdet.data.sources import TFDS, open_root
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


def check_present(configs: Iterable[Config], *, needs_init: bool = True) -> None:
    """Looks for all that runs begin with.

    Args:
      configs: of the runs.
      needs_init: whether `model.init` is read; a run that goes on has its own weights.

    Raises:
      UserError: naming everything that is not there, each with what fetches or makes it.
    """
    found = list(dict.fromkeys(m for c in configs for m in find_missing(c, needs_init=needs_init)))
    if len(found) == 1:
        raise UserError(found[0].sentence())
    if found:
        raise ListedError(
            "not here (fetch or make them, or name other places with --config.data.root=DIR and "
            "--config.model.init=PATH):",
            [f"{one.place}: {one.source}" for one in found],
        )


def find_missing(config: Config, *, needs_init: bool = True) -> Iterator[Missing]:
    """Yields every folder and file that a run of the config begins with and that is not there."""
    if config.task != "eval":
        option = "data.train_root" if config.data.train_root else "data.root"
        splits = ("train", "val") if config.data.validation == "auto" else ("train",)
        yield from _missing_splits(config, option, config.train_root, splits)
    if config.task != "train":
        yield from _missing_splits(config, "data.root", config.data.root, ("test",))
    init = Path(config.model.init)
    with listing(init.parent):
        if needs_init and config.model.init and not init.exists():
            yield _missing_weights(init, config)


def _missing_splits(
    config: Config, option: str, root: str, splits: tuple[str, ...]
) -> Iterator[Missing]:
    """Yields what a root lacks, where it has not the first of the splits."""
    if not root or root.startswith(TFDS) or _has(root, splits[0]):
        return
    source = _SOURCES.get(root.rstrip("/"), "")
    if not source and option == "data.root" and _is_forensynths(config):
        for split in splits:
            if not _has(root, split):
                command = f"python -m jaxdet.data fetch forensynths-{split} --root={quote(root)}"
                yield Missing(f"{root}/{split}", "folder", command)
    elif os.path.lexists(root):
        holds = "the sets to evaluate on" if splits == ("test",) else "the images to train on"
        yield Missing(f"{root}/{splits[0]}", "folder", source or f"it holds {holds}")
    else:
        give = f"give one with --config.{option}=DIR, or make the built-in dataset with "
        yield Missing(f"{option}={root}", "folder", source or f"{give}`{_SYNTH} --root=DIR`")


def _has(root: str, split: str) -> bool:
    """Returns whether a root has a split, or is something that its readers refuse."""
    path = Path(root)
    with listing(path):
        if not path.is_dir():
            return path.exists()
        return open_root(root).has(split)


def _is_forensynths(config: Config) -> bool:
    """Tells whether the images of Wang et al. are meant: by generator, numbers or test sets."""
    asked = config.evaluation
    return (
        config.data.generator == "progan"
        or asked.published.partition(";")[0] in _PAPERS
        or bool(asked.sets and set(asked.sets) <= set(USUAL_NAMES))
    )


def _missing_weights(path: Path, config: Config) -> Missing:
    """Returns a file that is not there, with the command where `fetch` knows its name."""
    for collection, names in RELEASED_WEIGHTS.items():
        if path.name in names:
            fetch = f"python -m jaxdet.data fetch {collection} --root={quote(str(path.parent))}"
            only = path.name.split("-")[0]
            return Missing(f"model.init={path}", "file or run", f"{fetch} --only={only}")
    source = "see docs/training.md for weights"
    if path.parts[0] == "runs":
        source += ", or train that run first"
    way = "" if config.task == "eval" else ", or start at random with --config.model.init="
    return Missing(f"model.init={path}", "file or run", source + way)
