"""Bounds what a client may ask of the service, and what it holds at once."""

import asyncio
import collections
import contextlib
import dataclasses
from collections.abc import AsyncIterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """Holds the bounds of the service; nothing a client sends exceeds them.

    Attributes:
      images: of a request.
      request_bytes: of a request's body.
      held_bytes: of all bodies that are held at once; further requests answer 503.
      pixels: of an image; larger ones are not decoded.
      held_pixels: of all images that are decoded, until they are cut to what is scored, and of that
        until it is; others wait for room, in their order.
      queue: images that wait to be scored; further requests answer 503.
      connections: that are open at once; further ones answer 503.
      header_seconds: for a request's headers to arrive, and for an answer to be read.
      body_seconds: for a request's body to arrive.
      request_seconds: for a request, from its body on.
    """

    images: int = 32
    request_bytes: int = 2**26
    held_bytes: int = 2**29
    pixels: int = 50_000_000
    held_pixels: int = 2**27
    queue: int = 256
    connections: int = 512
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    request_seconds: float = 60.0


class RefusedError(Exception):
    """Ends a request with a status and a sentence for its client.

    Attributes:
      status: of HTTP.
      detail: what was wrong.
    """

    def __init__(self, status: int, detail: str):
        """Takes what the client is answered."""
        super().__init__(detail)
        self.status, self.detail = status, detail


class Room:
    """Holds an amount of something within a bound: who finds no room waits for those before."""

    def __init__(self, most: int):
        """Takes the bound."""
        self._most, self._held = most, 0
        self._waiting: collections.deque[tuple[int, asyncio.Future[None]]] = collections.deque()

    @contextlib.asynccontextmanager
    async def taking(self, amount: int) -> AsyncIterator["Place"]:
        """Takes room in the body; what is more than all of the room is let in alone."""
        if self._waiting or not self._fits(amount):
            await self._wait(amount)
        else:
            self._held += amount
        place = Place(self, amount)
        try:
            yield place
        finally:
            place.keep(0)

    def give_back(self, amount: int) -> None:
        """Makes room, and lets in who waits for it, in their order."""
        self._held -= amount
        while self._waiting and self._fits(self._waiting[0][0]):
            wanted, admitted = self._waiting.popleft()
            self._held += wanted
            admitted.set_result(None)

    async def _wait(self, amount: int) -> None:
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, admitted))
        try:
            await asyncio.shield(admitted)
        except asyncio.CancelledError:
            if admitted.done():
                self.give_back(amount)
            else:
                self._waiting.remove((amount, admitted))
                self.give_back(0)  # those behind may fit now
            raise

    def _fits(self, amount: int) -> bool:
        return not self._held or self._held + amount <= self._most


class Place:
    """Stands for the room that somebody has taken."""

    def __init__(self, room: Room, amount: int):
        """Takes the room and how much of it."""
        self._room, self._amount = room, amount

    def keep(self, amount: int) -> None:
        """Gives back all but an amount, of what it has at most."""
        kept = min(amount, self._amount)
        given, self._amount = self._amount - kept, kept
        self._room.give_back(given)
