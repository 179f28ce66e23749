"""Tokens as paths of bytes, and the walks of one vocabulary's tokens in another's trie."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.engine.composed_models.byte_frontier import TokenRanges

Places: TypeAlias = npt.NDArray[np.int64]
_MOST_WALKS: Final = 1024
"""The most walks that are kept: nearly all are of a few tokens."""


@dataclass(slots=True, eq=False)
class TrieNode:
    """Some bytes with which tokens begin."""

    children: dict[int, TrieNode] = field(default_factory=dict)
    tokens: list[int] = field(default_factory=list)
    """The tokens that are these bytes."""
    begin: int = 0
    end: int = 0
    """The tokens that are longer: `order[begin:end]` of the trie."""


@dataclass(frozen=True, slots=True)
class Walks:
    """How the tokens of another vocabulary walk in a trie. Numbers of theirs are places in their order of
    bytes (`TokenRanges`)."""

    rows: Places
    """A number of theirs for each of our tokens that it passes,"""
    passed: Places
    """and that token."""
    ends: Places
    """The numbers of those that end inside longer tokens of ours,"""
    nodes: list[TrieNode]
    """the node where each of these ends,"""
    begins: Places
    """and its tokens in the trie's order."""
    stops: Places


class ByteTrie:
    """The trie of a vocabulary, without the tokens that have no bytes, and the walks of another one."""

    def __init__(self, token_bytes: Sequence[bytes | None], others: TokenRanges) -> None:
        self._others = others
        self._walks: OrderedDict[tuple[int, bytes], Walks] = OrderedDict()
        self.root = TrieNode()
        for token, data in enumerate(token_bytes):
            if data:
                node = self.root
                for byte in data:
                    node = node.children.setdefault(byte, TrieNode())
                node.tokens.append(token)
        order: list[int] = []
        _number(self.root, order)
        self.order: Places = np.array(order, np.int64)
        """All tokens; those below a node are adjacent."""

    def walks(self, start: TrieNode, rest: bytes) -> Walks:
        """Return the walks from a node of the others' tokens that begin with `rest`, by their bytes behind
        it. The last ones asked for are kept. Cost of new ones: some microseconds for each step of both
        tries together."""
        key = id(start), rest
        found = self._walks.get(key)
        if found is None:
            found = self._walks[key] = self._walked(start, rest)
            if len(self._walks) > _MOST_WALKS:
                self._walks.popitem(last=False)
        else:
            self._walks.move_to_end(key)
        return found

    def _walked(self, start: TrieNode, rest: bytes) -> Walks:
        rows: list[Places] = []
        passed: list[Places] = []
        ends: list[int] = []
        nodes: list[TrieNode] = []
        stack = [(start, rest)]
        while stack:
            above, before = stack.pop()
            for byte, node in above.children.items():
                data = before + bytes((byte,))
                theirs = self._others.beginning(data)
                if theirs.start == theirs.stop:
                    continue
                own = np.arange(theirs.start, theirs.stop)
                for token in node.tokens:
                    rows.append(own)
                    passed.append(np.full(len(own), token))
                if node.end > node.begin:
                    exact = range(*self._others.exactly(data).indices(len(self._others.data)))
                    ends += exact
                    nodes += [node] * len(exact)
                    stack.append((node, data))
        none = np.empty(0, np.int64)
        return Walks(
            np.concatenate([none, *rows]),
            np.concatenate([none, *passed]),
            np.array(ends, np.int64),
            nodes,
            np.array([node.begin for node in nodes], np.int64),
            np.array([node.end for node in nodes], np.int64),
        )


def _number(root: TrieNode, order: list[int]) -> None:
    """Put the tokens in depth-first order. Without recursion: a token may have thousands of bytes."""
    stack: list[tuple[TrieNode, bool]] = [(root, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            node.end = len(order)
            continue
        order += node.tokens
        node.begin = len(order)
        stack.append((node, True))
        stack += [(child, False) for child in node.children.values()]
