"""Keeps the beginnings of prompts, as pages of keys and values that later prompts share.

A *page* has the keys and values of 32 tokens. The pages are the edges of a radix tree: the path from the root
to a *node* is the beginning of a prompt. For example, after the prompts `system + question A` and
`system + question B` the pages of `system` lead to two nodes. A node whose page is not full is a leaf.

A page never changes in the columns that a node refers to, so texts that are being written share it. Prompts
of different *salts* share nothing: a client could measure by the time which prompts others have sent. Beyond
the limit of bytes, the node whose last use is longest ago goes first.

Source: radix attention, Zheng et al., "SGLang: Efficient Execution of Structured Language Model Programs",
2024; blocks of a page as in vLLM.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from structgen.decoding.engine.forward_pass.tiles import PANEL
from structgen.decoding.engine.model_protocol import FEWEST_SHARED

_SHARE: Final = 8
"""The kept pages may take an eighth of the memory that is free at the first prompt."""


class _Node:
    """A page at one place of the tree. `tokens`: those of the page, at most 32."""

    __slots__ = ("children", "page", "parent", "starts", "tokens")

    def __init__(self, tokens: tuple[int, ...], page: Any, parent: _Node | None) -> None:
        self.tokens = tokens
        self.page = page
        self.parent = parent
        self.children: dict[tuple[int, ...], _Node] = {}
        """The nodes after this one, by their tokens."""
        self.starts: dict[tuple[int, ...], list[_Node]] = {}
        """The nodes after this one, by their first `FEWEST_SHARED` tokens."""


class KeptPrompts:
    """The beginnings of prompts that are kept for one model. The caller holds a lock around each call."""

    def __init__(self, page_bytes: int) -> None:
        self.page_bytes = page_bytes
        self.most_bytes: int | None = None
        """The most bytes of the kept pages; None: an eighth of the free memory, asked at the first prompt."""
        self.evictions = 0
        """How many pages were dropped because of the limit."""
        self._roots: dict[str, _Node] = {}
        self._by_use: OrderedDict[_Node, None] = OrderedDict()
        """All nodes but the roots, the one whose last use is longest ago first. A node comes after its
        children, so the first one is always a leaf."""

    @property
    def is_on(self) -> bool:
        """Whether the limit allows at least one page."""
        return self.most_bytes is None or self.most_bytes >= self.page_bytes

    @property
    def nbytes(self) -> int:
        """The bytes of the kept pages, those included that living texts share."""
        return len(self._by_use) * self.page_bytes

    def find(self, prompt: Sequence[int], salt: str) -> tuple[list[Any], int]:
        """Return the kept pages with which a prompt begins, and the number of tokens that they have of it.

        The last token is never among them: the model reads it for the logits after it. The last page may be
        in use only partly; it then has at least `FEWEST_SHARED` tokens of the prompt, and must be copied.
        Cost: some 0.3 us for each page.
        """
        node = self._roots.get(salt)
        pages: list[Any] = []
        count = 0
        last = len(prompt) - 1
        path = []
        while node is not None:
            step = node.children.get(tuple(prompt[count : count + PANEL])) if count + PANEL <= last else None
            if step is None:
                step, shared_count = _longest_start(node, prompt[count:last])
            else:
                shared_count = PANEL
            if step is None:
                break
            pages.append(step.page)
            path.append(step)
            count += shared_count
            node = step if shared_count == PANEL else None
        self._note_use(path)
        return pages, count

    def add(self, tokens: Sequence[int], pages: Sequence[Any], salt: str) -> None:
        """Keep the pages of a text. `tokens`: those whose keys and values the pages have."""
        if self.most_bytes is None:
            self.most_bytes = free_memory() // _SHARE
        if not self.is_on:
            return
        node = self._roots.setdefault(salt, _Node((), None, None))
        path = []
        for number, start in enumerate(range(0, len(tokens), PANEL)):
            page_tokens = tuple(tokens[start : start + PANEL])
            child = node.children.get(page_tokens)
            if child is None:
                if len(page_tokens) < FEWEST_SHARED:
                    break
                child = self._add_child(node, page_tokens, pages[number])
            if child is None:  # a longer page begins with these tokens
                break
            path.append(child)
            node = child
        self._note_use(path)
        self._evict()

    def _add_child(self, node: _Node, tokens: tuple[int, ...], page: Any) -> _Node | None:
        """Return a new node after `node`; None if there is one already that begins with `tokens`. Nodes with
        which `tokens` begin have no further use, and are dropped."""
        alike = node.starts.setdefault(tokens[:FEWEST_SHARED], [])
        if any(sibling.tokens[: len(tokens)] == tokens for sibling in alike):
            return None
        shorter = [sibling for sibling in alike if tokens[: len(sibling.tokens)] == sibling.tokens]
        child = node.children[tokens] = _Node(tokens, page, node)
        alike.append(child)
        self._by_use[child] = None
        # dropped last: a root without children would be forgotten
        for sibling in shorter:
            self._drop(sibling)
        return child

    def _note_use(self, path: Sequence[_Node]) -> None:
        # from the end to the root: a node is always used later than its children
        for node in reversed(path):
            self._by_use.move_to_end(node)

    def _evict(self) -> None:
        """Drop nodes until the pages take no more than `most_bytes`."""
        assert self.most_bytes is not None
        while self.nbytes > self.most_bytes:
            self._drop(next(iter(self._by_use)))
            self.evictions += 1

    def _drop(self, node: _Node) -> None:
        """Drop a leaf."""
        parent = node.parent
        assert parent is not None
        assert not node.children
        del self._by_use[node]
        del parent.children[node.tokens]
        start = node.tokens[:FEWEST_SHARED]
        parent.starts[start].remove(node)
        if not parent.starts[start]:
            del parent.starts[start]
        # a salt whose last page went is forgotten: any number of clients may come
        if parent.parent is None and not parent.children:
            self._roots = {salt: root for salt, root in self._roots.items() if root is not parent}

    def limit_bytes(self, most_bytes: int | None) -> None:
        """Set the most bytes of the kept pages (None: an eighth of the free memory), and drop what is
        more."""
        self.most_bytes = most_bytes
        if most_bytes is not None:
            self._evict()


def _longest_start(node: _Node, tokens: Sequence[int]) -> tuple[_Node | None, int]:
    """Return the child of a node that has the most first tokens in common with `tokens`, and how many: at
    least `FEWEST_SHARED`. Return (None, 0) if there is none."""
    longest: tuple[_Node | None, int] = None, 0
    for child in node.starts.get(tuple(tokens[:FEWEST_SHARED]), ()):
        count = _common_length(child.tokens, tokens)
        if count > longest[1]:
            longest = child, count
    return longest


def _common_length(tokens: Sequence[int], others: Sequence[int]) -> int:
    """Return the number of first tokens that two lists have in common."""
    shorter = min(len(tokens), len(others))
    return next((index for index in range(shorter) if tokens[index] != others[index]), shorter)


def free_memory() -> int:
    """Return the bytes of memory that are free now, as the system estimates it. Where it does not say, a half
    of the machine's memory."""
    with suppress(OSError), open("/proc/meminfo", encoding="ascii") as lines:  # no Linux: OSError
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return _half_of_memory()


def _half_of_memory() -> int:
    """Return half of the machine's memory in bytes; 4 GB where the system does not say it (Windows)."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}) or not hasattr(os, "sysconf"):
        return 4 << 30
    return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) // 2
