"""Connections of the server: half a header is dropped in time, and so is who takes no answer. What breaks one
writes one line."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol

_log = logging.getLogger("structgen.doors.serving")


def connection_of(seconds: float) -> type[H11Protocol]:
    """Return the protocol of connections for `uvicorn.Config(http=...)`. `seconds`: how long the header of a
    request may take, and a client to take more of what is sent. They count from the beginning of its
    connection, or from its first byte on one that is kept."""
    # optional: serve
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Connection(H11Protocol):
        """A connection whose headers must arrive in time, and whose answers must be taken in time."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux
                # uvicorn waits for a client that takes nothing for as long as it likes
                client_socket = transport.get_extra_info("socket")
                client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
            self.wait()

        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except Exception as error:  # of this connection alone: asyncio would write all of it
                _log.warning("A connection was dropped: %s.", error)
                self.transport.abort()
            # nothing is being answered, so the client must send again
            if self.cycle is None or self.cycle.response_complete:
                self.wait()

        def wait(self) -> None:
            """Wait for the next request."""
            self.loop.call_later(seconds, self.drop, self.cycle)

        def drop(self, last: object) -> None:
            """Close the connection if no request has come after the last one."""
            if self.cycle is last:
                self.transport.abort()

    return Connection
