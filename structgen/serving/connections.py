"""Connections of the server: half a header is dropped in time, and what breaks one writes one line."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol

_log = logging.getLogger("structgen.serving")


def connection_of(seconds: float) -> type[H11Protocol]:
    """Return the protocol of connections for `uvicorn.Config(http=...)`. `seconds`: how long the header of a
    request may take, from the beginning of its connection, or from its first byte on one that is kept."""
    # optional: serve
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Connection(H11Protocol):
        """A connection whose headers must arrive in time."""

        timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.timer = self.loop.call_later(seconds, transport.abort)

        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except Exception as error:  # of this connection alone: asyncio would write all of it
                _log.warning("A connection was dropped: %s.", error)
                self.transport.abort()
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_timer()
            elif self.timer is None:
                self.timer = self.loop.call_later(seconds, self.transport.abort)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _stop_timer(self) -> None:
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None

    return Connection
