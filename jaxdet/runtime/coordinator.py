"""Checks the address at which the processes of a run meet, before JAX uses it.

JAX ends by a segmentation fault where the port is taken, and listens on all interfaces whatever
address it is told.
"""

import contextlib
import errno
import ipaddress
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from jaxdet.errors import UserError
from jaxdet.progress import say

# JAX's name for where the first process listens, in place of the address that others are given.
BIND = "JAX_COORDINATOR_BIND_ADDRESS"
_RETRY_SECONDS = 1.0


def resolve(address: str, *, deadline: float) -> list[tuple[Any, Any]]:
    """Returns the family and socket address of each address that "HOST:PORT" stands for.

    Waits for a name that cannot be resolved yet: those of pods appear some time after the start.

    Raises:
      UserError: where it is not HOST:PORT, or cannot be resolved until the deadline, which is by
        time.monotonic().
    """
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise UserError(f"{address}: not HOST:PORT with a port from 1 to 65535")
    waiting = False
    while True:
        try:
            addresses = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            return [(family, place) for family, _, _, _, place in addresses]
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        if time.monotonic() + _RETRY_SECONDS > deadline:
            raise UserError(f"{address}: the name {host} cannot be resolved: {reason}")
        if not waiting:
            say(f"{address}: waiting for the name {host}, which cannot be resolved: {reason}")
        waiting = True
        time.sleep(_RETRY_SECONDS)


def listening_address(
    address: str, *, deadline: float, environment: Mapping[str, str] = os.environ
) -> str:
    """Returns where the first process is to listen for others, who know it by `address`.

    That is the address itself where it is one of this machine's, else all interfaces. A name may
    mean the loopback here and something else to others: only "localhost" and numbers are trusted.

    Raises:
      UserError: where the port is taken or may not be used.
    """
    given = environment.get(BIND) or address
    places = resolve(given, deadline=deadline)
    host, _, port = given.rpartition(":")
    own = [place for family, place in places if _is_free(family, place, given)]
    if own and _is_plain(host):
        first = own[0][0]
        one = f"[{first}]:{port}" if ":" in first else f"{first}:{port}"
        return given if len(own) == len(places) else one
    if len(own) == len(places) and not any(_is_loopback(place) for place in own):
        return given
    everywhere = [(socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")]
    free = [place for family, place in everywhere if _is_free(family, (place, int(port)), given)]
    return f"[::]:{port}" if "::" in free else f"0.0.0.0:{port}"


def _is_plain(host: str) -> bool:
    """Returns whether a host means the same on every machine."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        return True
    return host == "localhost"


def _is_loopback(place: Any) -> bool:
    return ipaddress.ip_address(place[0]).is_loopback


def _is_free(family: Any, place: Any, address: str) -> bool:
    """Returns whether this machine has the address, on which nobody listens.

    Raises:
      UserError: where somebody does, or this user may not.
    """
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # What is left of a run that has just ended is no obstacle.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"{address}: the port is taken on this machine, perhaps by another run or another "
                "first process of this one; give all processes another port"
            ) from None
        if error.errno == errno.EACCES:
            raise UserError(
                f"{address}: this port may not be used ({error.strerror}); give one from 1024 on"
            ) from None
        return False
    return True
