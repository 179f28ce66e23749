"""Keys and values of many texts in the memory of the CPU, in pages of 32 columns.

A text has a list of its pages, and takes another when the last is full, so that nothing is moved while it
grows. What is full never changes: texts that begin alike share those pages, which then are in the caches of
the processor for all of them. A page has for each layer the keys of all groups, then their values
(`paged_attention`).
"""

from __future__ import annotations

import ctypes
import operator
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.engine.draft_trees import MOST_NODES
from structgen.engine.forward_pass.tiles import PANEL

_ARENA: Final = 1 << 24
"""Bytes of memory that are asked for at a time, or a few pages where those are large."""
_FEW: Final = 4
_LINE: Final = 64
"""Bytes by which pages begin: whole lines of a cache."""


class PagedCache:
    """What a model has read of one text: the first `length` columns of its pages.

    The columns after those may hold a tree of guesses, which `parents` describes: node j has column
    `length + j`. They are no part of the text, and the next token or tree overwrites them. Their pages stay
    with the cache, at most one for every 32 nodes of its largest tree and one more.
    """

    __slots__ = ("_held", "_list", "_pages", "address", "length", "parents")

    def __init__(self, pages: KeyValuePages, length: int = 0) -> None:
        self._pages, self.length = pages, length
        self._held: list[int] = []
        self.parents: list[int] = []
        """The parents of the nodes of the tree that was read last, where nothing was kept or read since."""
        # nodes of a tree may have columns beyond the model's context, though none of their places is; and
        # compiled code asks for the pages after those that it reads, four at a time
        self._list = np.zeros(pages.most + MOST_NODES // PANEL + 4, np.int64)
        self.address: int = self._list.ctypes.data
        """Where the list of its pages lies."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory, as if it stood alone."""
        return len(self._held) * self._pages.page_bytes

    def nbytes_beside(self, other: PagedCache) -> int:
        """Return the bytes of memory of the pages that another cache of the same model does not share."""
        shared: int = sum(map(operator.eq, self._held, other._held))
        return (len(self._held) - shared) * self._pages.page_bytes

    def grow(self, length: int) -> None:
        """Take pages for so many columns in all."""
        while len(self._held) * PANEL < length:
            self._hold(self._pages.take())

    def copy(self) -> PagedCache:
        """Return another that goes on from here by itself."""
        twin = PagedCache(self._pages, self.length)
        twin.begin_as(self, self.length)
        return twin

    def begin_as(self, other: PagedCache, length: int) -> None:
        """Take over the first columns of another, while it has no page: what is full is shared, the rest
        copied."""
        whole = length // PANEL
        for page in other._held[:whole]:
            self._pages.share(page)
            self._hold(page)
        if length % PANEL:
            page = self._pages.take()
            ctypes.memmove(page, other._held[whole], self._pages.page_bytes)
            self._hold(page)

    def _hold(self, page: int) -> None:
        self._list[len(self._held)] = page
        self._held.append(page)

    def __del__(self) -> None:
        # an interrupt may have come while it was made
        held = getattr(self, "_held", None)
        if held:
            self._pages.gone.append(held)


class KeyValuePages:
    """The pages of a model, known by their addresses. One thread at a time works with them."""

    def __init__(self, layers: int, groups: int, head: int, context: int) -> None:
        self.layers = layers
        self.page_bytes = 4 * layers * 2 * groups * PANEL * head
        self.most = -(-context // PANEL)
        """The pages of the longest text."""
        self.gone: list[list[int]] = []
        """The pages of caches that are no more, until the next `sweep`; those may go at any time."""
        self._arenas: list[_Arena] = []
        self._homes: dict[int, _Arena] = {}
        self._holders: dict[int, int] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory, that of free pages included."""
        return sum(arena.count for arena in self._arenas) * self.page_bytes

    def take(self) -> int:
        """Return a page that nobody holds, for one holder. What it holds is left from others."""
        arena = next((arena for arena in self._arenas if arena.free), None)
        if arena is None:
            arena = _Arena(max(_FEW, _ARENA // self.page_bytes), self.page_bytes)
            # in this order: every page of an arena that is listed has a home, whatever interrupts this
            self._homes |= dict.fromkeys(arena.free, arena)
            self._arenas.append(arena)
        page = arena.free.pop()
        self._holders[page] = 1
        return page

    def share(self, page: int) -> None:
        """Have one holder more."""
        self._holders[page] += 1

    def sweep(self) -> None:
        """Take back the pages of the caches that are no more, and give back memory that is not in use."""
        while self.gone:
            for page in self.gone.pop():
                self._holders[page] -= 1
                if not self._holders[page]:
                    del self._holders[page]
                    self._free(page)

    def _free(self, page: int) -> None:
        arena = self._homes[page]
        arena.free.append(page)
        if len(arena.free) == arena.count and len(self._arenas) > 1:
            self._arenas.remove(arena)
            for one in arena.free:
                del self._homes[one]


class _Arena:
    """Memory for some pages."""

    __slots__ = ("_memory", "count", "free")

    def __init__(self, count: int, page_bytes: int) -> None:
        self.count = count
        self._memory: npt.NDArray[np.uint8] = np.empty(count * page_bytes + _LINE, np.uint8)
        start = self._memory.ctypes.data
        start += -start % _LINE
        self.free = [start + page_bytes * number for number in reversed(range(count))]
        """The pages that nobody holds, the first one last."""
