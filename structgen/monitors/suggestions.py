"""Suggestions of a monitor, read byte by byte: a collection of texts, or a compiled grammar.

A *position* says which bytes of a suggestion the text has spelled. It is hashable, and 0 bytes are spelled at
`start`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar, State
from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

Position: TypeAlias = bytes | int
"""Of texts the bytes that are spelled, of a grammar the number of its state."""
_BEYOND_ASCII, _THREE_BYTES, _FOUR_BYTES = 0x80, 0xE0, 0xF0
"""The least first byte of a character of two or more, three or more, and four bytes."""
_SHORTEST: Final = 8
"""Suggestions that are tried for a budget."""
_NONE: Final[npt.NDArray[np.int32]] = np.empty(0, np.int32)


class Suggestions(Protocol):
    """What may follow at a trigger."""

    @property
    def start(self) -> Position:
        """The position before the first byte."""
        ...

    def step(self, position: Position, byte: int) -> Position | None:
        """Return the position after a byte; None where no suggestion goes on so."""
        ...

    def may_leave(self, position: Position, rest: bytes) -> bool:
        """Return whether a suggestion ends at a position because `rest`, at least one byte, follows it."""
        ...

    def is_whole(self, position: Position) -> bool:
        """Return whether a suggestion is whole, so that the text may end."""
        ...

    def is_over(self, position: Position) -> bool:
        """Return whether a suggestion is whole and none goes on, so that anything may follow."""
        ...

    def rests(self, position: Position) -> Iterable[bytes]:
        """Return short texts that complete a suggestion."""
        ...


class TextSuggestions:
    """Texts. Behind a whole one comes a boundary, and it ends there."""

    start: Final = b""

    def __init__(self, texts: Iterable[bytes], boundary: re.Pattern[str]) -> None:
        self._texts = sorted(set(texts))
        self._known = frozenset(self._texts)
        self._boundary = boundary

    def step(self, position: Position, byte: int) -> bytes | None:
        """Return the spelled bytes with one more, where a text begins so."""
        assert isinstance(position, bytes)
        after = position + bytes((byte,))
        at = bisect_left(self._texts, after)
        return after if at < len(self._texts) and self._texts[at].startswith(after) else None

    def may_leave(self, position: Position, rest: bytes) -> bool:
        """Return whether a text is whole and `rest` begins with a boundary; a part of a character is none."""
        return position in self._known and is_boundary(rest, self._boundary)

    def is_whole(self, position: Position) -> bool:
        """Return whether a text is whole."""
        return position in self._known

    def is_over(self, position: Position) -> bool:
        """Return False: a boundary must follow."""
        return False

    def rests(self, position: Position) -> list[bytes]:
        """Return what is left of the shortest texts that begin as spelled."""
        assert isinstance(position, bytes)
        first = bisect_left(self._texts, position)
        found = []
        for text in self._texts[first:]:
            if not text.startswith(position):
                break
            found.append(text[len(position) :])
        return sorted(found, key=len)[:_SHORTEST]


class GrammarSuggestions:
    """The texts of a grammar. The longest one is read, and what follows it is free."""

    def __init__(self, compiled: CompiledGrammar) -> None:
        self._compiled = compiled
        self.start: Position = compiled.start.index

    def step(self, position: Position, byte: int) -> int | None:
        """Return the state after a byte."""
        assert isinstance(position, int)
        after = self._compiled.bytes_index(position, bytes((byte,)))
        return None if after < 0 else after

    def may_leave(self, position: Position, rest: bytes) -> bool:
        """Return whether a text is whole and does not go on with the first byte of `rest`."""
        return self.is_whole(position) and self.step(position, rest[0]) is None

    def is_whole(self, position: Position) -> bool:
        """Return whether a text is whole."""
        assert isinstance(position, int)
        return self._compiled.may_end(position)

    def is_over(self, position: Position) -> bool:
        """Return whether a text is whole and none goes on."""
        assert isinstance(position, int)
        return self.is_whole(position) and not self._compiled.next_bytes(State(self._compiled, position))

    def rests(self, position: Position) -> list[bytes]:
        """Return the shortest text that completes one of the grammar."""
        assert isinstance(position, int)
        return [self._compiled.completion(State(self._compiled, position))]


def read(suggestions: Suggestions, position: Position, data: bytes) -> tuple[Position | None, int]:
    """Read the bytes of a token from a position. Return the position after them and 0; or None and how many
    bytes end with the first free one; or None and -1 where they are refused."""
    at = position
    for count, byte in enumerate(data):
        if suggestions.may_leave(at, data[count:]):
            return None, count + 1
        after = suggestions.step(at, byte)
        if after is None:
            return None, -1
        if suggestions.is_over(after):
            return None, count + 1
        at = after
    return at, 0


def tokens_of(vocabulary: Vocabulary, suggestions: Suggestions, position: Position) -> npt.NDArray[np.int32]:
    """Return the tokens that are not refused at a position (`read`), those without bytes apart. Some may
    stand twice. Cost: some microseconds for each byte that is tried in the trie of the vocabulary."""
    nodes, found = vocabulary.nodes, [_NONE]
    node, after = 0, [position]
    while node < len(nodes):
        fields = fields_of(int(nodes[node]))
        at = after[fields.depth - 1]
        leaves = suggestions.is_whole(at) and fields.byte < _BEYOND_ASCII
        if leaves and suggestions.may_leave(at, bytes((fields.byte,))):
            found.append(_tokens_below(vocabulary, node, fields.end))
            node = fields.end
            continue
        if fields.byte >= _BEYOND_ASCII and suggestions.is_whole(at):
            below = _tokens_below(vocabulary, node, fields.end).tolist()
            rests = ((token, _bytes_of(vocabulary, token)[fields.depth - 1 :]) for token in below)
            found.append(np.array([one for one, rest in rests if suggestions.may_leave(at, rest)], np.int32))
        reached = suggestions.step(at, fields.byte)
        if reached is None:
            node = fields.end
            continue
        if suggestions.is_over(reached):
            found.append(_tokens_below(vocabulary, node, fields.end))
            node = fields.end
            continue
        if fields.slot:
            found.append(_tokens_below(vocabulary, node, node + 1))
        after[fields.depth :] = [reached]
        node += 1
    return np.concatenate(found)


def is_boundary(rest: bytes, boundary: re.Pattern[str]) -> bool:
    """Return whether bytes begin with a whole character that a pattern takes."""
    size = 1
    if rest[0] >= _BEYOND_ASCII:
        size = 2 + (rest[0] >= _THREE_BYTES) + (rest[0] >= _FOUR_BYTES)
    try:
        return boundary.match(rest[:size].decode()) is not None
    except UnicodeDecodeError:
        return False


def _tokens_below(vocabulary: Vocabulary, first: int, end: int) -> npt.NDArray[np.int32]:
    """Return the tokens whose bytes end at the nodes from `first` to before `end`."""
    slots = vocabulary.slots_before
    start = vocabulary.slot_start
    return vocabulary.slot_ids[int(start[int(slots[first])]) : int(start[int(slots[end])])]


def _bytes_of(vocabulary: Vocabulary, token: int) -> bytes:
    first, last = vocabulary.token_offset[token : token + 2].tolist()
    return vocabulary.token_data[first:last].tobytes()
