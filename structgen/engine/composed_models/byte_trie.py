"""Tokens as paths of bytes, for walks from one vocabulary into another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(slots=True, eq=False)
class TrieNode:
    """Some bytes with which tokens begin."""

    children: dict[int, TrieNode] = field(default_factory=dict)
    tokens: list[int] = field(default_factory=list)
    """The tokens that are these bytes."""
    begin: int = 0
    end: int = 0
    """The tokens that are longer: `order[begin:end]` of the trie."""

    def walk(self, data: bytes) -> tuple[list[int], TrieNode | None]:
        """Return the tokens on a path of at least one byte, and the node at its end; None beside the
        tree."""
        node, passed = self, list[int]()
        for byte in data:
            following = node.children.get(byte)
            if following is None:
                return passed, None
            node = following
            passed += node.tokens
        return passed, node


class ByteTrie:
    """The trie of a vocabulary; tokens without bytes are left out."""

    def __init__(self, token_bytes: Sequence[bytes | None]) -> None:
        self.root = TrieNode()
        for token, data in enumerate(token_bytes):
            if data:
                node = self.root
                for byte in data:
                    node = node.children.setdefault(byte, TrieNode())
                node.tokens.append(token)
        order: list[int] = []
        _number(self.root, order)
        self.order: npt.NDArray[np.int64] = np.array(order, np.int64)
        """All tokens; those below a node are adjacent."""


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
