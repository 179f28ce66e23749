"""Shortest completions: the best-first search for a shortest text (A*: P. E. Hart, N. J. Nilsson, B. Raphael,
1968) over readings between two lexemes.

A step writes one lexeme, as the shortest text that makes the lexer end it with some terminal and carry; what
the stack needs at least behind it is the estimate (`costs`). So the search goes straight on where the
estimate is right, and what it finds is a shortest text of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import chain, count
from typing import Final, NamedTuple

import numpy as np

from structgen.base.native.jit import entry
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.lark_grammars.compiled.costs import UNREACHABLE, Distances
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers
from structgen.grammars.lark_grammars.lexer.effort import NUMBERS_PER_STEP, spend
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.liveness.frames import classes_of_bytes, column_after
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.grammars.lark_grammars.machine.lark_layout import LarkContext
from structgen.grammars.lark_grammars.machine.lark_masks import place_behind
from structgen.grammars.lark_grammars.machine.memo import lives
from structgen.grammars.lark_grammars.machine.parser import ends_at
from structgen.grammars.lark_grammars.reading.loaded_grammar import Indentation
from structgen.grammars.text_grammars.context_free.shortest_rests import Word
from structgen.grammars.text_grammars.machine.language import TOKEN
from structgen.grammars.text_grammars.machine.scanning import remembered
from structgen.machines.machine_core.growing_tables import GrowingTables

_CELLS, _PLACES = word_of(L.LarkContext, "cells"), word_of(L.LarkContext, "places")
_OF_PROOF: Final = 4
"""What it costs to ask letters whether a reading goes on, in steps of 10 us."""
_FEW: Final = 64
"""So many readings are looked at before the costs of symbols are made, which say where to look."""
_COMPLETE: Final = -1
"""In place of a reading's place: the text may end."""
_LIKED: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \"'()[]{};,\n"
"""Bytes that are written rather than others that do as well: people and tokens have them more often."""
_RANKS: Final = [_LIKED.index(byte) if byte in _LIKED else 256 + byte for byte in range(256)]


@entry("int64(int64, int64)")
def text_ends(address: int, place: int) -> int:
    """Return 1 if the text may end at a place, 0, or a question."""
    return ends_at(LarkContext(address), place)


@entry("int64(int64, int64, int64, int64)")
def reading_lives(address: int, place: int, lexeme: int, column: int) -> int:
    """Return 1 if some text goes on in a reading, 0, or a question."""
    return lives(LarkContext(address), place, lexeme, column)


def liked_bytes(classes: bytes) -> list[int]:
    """Return a byte of each class, those first that are written rather than others."""
    liked = {classes[byte]: byte for byte in sorted(range(256), key=lambda one: -_RANKS[one])}
    return sorted(liked.values(), key=_RANKS.__getitem__)


class Ending(NamedTuple):
    """A shortest text from a state of the lexer to an end."""

    text: Sequence[int]
    terminal: int
    carry: int


class Endings:
    """The ends that are reached from one state of the lexer, shortest texts first: found where they are asked
    for."""

    def __init__(
        self,
        rows: LexerTables,
        state: int,
        newline: int,
        has_end: Callable[[int], bool] | None = None,
    ) -> None:
        """`newline`: the indenter's terminal, of which each state is an end of its own. `has_end`: whether a
        state may lead to an end that is asked for; None: each may."""
        self._rows, self._newline, self._has_end = rows, newline, has_end
        self._before: dict[int, tuple[int, int]] = {state: (-1, 0)}
        lexer = rows.lexer
        self._symbols = liked_bytes(bytes(lexer.classes)) + [
            TOKEN + one for one in lexer.instructions.specials
        ]
        self._classes = np.array(list(map(lexer.byte_class_of, self._symbols)))
        self._front, self._met = [state], set[tuple[int, ...]]()
        self.found: list[Ending] = []
        ending = None if lexer.states[state].bound is None else Ending(*lexer.shortest_end(state))
        if ending is not None and ending.carry >= 0:
            self.found.append(ending)
            # where nothing is owed behind the shortest rest of a bound text, no other one is better
            self._front = [] if lexer.is_local and ending.carry == lexer.nothing else [state]

    @property
    def is_whole(self) -> bool:
        """Whether there are no more."""
        return not self._front

    def extend(self) -> None:
        """Look at texts with one byte more. Raises LimitError."""
        rows, lexer = self._rows, self._rows.lexer
        after: dict[int, tuple[int, int]] = {}
        ends: dict[tuple[int, ...], Ending] = {}
        spend(lexer.limits, NUMBERS_PER_STEP * len(self._front))
        for state in self._front:
            for terminal, carry in lexer.states[state].ends:
                key = (terminal, carry, state) if terminal == self._newline else (terminal, carry)
                if key not in self._met and key not in ends:
                    ends[key] = Ending(self._text(state), terminal, carry)
            rows.put_row(state)
            for symbol, to in zip(self._symbols, rows.moves[state][self._classes].tolist(), strict=True):
                is_new = to >= 0 and to not in self._before and to not in after
                if is_new and (self._has_end is None or self._has_end(to)):
                    after[to] = state, symbol
        before, met, found = self._before | after, self._met.union(ends), [*self.found, *ends.values()]
        self._before, self._met, self.found, self._front = before, met, found, list(after)

    def _text(self, state: int) -> Sequence[int]:
        found = list[int]()
        while self._before[state][0] >= 0:
            state, symbol = self._before[state]
            found.append(symbol)
        return found[::-1]


class ShortestRests:
    """Shortest completions of the states of one compiled grammar. Its lock is held."""

    def __init__(self, answers: LarkAnswers, tables: GrowingTables, indentation: Indentation | None) -> None:
        self._answers, self._grown, self._limits = answers, tables, answers.limits
        self._newline = -1 if indentation is None else indentation.newline
        self._tab = 0 if indentation is None else indentation.tab_size
        self._distances: Distances | None = None
        self._forgotten = 0

    def of(self, readings: list[tuple[int, int, int]]) -> Sequence[int]:
        """Return a shortest text behind which the text may end, from some readings (places, lexer states,
        columns) of which one lives. Raises LimitError."""
        with self._answers.begin():
            found = self._search(readings)
        assert found is not None, "a state from which no text goes on"
        return found

    def goes_on(self, reading: tuple[int, int, int], wanted: set[int]) -> bool:
        """Return whether some text goes on in a reading whose lexeme becomes one of some terminals: where
        letters do not tell, since they are not settled, or since stacks do not tell which brackets are open
        or which widths a newline may have. Raises LimitError."""
        with self._answers.begin():
            return self._search([reading], wanted) is not None

    def distance(self, place: int) -> int:
        """Return how many bytes a place needs at least; UNREACHABLE."""
        if self._distances is None:
            self._distances = Distances(self._answers.letters, partial(self._grown.rows, _CELLS))
        if self._forgotten != self._answers.forgotten:
            forgotten = self._answers.forgotten
            self._distances.forget()
            self._forgotten = forgotten
        stack = int(self._grown.rows(_PLACES)[place, L.LarkPlace.stack])
        return self._distances.of(stack)

    def _search(
        self, readings: list[tuple[int, int, int]], wanted: set[int] | None = None
    ) -> Sequence[int] | None:
        """Return a shortest text. `wanted`: it is asked whether there is one, if the lexeme becomes one of
        some terminals; then any text that is known to go on does."""
        call, order = self._answers.call_keeping, count()
        queue: list[tuple[int, int, int, Word, tuple[int, int, int], Iterator[Ending] | None]] = []

        def push(
            estimate: int,
            text: Word,
            reading: tuple[int, int, int],
            endings: Iterator[Ending] | None = None,
        ) -> None:
            heappush(queue, (estimate, -text.length, next(order), text, reading, endings))

        for reading in readings:
            push(0, Word(), reading)
        best: dict[tuple[int, int, int], int] = {}
        lexing = set(readings if wanted else ())
        """Readings in which the first lexeme is read."""
        is_blind = wanted is not None and self._distances is None
        while queue:
            estimate, _size, _order, text, reading, endings = heappop(queue)
            place, state, column = reading
            if place == _COMPLETE:
                return text.symbols()
            if endings is None:
                spend(self._limits, NUMBERS_PER_STEP)
                if best.get(reading, UNREACHABLE) <= text.length:
                    continue
                best[reading] = text.length
                if is_blind and len(best) > _FEW:
                    self.distance(place)
                    return self._search(readings, wanted)
                if wanted is None:
                    lives: bool | None = call(reading_lives, *reading) == 1
                else:
                    spend(self._limits, _OF_PROOF * NUMBERS_PER_STEP)
                    lives = None if reading in lexing else self._answers.told(place, state)
                    if lives:
                        return text.symbols()
                if lives is False:
                    continue
                is_first = reading in lexing
                if wanted and is_first:
                    endings = self._as_terminals(state, wanted)
                else:
                    endings = self._ends(self._endings(state))
                if not (is_first and self._newline not in (wanted or ())) and self._takes_lines(place):
                    for byte, broken in self._broken(state):  # a newline goes on byte by byte
                        further = Word(text, (byte,))
                        after = place, broken, self._column(place, column, byte, wanted is not None)
                        lexing.update((after,) if is_first else ())
                        push(max(further.length, estimate), further, after)
            for ending in endings:
                reached = text.length + len(ending.text)
                if reached > estimate:  # this way is no longer the best
                    push(reached, text, reading, chain((ending,), endings))
                    break
                is_best = False
                for more, behind, lasts in self._behind(reading, ending):
                    further = Word(text, more)
                    if lasts:
                        push(further.length, further, (_COMPLETE, 0, 0))
                        is_best = is_best or further.length <= estimate
                    if behind is None:
                        continue
                    left = 0 if is_blind else self.distance(behind[0])
                    if left < UNREACHABLE:
                        total = max(further.length + left, estimate)
                        is_best = is_best or total == estimate
                        push(total, further, behind)
                if is_best:  # go on there; the other endings come where that was wrong
                    push(estimate, text, reading, endings)
                    break
        return None

    def _column(self, place: int, column: int, byte: int, is_proof: bool) -> int:
        """Return the column of a newline after one more byte; in a proof the least of those that all do the
        same."""
        column, known = column_after(column, byte, self._tab), self._answers.letters.widths
        over = column - max(self._answers.widths(place)[0] + 1, known.first)
        return column - over + over % known.every if is_proof and over >= known.every else column

    @remembered
    def _endings(self, state: int) -> Endings:
        return Endings(self._answers.rows, state, self._newline)

    def _as_terminals(self, state: int, wanted: set[int]) -> Iterator[Ending]:
        """Yield the ends from a state of the lexer that are of some terminals."""
        answers, of = self._answers, self._answers.letters.terminals_of
        known = Endings(answers.rows, state, self._newline, lambda to: not wanted.isdisjoint(of(to)))
        return (one for one in self._ends(known) if one.terminal in wanted)

    def _ends(self, known: Endings) -> Iterator[Ending]:
        at = 0
        while True:
            while at < len(known.found):
                yield known.found[at]
                at += 1
            if known.is_whole:
                return
            known.extend()

    def _behind(
        self, reading: tuple[int, int, int], ending: Ending
    ) -> Iterator[tuple[Sequence[int], tuple[int, int, int] | None, bool]]:
        """Yield the text that ends a lexeme, with the readings behind it, and with None and whether the text
        may end there; nothing where the parser refuses it."""
        place, _state, column = reading
        text, terminal, carry = ending
        is_line = terminal == self._newline and self._counts_columns(place)
        if is_line and text:
            return
        after = self._answers.call_keeping(place_behind, place, terminal, column if is_line else 0)
        if after < 0:
            return
        lexer = self._answers.lexer
        lasts = lexer.holds_at_end(carry) and self._answers.call_keeping(text_ends, after) == 1
        yield text, None, lasts
        for fresh in self._answers.begun(after, carry):
            yield text, fresh, False

    def _counts_columns(self, place: int) -> bool:
        """Return whether a newline's column counts at a place: no bracket is open."""
        return self._newline >= 0 and int(self._grown.rows(_PLACES)[place, L.LarkPlace.brackets]) == 0

    def _takes_lines(self, place: int) -> bool:
        """Return whether a newline is read at a place, and its column counts."""
        if not self._counts_columns(place):
            return False
        width = self._answers.widths(place)[0]
        return self._answers.call_keeping(place_behind, place, self._newline, width) >= 0

    def _broken(self, state: int) -> Iterator[tuple[int, int]]:
        """Yield bytes after which a lexeme may still become a newline, and the state after each."""
        rows, lexer = self._answers.rows, self._answers.lexer
        rows.put_row(state)
        for byte in liked_bytes(classes_of_bytes(bytes(lexer.classes), lexer.tables)):
            after = int(rows.moves[state, lexer.classes[byte]])
            if after >= 0 and rows.may_break(after):
                yield byte, after
