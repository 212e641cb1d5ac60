"""Manages the folders of a run's checkpoints: which are there, which stay, which are set aside.

A folder whose name is a number is a saved step. Everything that happens to one is a rename, so
that a kill leaves it as it was or done:

    12.tmp…       being written; what a crash or a full disk left of it is removed
    12.replaced   makes way for the same step with ranks; comes back where that did not come
    12.removed    no longer kept; on its way out
    12.damaged    not what was saved; kept for whoever wants to look at it
"""

import contextlib
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from jaxdet.progress import say
from jaxdet.results.folder import step_number
from jaxdet.runtime.manifest import DamagedError, Manifest, read_manifest, verify
from jaxdet.workdir import drafts

# What the names of unfinished folders end with: ours, and orbax's within it or alone.
ORBAX_DRAFT = ".orbax-checkpoint-tmp"
_DRAFTS = ("[0-9]*.tmp", f"[0-9]*{ORBAX_DRAFT}*")


def saved_steps(folder: Path) -> list[int]:
    """Returns the steps that have a folder under their own name, ascending."""
    if not folder.is_dir():
        return []
    named = {step_number(path.name): path for path in folder.iterdir()}
    return sorted(step for step, path in named.items() if step is not None and path.is_dir())


def manifests(folder: Path) -> dict[int, Manifest]:
    """Returns the manifests that can be read, by step; the files beside them are not looked at."""
    sealed = {}
    for step in saved_steps(folder):
        with contextlib.suppress(DamagedError):
            sealed[step] = read_manifest(folder / str(step))
    return sealed


def kept(sealed: dict[int, Manifest], *, latest: int, ranks: tuple[str, ...]) -> set[int]:
    """Returns the steps to keep: the newest few, and the best by each rank."""
    best = {order[0] for name in ranks if (order := best_first(sealed, name))}
    return best | set(sorted(sealed)[-latest:])


def best_first(sealed: dict[int, Manifest], rank: str) -> list[int]:
    """Returns the ranked steps, the largest rank first and the newest among equals."""
    ranked = [(one.ranks[rank], step) for step, one in sealed.items() if one.ranks is not None]
    return [step for _, step in sorted(ranked, reverse=True)]


def set_aside_damaged(folder: Path) -> None:
    """Reads every step and renames what is damaged, a line for each."""
    for step in saved_steps(folder):
        path = folder / str(step)
        try:
            verify(path)
        except DamagedError as error:
            aside = _free_name(path, "damaged")
            drafts.publish(path, aside)
            say(f"{path}: {error}; set aside as {aside.name}")


def set_aside(folder: Path) -> list[str]:
    """Returns the names of damaged steps that were set aside, now or before."""
    return sorted(path.name for path in _named(folder, "damaged"))


def remove(path: Path) -> None:
    """Removes a step's folder: gone under its name at once, whenever a kill comes."""
    if path.exists():
        way_out = _free_name(path, "removed")
        path.rename(way_out)
        _remove_all([way_out])


def draft_of(path: Path) -> Path:
    """Returns the name that a step's folder has until it is complete."""
    return path.with_name(f"{path.name}.tmp")


def publish(draft: Path, path: Path) -> None:
    """Gives a complete draft its name; the same step saved before makes way for it."""
    if path.exists():
        path.rename(_free_name(path, "replaced"))
    drafts.publish(draft, path)
    _remove_all(_named(path.parent, "replaced", path.name))


def clear_drafts(folder: Path) -> None:
    """Removes what a crash or a full disk left half written."""
    for pattern in _DRAFTS:
        _remove_all(folder.glob(pattern))


def clear_failed(path: Path) -> None:
    """Removes the drafts of a step whose save failed in this process."""
    for draft in (draft_of(path), draft_of(path).with_name(f"{draft_of(path).name}{ORBAX_DRAFT}")):
        if draft.exists():
            _remove_in_use(draft)


def clear_leftovers(folder: Path) -> None:
    """Does to the end what an earlier process was killed in."""
    clear_drafts(folder)
    _remove_all(_named(folder, "removed"))
    for path in list(_named(folder, "replaced")):
        place = path.with_name(path.name.partition(".")[0])
        if place.exists():
            _remove_all([path])
        else:
            path.rename(place)


def _remove_in_use(path: Path) -> None:
    """Removes a folder although writes of a save that failed may still end in it, or make it anew.

    Nobody can be asked when the last of them has ended: it must have stayed away for a second.
    What comes later still goes when the run is opened again.
    """
    looks = 0
    for _ in range(300):
        looks = 0 if path.exists() else looks + 1
        if looks == 10:
            return
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.1)


def _free_name(path: Path, ending: str) -> Path:
    names = [f"{path.name}.{ending}", *(f"{path.name}.{ending}.{n}" for n in range(2, 1000))]
    return next(one for name in names if not (one := path.with_name(name)).exists())


def _remove_all(paths: Iterable[Path]) -> None:
    """Removes folders; files and links of these names are not ours."""
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def _named(folder: Path, ending: str, step: str = "[0-9]*") -> Iterator[Path]:
    yield from folder.glob(f"{step}.{ending}")
    yield from folder.glob(f"{step}.{ending}.*")
