"""One core for callers that wait in an event loop, and for those that do not.

A model is asked by a coroutine or an asynchronous generator, whose flag `is_async` says whether it may wait.
Where it may not, its writer blocks, and the caller has the result at once by `run_coroutine` and
`run_generator`: there is no event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Generator
from inspect import isawaitable
from typing import Any, TypeVar

T = TypeVar("T")


def run_coroutine(coroutine: Awaitable[T]) -> T:
    """Return what a coroutine returns that waits for nothing. Cost: one to three microseconds."""
    steps = coroutine.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("it does not wait")  # a writer that blocks never suspends


def run_generator(generator: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Yield what an asynchronous generator yields that waits for nothing; leaving the loop closes it."""
    try:
        while True:
            try:
                item = run_coroutine(anext(generator))
            except StopAsyncIteration:
                return
            yield item
    finally:
        run_coroutine(generator.aclose())


class AsyncStream(AsyncIterator[T]):
    """What an asynchronous generator yields: for `async for`, with or without `await` before the call."""

    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._generator = generator

    async def __anext__(self) -> T:
        """Return the next item. Raises StopAsyncIteration."""
        return await anext(self._generator)

    def __await__(self) -> Generator[Any, None, AsyncStream[T]]:
        """Return the stream itself: nothing is waited for."""
        yield from ()
        return self

    async def aclose(self) -> None:
        """End the work on items that nobody asks for."""
        await self._generator.aclose()


async def pieces_of(stream: Any) -> AsyncGenerator[Any, None]:
    """Yield what a stream has, an iterable of either kind with a `close` or an `aclose`, and close it in the
    end."""
    try:
        if isinstance(stream, AsyncIterable):
            async for piece in stream:
                yield piece
        else:
            for piece in stream:
                yield piece
    finally:
        closing = (getattr(stream, "aclose", None) or stream.close)()
        if isawaitable(closing):
            await closing
