"""A suffix automaton of tokens that grows at its end: earlier occurrences of a suffix, and what followed
them.

Blumer, Blumer, Haussler, Ehrenfeucht, Chen, Seiferas, "The smallest automaton recognizing the subwords of a
text" (1985). A state stands for the factors of the text that end at the same positions. `links[s]` is its
suffix link: the state of the longest suffix of these factors that ends at more positions. `lengths[s]` is the
length of the longest factor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from structgen.speculation.drafters import suffix_tables as tables
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import REFUSED, View, allowed_part
from structgen.speculation.drafts.planner import fuse

Pick = Literal["frequent", "latest", "first"]
_ROOM: Final = 64
"""Initial capacity in tokens."""
_MORE: Final = 2
"""Under a grammar a draft is grown by this factor in nodes and branches, because some will be refused."""


class SuffixAutomaton:
    """At most 2 states and 3 transitions a token, about 150 to 300 bytes a token. Tokens are int32;
    separators are negative.

    Only one thread may extend it. Once it is no longer extended, any number of threads may read it.
    """

    __slots__ = ("_head", "_moves", "_room", "_states", "_table", "_text")

    _states: npt.NDArray[np.int32]
    _moves: npt.NDArray[np.int32]
    _table: npt.NDArray[np.int32]
    _text: npt.NDArray[np.int32]

    def __init__(self, tokens: Iterable[int] | npt.NDArray[np.int32] = ()) -> None:
        listed = _int32(tokens)
        self._room = 0
        self._head = np.zeros(tables.HEAD_WORDS, np.int64)
        self._reserve(max(len(listed), _ROOM))
        tables.start(self._head, self._states, self._moves, self._table, self._text)
        self.extend(listed)

    def _reserve(self, room: int) -> None:
        """Allocate capacity for so many tokens."""
        slots = 1 << (6 * room).bit_length()
        states = np.empty((2 * room + 2, tables.STATE_WORDS), np.int32)
        moves = np.empty((3 * room + 3, tables.MOVE_WORDS), np.int32)
        table, text = np.full(slots, -1, np.int32), np.empty(room, np.int32)
        if self._room:
            count = int(self._head[tables.MOVES_MADE])
            states[: len(self._states)] = self._states
            moves[: len(self._moves)] = self._moves
            text[: self._room] = self._text
            tables.rehash(moves, table, count)
        self._states, self._moves, self._table, self._text = states, moves, table, text
        self._room = room

    def __len__(self) -> int:
        return int(self._head[tables.TOKENS])

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        arrays = (self._head, self._states, self._moves, self._table, self._text)
        return sum(array.nbytes for array in arrays)

    @property
    def text(self) -> npt.NDArray[np.int32]:
        """The tokens."""
        return self._text[: len(self)]

    def column(self, word: int) -> npt.NDArray[np.int32]:
        """Return one number of all states: LENGTH, LINK, COUNT, FIRST, LATEST or EARLIER of
        `suffix_tables`."""
        return self._states[: int(self._head[tables.STATES]), word]

    def extend(self, tokens: Iterable[int] | npt.NDArray[np.int32]) -> None:
        """Add tokens at the end. Cost: 2 us, and 0.1 us a token on average."""
        listed = _int32(tokens)
        count = len(self) + len(listed)
        if count > self._room:
            self._reserve(max(2 * self._room, count))
        tables.extend(self._head, self._states, self._moves, self._table, self._text, listed)

    def repeated(self, longest: int) -> tuple[int, int]:
        """Return the state and the length of the longest suffix of the text, of at most `longest` tokens,
        that also occurs earlier; (0, 0) if there is none. Cost: 1 us."""
        last = int(self._head[tables.LAST])
        state = max(int(self._states[last, tables.LINK]), 0)
        length = int(self._states[state, tables.LENGTH])
        if length > longest:
            state = int(tables.shortened(self._states, state, longest))
            length = min(int(self._states[state, tables.LENGTH]), longest)
        return state, length

    def follow(self, state: int, length: int, tokens: Iterable[int]) -> tuple[int, int]:
        """Return the state and the length of the longest suffix of another text that occurs in this one,
        after more tokens of the other text. Cost: 2 us, and 0.1 us a token on average."""
        found = int(tables.follow(self._states, self._moves, self._table, state, length, _int32(tokens)))
        return found & 0xFFFFFFFF, found >> 32

    def shorter(self, state: int) -> tuple[int, int]:
        """Return the suffix link of a state: the state and the length of the longest suffix that ends at more
        positions; (0, 0) if that is the empty one."""
        link = max(int(self._states[state, tables.LINK]), 0)
        return link, int(self._states[link, tables.LENGTH])

    def draft(self, state: int, view: View, most: int, branches: int) -> Draft:
        """Return the likeliest `most` continuations of a state's factors that the grammar allows, at most
        `branches` after each node. A share is the frequency of a continuation in the text. Cost: 5 us, 0.1 us
        a node, and a step of the grammar for each."""
        return self.draft_of([(state, 1.0)], view, most, branches)

    def draft_of(self, weighted: Sequence[tuple[int, float]], view: View, most: int, branches: int) -> Draft:
        """Return the same for several states, with weights for their shares. Cost: 5 us for each."""
        if most < 1 or view.room < 1:
            return NO_DRAFT
        more = 1 if view.matcher is None else _MORE
        room = more * most
        grown: list[Draft] = []
        for state, _ in weighted:
            made, chances = np.empty((2, room), np.int32), np.empty(room, np.float32)
            count = tables.grow(
                self._states,
                self._moves,
                state,
                room,
                more * branches,
                min(view.room, room),
                made[0],
                made[1],
                chances,
            )
            grown.append(Draft.made(made[0, :count], made[1, :count], chances[:count]))
        whole = fuse(grown, [weight for _, weight in weighted]) if len(grown) > 1 else grown[0]
        return allowed_part(whole, view, most, branches)

    def copy_from(self, place: int, view: View, most: int) -> Draft:
        """Return the tokens after a position of the text, as far as the grammar allows them."""
        found: list[int] = []
        state = view.start
        for token in self.text[place + 1 : place + 1 + min(most, view.room)].tolist():
            state = view.after(state, token) if token >= 0 else REFUSED
            if state == REFUSED:
                break
            found.append(token)
        return Draft.chain(found)


def _int32(tokens: Iterable[int] | npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    if isinstance(tokens, np.ndarray):
        return np.ascontiguousarray(tokens, np.int32)
    listed: Any = tokens if isinstance(tokens, list | tuple) else list(tokens)
    return np.array(listed, np.int32)
