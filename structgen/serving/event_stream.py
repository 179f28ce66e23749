"""Waiting for texts in an event loop: their changes, and clients that go away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, TypeVar

from starlette.types import Receive

from structgen.engine.driver import listening
from structgen.engine.requests import Handle

T = TypeVar("T")


class ClientGoneError(Exception):
    """The client closed its connection."""


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return what some work returns. Raises ClientGoneError if the client goes away first; the work is then
    cancelled, and has ended. The body of the request must have been read."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(gone())
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait((working, watching))
        # an error would hold this frame, which holds the error, and what was compiled for its request
        del working, watching


async def changes(handles: Sequence[Handle], *, pieces: bool) -> AsyncGenerator[int, None]:
    """Yield the number of a text each time that it may have grown, and when it has ended, until all have
    ended; what came between two looks is one change. `pieces`: whether texts that grow are told, or their
    ends alone."""
    woken = listening(handles, pieces=pieces)
    open_ = list(range(len(handles)))
    while open_:
        await woken.wait()
        woken.clear()
        for index in list(open_):
            if handles[index].result is not None:
                open_.remove(index)
                yield index
            elif pieces:
                yield index
