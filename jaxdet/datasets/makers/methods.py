"""Makes training data by one of the papers' methods, in the layout of the published sets.

Real and fake have the same names, size, container (8-bit RGB PNG) and number in every set, as in
the built-in dataset. Everything is resumed: `place.making` keeps what was begun.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxdet.data.images import SPLITS
from jaxdet.datasets.makers import game
from jaxdet.datasets.makers.autogan import Autogan, AutoganSettings
from jaxdet.datasets.makers.dcgan import Dcgan, DcganSettings
from jaxdet.datasets.makers.dip import DipSettings, kind_of, make_dip
from jaxdet.datasets.makers.fit import Say
from jaxdet.datasets.makers.photos import Crops, find_photographs
from jaxdet.datasets.makers.place import is_finished, making, write_record
from jaxdet.datasets.makers.sets import CutSettings, cut_splits, set_folder, write_images
from jaxdet.datasets.makers.synth import describe, is_there, versions
from jaxdet.datasets.makers.wgan_gp import WganGp, WganGpSettings
from jaxdet.errors import writing_to
from jaxdet.workdir.lock import clear_lock

Settings = DipSettings | AutoganSettings | DcganSettings | WganGpSettings


@dataclass(frozen=True)
class Maker:
    """Describes one method of making a dataset.

    Attributes:
        settings: its kind of settings.
        make: writes the fakes of all splits below a folder; what it measured, for the record.
        kinds: settings -> the names that tell its kinds of fakes apart, ("",) for one kind.
    """

    settings: type[CutSettings]
    make: Callable[..., dict[str, Any]]
    kinds: Callable[[Any], tuple[str, ...]] = lambda _: ("",)


def make_dataset(root: Path, *, settings: Any, say: Say = print) -> None:
    """Makes the dataset at `root`, goes on with it, or says that it is there already.

    Args:
        root: where it appears when it is complete.
        settings: those of one of MAKERS.
        say: told a line now and then.

    Raises:
        UserError: `root` holds something else or a dataset of other settings, the photographs
            will not do, or a folder cannot be written.
        RunFailedError: a loss is not finite.
    """
    root, begin = root.expanduser().resolve(), time.perf_counter()
    folder = None if settings.photos is None else Path(settings.photos)
    photographs = find_photographs(folder, seed=settings.seed, size=settings.size)
    asked = describe(settings, photographs=photographs)
    with writing_to(root):
        if is_there(root, asked=asked):
            clear_lock(root)
            say(f"{root}: already there")
            return
        with making(root, asked=asked) as partial:
            if not is_finished(partial):
                crops = cut_splits(settings, photographs=photographs)
                made = make_sets(partial, crops=crops, settings=settings, say=say)
                write_record(partial, record={"status": "finished", **asked, **made})
            # After the record: a kill at any moment leaves what can be gone on from, or all.
            if (partial / "snapshots").exists():
                shutil.rmtree(partial / "snapshots")
    say(f"{root}: made in {time.perf_counter() - begin:.0f} s")


def make_sets(root: Path, *, crops: Mapping[str, Crops], settings: Any, say: Say) -> dict[str, Any]:
    """Writes all sets under `root`; returns what was measured on the way, for the record."""
    maker = MAKERS[settings.method]
    for split in SPLITS:
        for kind in maker.kinds(settings):
            place = root / set_folder(split, method=settings.method, kind=kind) / "0_real"
            write_images(place, names=crops[split].names, images=crops[split].images)
    made = maker.make(root, crops=crops, settings=settings, say=say)
    counts = {split: len(crops[split].names) for split in SPLITS}
    return {"images_per_label": counts, settings.method: made, "versions": versions()}


def _make_by(make_game: Callable[[Any], game.Game]) -> Callable[..., dict[str, Any]]:
    def make(
        folder: Path, *, crops: Mapping[str, Crops], settings: Any, say: Say
    ) -> dict[str, Any]:
        return game.make_fakes(folder, crops=crops, game=make_game(settings), say=say)

    return make


def _dip_kinds(settings: DipSettings) -> tuple[str, ...]:
    return tuple(map(kind_of, settings.snapshots))


MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "dip": Maker(DipSettings, make_dip, _dip_kinds),
        "autogan": Maker(AutoganSettings, _make_by(Autogan)),
        "dcgan": Maker(DcganSettings, _make_by(Dcgan)),
        "wgan_gp": Maker(WganGpSettings, _make_by(WganGp)),
    }
)
