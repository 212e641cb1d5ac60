"""Something that is no regular file, or lies elsewhere, in any place of a folder that is read."""

import os
import shutil
import socket

import numpy as np

from tests.fuzz import records
from tests.fuzz.samples import sound

FOLDERS = ("store", "tfds", "detector", "run")
KINDS = ("pipe", "socket", "folder", "empty", "zero", "full", "null", "nowhere", "itself", "above",
         "elsewhere")  # fmt: skip


def make_case(number, seed, folder):
    """Returns the kind of folder, and a copy of it with one to three things in wrong places."""
    rng = np.random.default_rng([seed, number])
    kind = FOLDERS[number % len(FOLDERS)]
    shutil.copytree(sound()[1] / kind, folder)
    elsewhere = folder.with_name("elsewhere")
    shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.copytree(folder, elsewhere)
    put = []
    for _ in range(rng.integers(1, 4)):
        places = sorted(path for path in folder.rglob("*") if not path.is_symlink())
        if places:
            place = places[rng.integers(len(places))]
            thing = KINDS[rng.integers(len(KINDS))]
            put.append(f"{thing} at {place.relative_to(folder)}")
            _put(thing, place, elsewhere / place.relative_to(folder))
    return f"{kind}/{', '.join(put)}", folder


def kinds():
    """Returns each kind of folder."""
    return tuple(f"{kind}/" for kind in FOLDERS)


def sound_case(what, folder):
    """Returns an unchanged copy."""
    return records.sound_case(what, folder)


def readers(what):
    """Returns the readers of such a folder."""
    return records.readers(what)


def _put(thing, place, elsewhere):
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    links = {"zero": "/dev/zero", "full": "/dev/full", "null": "/dev/null", "nowhere": "/no/where",
             "itself": place.name, "above": "..", "elsewhere": elsewhere}  # fmt: skip
    if thing in links:
        place.symlink_to(links[thing])
    elif thing == "pipe":
        os.mkfifo(place)
    elif thing == "folder":
        place.mkdir()
    elif thing == "empty":
        place.touch()
    else:
        held, here = socket.socket(socket.AF_UNIX), os.getcwd()
        os.chdir(place.parent)  # addresses have 108 bytes
        held.bind(place.name)
        os.chdir(here)
        held.close()
