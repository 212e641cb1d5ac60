"""Ends uvicorn's server so that nobody is sent away who has got a connection."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

# How long requests that are on their way at the end may take to arrive, seconds.
_ARRIVING = 1.0


class Server(uvicorn.Server):
    """Serves until a signal asks for the end; takes what the kernel has accepted, and answers it.

    uvicorn by itself resets connections that wait in the backlog when it closes its socket, and
    those whose request has not been read yet.
    """

    def __init__(self, config: uvicorn.Config, *, ending: Callable[[], None]):
        """Takes uvicorn's options, and what to call when the end begins."""
        super().__init__(config)
        self.ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers what has come or is on its way, then ends as uvicorn does.

        Args:
          sockets: that it listens on.
        """
        loop = asyncio.get_running_loop()
        self.ending()
        accepted = [connection for one in sockets or () for connection in _backlog(one)]
        for server in self.servers:
            server.close()
        for connection in accepted:
            await loop.connect_accepted_socket(self._protocol, connection)
        # A client that keeps its connection is told to ask no more by it.
        self.server_state.default_headers.append((b"connection", b"close"))
        until = loop.time() + _ARRIVING
        while self.server_state.connections and not self.force_exit and loop.time() < until:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    def _protocol(self) -> Any:
        protocol: Any = self.config.http_protocol_class
        return protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _backlog(listener: socket.socket) -> Iterator[socket.socket]:
    """Yields the connections that wait at a listening socket, which does not block."""
    while True:
        try:
            yield listener.accept()[0]
        except BlockingIOError:
            return
