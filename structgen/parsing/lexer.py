"""lark's contextual lexer as an automaton (`lexemes`), with the texts that lead from one of its states to a
terminal: what completions are written with, and what proves that there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.memory import address_of
from structgen.parsing import lexeme_rows as R
from structgen.parsing.lexeme_items import Item, Slot
from structgen.parsing.lexemes import DEAD, DECIDED, LexemeStates
from structgen.parsing.ordered import Nest
from structgen.parsing.tables import ParserTables

_SEVERAL: Final = 4
"""Texts of a terminal whose end a look-ahead may undo that are offered."""
_TRIES: Final = 8
"""Texts of a terminal, as its pattern has them, that are tried where the first is another's: they are what a
person would write. Then come those of the automaton."""
_PAIRS: Final = 100
"""Pairs of states that are gone through for whether a slot ever wins."""
_FOLLOWED: Final = 2_000
"""States of a lexeme that are gone through for a text of a terminal that is nearly always another's."""


class _Texts:
    """Texts of a terminal from some instructions on, as compiled code reads them; made as they are asked
    for."""

    __slots__ = ("_begins", "_first", "_found", "_more")

    def __init__(self, texts: Iterator[bytes]) -> None:
        self._more = texts
        self._found = list(islice(texts, 1))
        self._put()

    def _put(self) -> None:
        self._first = np.frombuffer(b"".join(self._found) + b"\0", np.uint8)
        self._begins = np.array([0, *accumulate(map(len, self._found))], np.int32)

    def first(self, count: int) -> tuple[int, int, int]:
        """Return the first texts, _TRIES at most, for `find_text`: one, or that many."""
        if count > len(self._found):
            self._found += islice(self._more, count - len(self._found))
            self._put()
        return address_of(self._first), address_of(self._begins), min(count, len(self._found))

    def __getitem__(self, number: int) -> bytes:
        return self._found[number]

    def __iter__(self) -> Iterator[bytes]:
        yield from self._found
        for text in self._more:
            self._found.append(text)
            yield text


class Lexer(LexemeStates):
    """The states of lexemes, and texts between them. Not thread-safe."""

    def __init__(self, tables: ParserTables) -> None:
        super().__init__(tables)
        self._words: dict[tuple[int, int], bytes | None] = {}
        self._several_words: dict[tuple[int, int], list[bytes]] = {}
        self._texts: dict[tuple[tuple[int, ...], int], _Texts] = {}
        self._waits: dict[int, list[tuple[int, int]]] = {}
        self._tracked: dict[int, list[tuple[int, int]]] = {}
        self._barren: dict[int, set[int]] = {}
        """For each terminal, states from which no lexeme of it goes on."""
        self._gives_way: dict[tuple[int, int], bool] = {}
        self._placed: dict[bytes, tuple[int, npt.NDArray[np.uint8]]] = {}
        self._class_array = np.frombuffer(self.classes, np.uint8)
        self._classes_at = address_of(self._class_array)

    def least(self) -> list[int]:
        """Return the bytes of each terminal's shortest lexeme, as if every look-around held; 0 for those that
        no lexeme is of."""
        found = [0] * len(self.tables.terminals)
        for terminal, first in self._first.items():
            found[terminal] = self.program.least(first, terminal)
        for string, (first, number) in self._exact.items():
            found[string] = self.program.least(first, number)
        return found

    def samples(self, terminal: int) -> Iterator[bytes]:
        """Yield short texts that a terminal's own pattern matches, as if every look-around held."""
        for first, number in ((self._first.get(terminal), terminal), self._exact.get(terminal, (None, 0))):
            if first is not None:
                yield from self.program.words([first], number)

    def word(self, state: int, terminal: int) -> bytes | None:
        """Return a shortest text after which a lexeme may end as a terminal's (empty: where it may now); None
        where none was found: `never` says whether there is none."""
        key = state, terminal
        if key not in self._words:
            self._words[key] = self._word(state, terminal)
        return self._words[key]

    def may_be_or_is(self, state: int, terminal: int) -> bool:
        """Return whether a lexeme may still become a terminal's, or is one where it ends."""
        bits = int(self.items.array("may_be")[state, terminal >> 6])
        return bool(bits >> (terminal & 63) & 1 or self._ended(state, terminal, b"") & 1)

    def words(self, state: int, terminal: int) -> list[bytes]:
        """Return the text of `word`, and where a look-ahead may still undo that end, some more, to other
        states: `AS` is no name where names are no keywords, `ASa` is. Empty where `word` is None."""
        key = state, terminal
        if key not in self._several_words:
            self._several_words[key] = self._several(state, terminal)
        return self._several_words[key]

    def _several(self, state: int, terminal: int) -> list[bytes]:
        word = self.word(state, terminal)
        if word is None:
            return []
        found, met = [word], set[int]()
        end = self._ended(state, terminal, word)
        if end < 0 or not end & 2:
            return found
        met.add(end >> 2)
        for text in islice(self._texts_of(self._waiting(state), terminal), 8 * _TRIES):
            end = self._ended(state, terminal, text)
            after = end if end < 0 else end >> 2
            if text and after not in met and (after == DECIDED or (end >= 0 and end & 1)):
                met.add(after)
                found.append(text)
                if len(found) == _SEVERAL:
                    break
        return found

    def _ask(self, call: Callable[..., int], state: int, terminal: int, *arguments: int) -> int:
        """Return what a routine of `lexeme_rows` about texts returns, once all rows are made."""
        while True:
            found = call(self.items.ready(), self._classes_at, state, terminal, *arguments)
            if found > R.MISSING:
                return found
            self.items.make_rows([R.MISSING - found], 1)

    def _ended(self, state: int, terminal: int, text: bytes) -> int:
        """Return four times the state after a text, with bits: has it a slot of a terminal (1), and one that
        something may still undo (2)? DECIDED where the lexeme has ended as it with the last byte, DEAD where
        it has otherwise."""
        return self._ask(R.find_end, state, terminal, self._at(text), len(text))

    def is_parted(self, state: int, terminal: int, text: bytes, separator: int) -> bool:
        """Return whether a lexeme that a text ends as a terminal's has surely ended so, if a separator
        follows."""
        return self._ask(R.find_parted, state, terminal, self._at(text), len(text), separator) > 0

    def _at(self, text: bytes) -> int:
        """Return the address of a text."""
        known = self._placed.get(text)
        if known is None:
            array = np.frombuffer(text + b"\0", np.uint8)
            known = self._placed[text] = address_of(array), array
        return known[0]

    def _word(self, state: int, terminal: int) -> bytes | None:
        if self._ended(state, terminal, b"") & 1:
            return b""
        if state in self._barren.get(terminal, ()):
            return None
        found = self.near_word(state, terminal)
        return self._followed(state, terminal)[0] if found is None else found

    def near_word(self, state: int, terminal: int) -> bytes | None:
        """Return the text of `word` where it is among the first that the terminal's pattern has."""
        exact = self._exact.get(terminal, (0, -1))[1]
        for tracked, number in ((True, exact), (False, terminal)):
            if number < 0:
                continue
            texts = self._texts_of(self._strings(state) if tracked else self._waiting(state), number)
            for tries in (1, _TRIES):  # mostly the first does
                found = self._ask(R.find_text, state, terminal, *texts.first(tries))
                if found >= 0:
                    return texts[found]
        return None

    def _texts_of(self, waiting: list[tuple[int, int]], number: int) -> _Texts:
        """Return texts that lead from some instructions to a match, as if every look-around held."""
        bit = 2 << number
        starts = tuple([at for at, reach in waiting if reach & bit])
        known = self._texts.get((starts, number))
        if known is None:
            known = self._texts[starts, number] = _Texts(self.program.words(starts, number))
        return known

    def _strings(self, state: int) -> list[tuple[int, int]]:
        """Return as `_waiting` the instructions of strings that may take the place of a match."""
        tracked = self.items.state(state)[R.S_TRACKED]
        known = self._tracked.get(tracked)
        if known is None:
            reach = self.program.reach
            known = self._tracked[tracked] = [(at, reach(at)) for at in sorted(self.states[state].tracked)]
        return known

    def never(self, state: int, terminal: int) -> bool:
        """Return whether it is sure that no lexeme of a terminal goes on from a state: better ones always
        win."""
        text, complete = self._followed(state, terminal)
        return complete and text is None

    def gives_way(self, state: int, other: int) -> bool:
        """Return whether a lexeme with one slot that is not new never ends with it, as all bytes after which
        it would are errors to what is read on from the slot (`other`, a state with no such slots). False
        where it is not clear."""
        key = state, other
        known = self._gives_way.get(key)
        if known is None:
            known = self._gives_way[key] = self._yields(state, other)
        return known

    def _yields(self, state: int, other: int) -> bool:
        pairs = [(state, other)]
        seen = set(pairs)
        for here, beside in pairs:
            slot = [item.terminal for item in self.states[here].slots].index(-1)
            ends = self.end(here).sources == (slot,) and self.end(beside).after == DECIDED
            if ends or len(pairs) > _PAIRS:
                return False
            for _byte, move in self.ways(here):
                # of the bytes that do the same here, those that are errors beside are let go
                kinds = [kind for kind, one in enumerate(self.row(here)) if one == move]
                if slot not in move.sources:
                    continue
                for kind in kinds:
                    after = self.row(beside)[kind]
                    if after.after == DEAD:
                        continue
                    if move.after < 0 or after.after < 0 or any(source >= 0 for source in after.sources):
                        return False
                    pair = move.after, after.after
                    if pair not in seen:
                        seen.add(pair)
                        pairs.append(pair)
        return True

    def _followed(self, state: int, terminal: int) -> tuple[bytes | None, bool]:
        """Return a shortest text after which a lexeme may end as a terminal's, found in the automaton itself,
        and whether it is sure that there is none where none was found. Cost: the moves of _FOLLOWED states at
        most, of those that may become the terminal's."""
        barren = self._barren.setdefault(terminal, set())
        if state in barren:
            return None, True
        before: dict[int, tuple[int, int]] = {state: (-1, 0)}
        pending = [state]
        for here in pending:
            found: int | None = None
            ended = self.end(here)
            if ended.after == DECIDED and ended.sources[0] == -1 - terminal:
                return self._led(before, here), True
            for byte, move in self.ways(here):
                if -1 - terminal in move.sources:
                    found = byte
                    break
            if found is not None:
                return self._led(before, here) + bytes((found,)), True
            if len(pending) > _FOLLOWED:
                return None, False
            for byte, move in self.ways(here):
                after = move.after
                if after >= 0 and after not in before and after not in barren:
                    before[after] = here, byte
                    if terminal in self.may_be(after):
                        pending.append(after)
        barren.update(pending)
        return None, True

    def _led(self, before: dict[int, tuple[int, int]], state: int) -> bytes:
        """Return the text that has led to a state."""
        found = []
        while before[state][0] >= 0:
            state, byte = before[state]
            found.append(byte)
        return bytes(reversed(found))

    def _waiting(self, state: int) -> list[tuple[int, int]]:
        """Return the instructions at which a state's threads wait, best first, each with what it reaches."""
        known = self._waits.get(state)
        if known is None:
            pending: list[Item] = list(reversed(self.states[state].items))
            found: dict[int, None] = {}
            while pending:
                item = pending.pop()
                if isinstance(item, Nest):
                    pending += reversed(item.threads)
                elif not isinstance(item, Slot):
                    found[item[0]] = None
            reach = self.program.reach
            known = self._waits[state] = [(at, reach(at)) for at in found]
        return known
