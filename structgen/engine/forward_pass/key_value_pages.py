"""Keys and values of many texts in the memory of the CPU, in pages of 32 columns.

A text has a list of pages, and takes another page when the last one is full. So nothing is moved as it grows.
A full page never changes; texts with a common prefix share its pages, so that these stay in the processor's
caches for all of them. A page has, for each layer, the keys of all groups, then their values
(`paged_attention`).
"""

from __future__ import annotations

import operator
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.engine.forward_pass.draft_trees import MOST_NODES
from structgen.engine.forward_pass.tiles import PANEL

_LINE: Final = 64
"""Alignment of pages in bytes: a cache line."""


class PagedCache:
    """The cache of one text: the first `length` columns of its pages.

    The columns after them may hold a draft tree, described by `parents`: node j has column `length + j`. They
    are not part of the text; the next token or tree overwrites them. Their pages stay with the cache: at most
    one for every 32 nodes of its largest tree, and one more.
    """

    __slots__ = ("_context", "_held", "_list", "_page_bytes", "address", "length", "parents")

    def __init__(self, page_bytes: int, context: int, length: int = 0) -> None:
        """`page_bytes`: the size of a page. `context`: the most columns of a text."""
        self._page_bytes, self._context, self.length = page_bytes, context, length
        self._held: list[npt.NDArray[np.uint8]] = []
        """The pages. One lives as long as a cache holds it."""
        self.parents: list[int] = []
        """The parents of the last tree's nodes; empty once nodes were kept or tokens were read."""
        # a tree's nodes may have columns beyond the model's context, though their positions are within
        # it; and compiled code prefetches the list up to four pages ahead
        self._list = np.zeros(-(-context // PANEL) + MOST_NODES // PANEL + 4, np.int64)
        self.address: int = self._list.ctypes.data
        """The address of the list of its pages."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory, shared pages included."""
        return len(self._held) * self._page_bytes

    def nbytes_beside(self, other: PagedCache) -> int:
        """Return the bytes of the pages that are not shared with another cache of the same model."""
        shared: int = sum(map(operator.is_, self._held, other._held))
        return (len(self._held) - shared) * self._page_bytes

    def grow(self, length: int) -> None:
        """Take pages until there are `length` columns."""
        while len(self._held) * PANEL < length:
            self._hold(fresh_page(self._page_bytes))

    def copy(self) -> PagedCache:
        """Return an independent copy."""
        twin = PagedCache(self._page_bytes, self._context, self.length)
        twin.begin_as(self, self.length)
        return twin

    def begin_as(self, other: PagedCache, length: int) -> None:
        """Take over the first `length` columns of another cache; this one has no pages yet. Full pages are
        shared, the rest is copied."""
        whole = length // PANEL
        for page in other._held[:whole]:
            self._hold(page)
        if length % PANEL:
            page = fresh_page(self._page_bytes)
            page[:] = other._held[whole]
            self._hold(page)

    def _hold(self, page: npt.NDArray[np.uint8]) -> None:
        self._list[len(self._held)] = page.ctypes.data
        self._held.append(page)


def fresh_page(page_bytes: int) -> npt.NDArray[np.uint8]:
    """Return a page. Its contents are undefined."""
    memory = np.empty(page_bytes + _LINE, np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + page_bytes]
