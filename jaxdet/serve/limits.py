"""Bounds what a client may ask of the service, and what it holds at once."""

import asyncio
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
      held_pixels: of all images that are decoded and not yet scored; others wait for room.
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
    """Holds an amount of something within a bound: who finds no room waits."""

    def __init__(self, most: int):
        """Takes the bound."""
        self._most, self._held = most, 0
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def taking(self, amount: int) -> AsyncIterator[None]:
        """Takes room in the body; what is more than all of the room is let in alone."""
        async with self._freed:
            await self._freed.wait_for(lambda: not self._held or self._held + amount <= self._most)
            self._held += amount
        try:
            yield
        finally:
            async with self._freed:
                self._held -= amount
                self._freed.notify_all()
