"""Suggestions of a monitor, read byte by byte: a collection of texts, or a compiled grammar.

A *position* says which bytes of a suggestion the text has spelled: of texts these bytes, of a grammar the
number of its state. It is hashable.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, State
from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

Position: TypeAlias = Any
FREE: Final = -1
"""In place of a position: a suggestion has ended, and anything may follow."""
_SHORTEST: Final = 8
"""Suggestions that are tried for a budget."""


class Suggestions(ABC):
    """What may follow at a trigger."""

    start: Position
    """The position before the first byte."""

    @abstractmethod
    def step(self, position: Position, byte: int) -> Position:
        """Return the position after a byte; FREE where a suggestion ends so, None where none goes on so."""

    @abstractmethod
    def may_end(self, position: Position) -> bool:
        """Return whether a suggestion is whole, so that the text may end."""

    @abstractmethod
    def rests(self, position: Position) -> list[bytes]:
        """Return short texts that complete a suggestion."""

    def may_stop(self, position: Position) -> bool:
        """Return whether a token may end at a position."""
        return True

    def read(self, position: Position, data: bytes) -> Position:
        """Return the position after the bytes of a token; FREE where a suggestion ends in them, None where
        they are refused. A token without bytes is none where the text may end."""
        if not data:
            return FREE if self.may_end(position) else None
        for byte in data:
            position = self.step(position, byte)
            if position is None or position == FREE:
                return position
        return position if self.may_stop(position) else None

    def tokens(self, vocabulary: Vocabulary, position: Position) -> npt.NDArray[np.int32]:
        """Return the tokens with bytes that are not refused at a position (`read`). Cost: some microseconds
        for each byte that is tried in the trie of the vocabulary."""
        nodes, slots, starts = vocabulary.nodes, vocabulary.slots_before, vocabulary.slot_start
        found, node, after = [vocabulary.slot_ids[:0]], 0, [position]
        while node < len(nodes):
            fields = fields_of(int(nodes[node]))
            reached = self.step(after[fields.depth - 1], fields.byte)
            is_inside = reached is not None and reached != FREE
            end = node + 1 if is_inside else fields.end
            if reached == FREE or (is_inside and fields.slot and self.may_stop(reached)):
                found.append(vocabulary.slot_ids[starts[slots[node]] : starts[slots[end]]])
            after[fields.depth :] = [reached]
            node = end
        return np.concatenate(found)


class TextSuggestions(Suggestions):
    """Texts. Behind a whole one comes a boundary, and it ends there. No token ends inside a boundary."""

    def __init__(self, texts: Iterable[bytes], boundary: re.Pattern[str]) -> None:
        self.start = b""
        self._known = frozenset(texts)
        self._texts = sorted(self._known)
        self._boundary = boundary

    def step(self, position: bytes, byte: int) -> Position:
        """Return the bytes with one more, where a text, or a whole one and a boundary, begins so."""
        after, is_cut = position + bytes((byte,)), False
        for size in range(1, 2 if byte < 0x80 else 5):
            if after[:-size] in self._known:
                char = after[-size:].decode("utf-8", "ignore")
                if char and self._boundary.match(char):
                    return FREE
                is_cut = is_cut or not char
        return after if is_cut or self.may_stop(after) else None

    def may_stop(self, position: bytes) -> bool:
        """Return whether a text begins so."""
        at = bisect_left(self._texts, position)
        return at < len(self._texts) and self._texts[at].startswith(position)

    def may_end(self, position: bytes) -> bool:
        """Return whether a text is whole."""
        return position in self._known

    def rests(self, position: bytes) -> list[bytes]:
        """Return what is left of the shortest texts that begin as spelled."""
        found = [text[len(position) :] for text in self._texts if text.startswith(position)]
        return sorted(found, key=len)[:_SHORTEST]


class GrammarSuggestions(Suggestions):
    """The texts of a grammar. The longest one is read, and what follows it is free."""

    def __init__(self, compiled: CompiledGrammar) -> None:
        self.start, self._compiled = compiled.start.index, compiled

    def step(self, position: int, byte: int) -> Position:
        """Return the state after a byte."""
        after = self._compiled.bytes_index(position, bytes((byte,)))
        if after < 0:
            return FREE if self.may_end(position) else None
        is_over = self.may_end(after) and not self._compiled.next_bytes(State(self._compiled, after))
        return FREE if is_over else after

    def may_end(self, position: int) -> bool:
        """Return whether a text is whole."""
        return self._compiled.may_end(position)

    def rests(self, position: int) -> list[bytes]:
        """Return the shortest text that completes one of the grammar."""
        return [self._compiled.completion(State(self._compiled, position))]
