"""Finds the weights that a name, an address or a path means."""

import os
from pathlib import Path

from jaxdet.errors import UserError
from jaxdet.hub.huggingface import Address, commit_of
from jaxdet.hub.releases import RELEASES


def find_weights(weights: str | Path, *, accept_licence: str | None = None) -> Path:
    """Returns where weights lie; those of a name or an address are fetched on first use.

    They are kept below $XDG_CACHE_HOME/jaxdet, else ~/.cache/jaxdet.

    Args:
      weights: a path; hf://OWNER/NAME or hf://OWNER/NAME@REVISION; or the name of a released
        detector.
      accept_licence: the licence under which a released detector may be fetched.

    Raises:
      UserError: where the licence was not accepted, or there is nothing of that name.
      RunFailedError: where the network fails.
    """
    path = Path(weights)
    if os.path.lexists(path):
        return path
    # The rooms that fetch and convert are loaded where they are needed.
    address = Address.of(weights)
    if address is not None:
        from jaxdet.hub.share import pull

        commit = commit_of(address)
        folder = cache() / "hub" / address.repo / commit
        if not folder.is_dir():
            try:
                pull(str(Address(address.repo, commit)), folder)
            except UserError:
                if not folder.is_dir():  # else another process was quicker
                    raise
        return folder
    release = RELEASES.get(path.as_posix())
    if release is None:
        return path
    from jaxdet.hub.released import bring

    return bring(release, cache() / "released" / release.name, accepted=accept_licence)


def pin_weights(weights: str | Path) -> Path:
    """Returns weights that mean the same everywhere and later: an address gets its commit of now.

    Raises:
      UserError: where there is nothing at the address.
      RunFailedError: where the network fails.
    """
    path = Path(weights)
    address = None if os.path.lexists(path) else Address.of(weights)
    return Path(str(Address(address.repo, commit_of(address)))) if address else path


def cache() -> Path:
    """Returns the folder of what is fetched (the XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "jaxdet"
