"""Bounds connections: how many there are, and how long one may say nothing or read nothing.

uvicorn by itself waits without end for the first request of a connection, for the rest of any
later one's headers, and for a client that does not read its answer.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from jaxdet.errors import UserError
from jaxdet.serve.limits import Limits

# Files of a process besides its connections: libraries, pipes of threads, images being read.
_OTHER_FILES = 128
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)
_Protocol: Any = AutoHTTPProtocol


def make_protocol(limits: Limits) -> Any:
    """Returns uvicorn's class of connections with the service's bounds."""
    longest = limits.header_seconds + limits.body_seconds + limits.request_seconds

    class Bounded(_Protocol):
        """Speaks HTTP with one client until that takes too long."""

        def connection_made(self, transport: asyncio.Transport) -> None:
            """Takes a connection, or refuses it where there are enough."""
            super().connection_made(transport)
            self._seen: tuple[object, bool] = (None, True)
            self._since = self.loop.time()
            self._timer: asyncio.TimerHandle | None = None
            if len(self.connections) > limits.connections:
                transport.write(_FULL)
                transport.close()
            self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            """Forgets the connection."""
            if self._timer is not None:
                self._timer.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            """Ends the connection where nothing has changed for too long; else looks again."""
            is_idle = self.cycle is None or self.cycle.response_complete
            if (self.cycle, is_idle) != self._seen:
                self._seen, self._since = (self.cycle, is_idle), self.loop.time()
            allowed = limits.header_seconds if is_idle else longest
            left = self._since + allowed - self.loop.time()
            if left <= 0:
                self.transport.abort()
                return
            wait = min(left, limits.header_seconds)
            self._timer = self.loop.call_later(wait, self._look)

    return Bounded


def allow_files(connections: int) -> None:
    """Has the system allow this process as many open files as its connections need.

    Raises:
      UserError: where it does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise UserError(
            f"--connections={connections}: this system allows {hard} open files (ulimit -Hn); "
            f"give at most {max(1, hard - _OTHER_FILES)}"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
