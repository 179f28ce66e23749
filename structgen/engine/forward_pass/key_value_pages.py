"""Keys and values of many texts in the memory of the CPU, in pages of 32 columns.

A text has a list of pages, and takes another page when the last one is full. So nothing is moved as it grows.
A full page never changes; texts with a common prefix share its pages, so that these stay in the processor's
caches for all of them. A page has, for each layer, the keys of all groups, then their values
(`paged_attention`).
"""

from __future__ import annotations

import ctypes
import operator
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.engine.forward_pass.draft_trees import MOST_NODES
from structgen.engine.forward_pass.tiles import PANEL

_ARENA: Final = 1 << 24
"""Bytes allocated at a time; more if a few pages are larger."""
_FEW: Final = 4
_LINE: Final = 64
"""Alignment of pages in bytes: a cache line."""


class PagedCache:
    """The cache of one text: the first `length` columns of its pages.

    The columns after them may hold a draft tree, described by `parents`: node j has column `length + j`. They
    are not part of the text; the next token or tree overwrites them. Their pages stay with the cache: at most
    one for every 32 nodes of its largest tree, and one more.
    """

    __slots__ = ("_held", "_list", "_pages", "address", "length", "parents")

    def __init__(self, pages: KeyValuePages, length: int = 0) -> None:
        self._pages, self.length = pages, length
        self._held: list[int] = []
        self.parents: list[int] = []
        """The parents of the last tree's nodes; empty once nodes were kept or tokens were read."""
        # a tree's nodes may have columns beyond the model's context, though their positions are within
        # it; and compiled code prefetches the list up to four pages ahead
        self._list = np.zeros(pages.most + MOST_NODES // PANEL + 4, np.int64)
        self.address: int = self._list.ctypes.data
        """The address of the list of its pages."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory, shared pages included."""
        return len(self._held) * self._pages.page_bytes

    def nbytes_beside(self, other: PagedCache) -> int:
        """Return the bytes of the pages that are not shared with another cache of the same model."""
        shared: int = sum(map(operator.eq, self._held, other._held))
        return (len(self._held) - shared) * self._pages.page_bytes

    def grow(self, length: int) -> None:
        """Take pages until there are `length` columns."""
        while len(self._held) * PANEL < length:
            self._hold(self._pages.take())

    def copy(self) -> PagedCache:
        """Return an independent copy."""
        twin = PagedCache(self._pages, self.length)
        twin.begin_as(self, self.length)
        return twin

    def begin_as(self, other: PagedCache, length: int) -> None:
        """Take over the first `length` columns of another cache; this one has no pages yet. Full pages are
        shared, the rest is copied."""
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
        # an interrupt may have come before __init__ ended
        held = getattr(self, "_held", None)
        if held:
            self._pages.gone.append(held)


class KeyValuePages:
    """The pages of a model, named by their addresses. Not thread-safe."""

    def __init__(self, layers: int, groups: int, head: int, context: int) -> None:
        self.layers = layers
        self.page_bytes = 4 * layers * 2 * groups * PANEL * head
        self.most = -(-context // PANEL)
        """The pages of the longest text."""
        self.gone: list[list[int]] = []
        """The pages of deleted caches, until the next `sweep`. Caches may be deleted at any time."""
        self._arenas: list[_Arena] = []
        self._homes: dict[int, _Arena] = {}
        self._holders: dict[int, int] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of memory, free pages included."""
        return sum(arena.count for arena in self._arenas) * self.page_bytes

    def take(self) -> int:
        """Return a free page with one holder. Its contents are undefined."""
        arena = next((arena for arena in self._arenas if arena.free), None)
        if arena is None:
            arena = _Arena(max(_FEW, _ARENA // self.page_bytes), self.page_bytes)
            # in this order: after an interrupt, every page of a listed arena still has a home
            self._homes |= dict.fromkeys(arena.free, arena)
            self._arenas.append(arena)
        page = arena.free.pop()
        self._holders[page] = 1
        return page

    def share(self, page: int) -> None:
        """Count one more holder of a page."""
        self._holders[page] += 1

    def sweep(self) -> None:
        """Free the pages of deleted caches; return unused memory to the system."""
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
    """One allocation, divided into pages."""

    __slots__ = ("_memory", "count", "free")

    def __init__(self, count: int, page_bytes: int) -> None:
        self.count = count
        self._memory: npt.NDArray[np.uint8] = np.empty(count * page_bytes + _LINE, np.uint8)
        start = self._memory.ctypes.data
        start += -start % _LINE
        self.free = [start + page_bytes * number for number in reversed(range(count))]
        """Free pages, the first one last."""
