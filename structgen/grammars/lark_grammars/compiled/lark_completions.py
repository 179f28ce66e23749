"""Searches for the shortest text that completes a Lark text, best first (A*: P. E. Hart, N. J. Nilsson, B.
Raphael, 1968).

A *reading* is one way to read the text so far: a place of the parser, a state of the lexer, and a column. An
*ending* is a shortest text from a state of the lexer to an end of the lexeme, with its terminal and carry
(what it demands of the text after). A step of the search writes one lexeme: from one reading, over one
ending, to the readings after it. The *estimate* is the length of the text so far plus the least number of
bytes that the stack still needs (`costs`). It is never too large, so the first whole text is a shortest one.

A *proof* is a search for any text at all. There what the stack needs counts several times (weighted A*: I.
Pohl, 1970), so the search goes down the stack, even where carries demand detours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from heapq import heappop, heappush
from itertools import chain, count
from typing import Final, NamedTuple

import numpy as np

from structgen.base.language.remembering import remember_answers
from structgen.base.native.jit import entry
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.lark_grammars.compiled.costs import UNREACHABLE, Distances
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers, LarkReading
from structgen.grammars.lark_grammars.lexer.effort import NUMBERS_PER_STEP, spend_steps
from structgen.grammars.lark_grammars.lexer.lexer_tables import LexerTables
from structgen.grammars.lark_grammars.liveness.frames import classes_of_bytes, column_after
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.grammars.lark_grammars.machine.lark_layout import LarkContext
from structgen.grammars.lark_grammars.machine.lark_masks import place_behind
from structgen.grammars.lark_grammars.machine.memo import lexeme_lives
from structgen.grammars.lark_grammars.machine.parser import ends_at
from structgen.grammars.lark_grammars.reading.loaded_grammar import Indentation
from structgen.grammars.text_grammars.context_free.shortest_rests import Word
from structgen.grammars.text_grammars.machine.language import TOKEN
from structgen.machines.machine_core.growing_tables import GrowingTables

_CELLS = word_of(L.LarkContext, "cells")
_PLACES = word_of(L.LarkContext, "places")
_OF_PROOF: Final = 4
"""The steps (of 10 us) that it costs to decide by letters whether a reading goes on."""
_WEIGHT: Final = 8
"""The factor by which a proof multiplies the bytes that the stack needs. With a lower one the search looks
more to the sides, at up to twice the cost."""
_FEW: Final = 64
"""The number of readings that a proof examines before the costs of symbols are computed. Where letters did
not decide last time, they are also asked again only after so many readings."""
_LIKED: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \"'()[]{};,\n"
"""The preferred bytes, where several would do: people and tokens use them more often."""
_RANKS: Final = [_LIKED.index(byte) if byte in _LIKED else 256 + byte for byte in range(256)]


@entry("int64(int64, int64)")
def text_ends(address: int, position: int) -> int:
    """Return 1 if the text may end at a place, else 0; or ASKED with questions noted."""
    return ends_at(LarkContext(address), position)


@entry("int64(int64, int64, int64, int64)")
def reading_lives(address: int, position: int, lexeme: int, column: int) -> int:
    """Return 1 if some text goes on in a reading, else 0; or ASKED with questions noted. `address`: the
    address of the grammar's block; `position`, `lexeme`, `column`: the fields of the `LarkReading`."""
    return lexeme_lives(LarkContext(address), position, lexeme, column)


def liked_bytes(classes: bytes) -> list[int]:
    """Return a byte of each class: the one that people write most often. The most frequent come first."""
    # The worst bytes come first, and better ones of the same class overwrite them.
    worst_first = sorted(range(256), key=lambda byte: -_RANKS[byte])
    byte_of_class = {classes[byte]: byte for byte in worst_first}
    return sorted(byte_of_class.values(), key=_RANKS.__getitem__)


class Ending(NamedTuple):
    """A shortest text from a state of the lexer to an end."""

    text: Sequence[int]
    terminal: int
    carry: int


class Endings:
    """The endings from one state of the lexer, shortest texts first. They are found when they are needed."""

    def __init__(
        self,
        rows: LexerTables,
        state: int,
        newline: int,
        has_end: Callable[[int], bool] | None = None,
    ) -> None:
        """`newline`: the indenter's terminal; each state in which it ends is an ending of its own, since
        columns differ. `has_end`: returns whether a state may lead to a wanted ending; None: each may."""
        self._rows = rows
        self._newline = newline
        self._has_end = has_end
        self._steps: dict[int, tuple[int, int]] = {state: (-1, 0)}
        """State -> the state and the symbol before it in a shortest text."""
        lexer = rows.lexer
        special_tokens = [TOKEN + token for token in lexer.instructions.specials]
        self._symbols = liked_bytes(bytes(lexer.classes)) + special_tokens
        self._classes = np.array(list(map(lexer.byte_class_of, self._symbols)))
        self._frontier = [state]
        self._seen_endings: set[tuple[int, ...]] = set()
        self.endings: list[Ending] = []
        if lexer.states[state].bound is None:
            return
        ending = Ending(*lexer.shortest_end(state))
        if ending.carry >= 0:
            self.endings.append(ending)
            # If nothing is owed after the shortest rest of a bound text, no other ending is better.
            if lexer.is_local and ending.carry == lexer.nothing:
                self._frontier = []

    def _explore_next_byte(self) -> None:
        """Find the endings whose texts are one byte longer. Raises LimitError."""
        rows, lexer = self._rows, self._rows.lexer
        new_steps: dict[int, tuple[int, int]] = {}
        ends: dict[tuple[int, ...], Ending] = {}
        spend_steps(lexer.limits, NUMBERS_PER_STEP * len(self._frontier))
        for state in self._frontier:
            for terminal, carry in lexer.states[state].ends:
                # Newlines of different texts have different columns, so each of their states counts.
                key = (terminal, carry, state) if terminal == self._newline else (terminal, carry)
                if key not in self._seen_endings and key not in ends:
                    ends[key] = Ending(self._text_to(state), terminal, carry)
            rows.put_row(state)
            targets = rows.moves[state][self._classes].tolist()
            for symbol, target in zip(self._symbols, targets, strict=True):
                is_new = target >= 0 and target not in self._steps and target not in new_steps
                if is_new and (self._has_end is None or self._has_end(target)):
                    new_steps[target] = state, symbol
        steps = self._steps | new_steps
        seen_endings = self._seen_endings.union(ends)
        endings = [*self.endings, *ends.values()]
        # All fields change at once, at the end: after a LimitError or an interrupt the step is repeated.
        self._steps, self._seen_endings, self.endings, self._frontier = (
            steps,
            seen_endings,
            endings,
            list(new_steps),
        )

    def iterate_endings(self) -> Iterator[Ending]:
        """Yield all ends. Raises LimitError."""
        next_index = 0
        # Searches share this object, so others may have found endings since the last one was yielded.
        while True:
            while next_index < len(self.endings):
                yield self.endings[next_index]
                next_index += 1
            if not self._frontier:
                return
            self._explore_next_byte()

    def _text_to(self, state: int) -> Sequence[int]:
        """Return a shortest text that leads to a state."""
        symbols: list[int] = []
        while self._steps[state][0] >= 0:
            state, symbol = self._steps[state]
            symbols.append(symbol)
        return symbols[::-1]


class ShortestRests:
    """The shortest completions of the states of one compiled grammar. The caller holds the grammar's lock."""

    def __init__(self, answers: LarkAnswers, tables: GrowingTables, indentation: Indentation | None) -> None:
        self.answers, self._growing_tables = answers, tables
        self.newline = -1 if indentation is None else indentation.newline
        self._tab = 0 if indentation is None else indentation.tab_size
        self.letters_failed = False
        """Whether letters could not decide, the last time they were asked about a state that owes something.
        Asking costs more than following some further lexemes, so a proof then asks only later."""
        self._distances: Distances | None = None
        self._last_renumbering = 0

    def shortest_text(self, readings: list[LarkReading]) -> Sequence[int]:
        """Return a shortest text that completes one of some readings, at least one of which lives. Raises
        LimitError."""
        with self.answers.begin():
            rest = _Search(self, readings).find_text()
        assert rest is not None, "a state from which no text goes on"
        return rest

    def goes_on(self, reading: LarkReading, target_terminals: set[int]) -> bool:
        """Return whether some text goes on if the lexeme of a reading becomes one of some terminals. This is
        called where letters do not decide: they are unsettled, or stacks do not determine the open brackets
        or the widths of newlines. Raises LimitError."""
        with self.answers.begin():
            return _Search(self, [reading], target_terminals).find_text() is not None

    @cached_property
    def _line_bytes(self) -> list[int]:
        """A byte of each class in a newline, in which blanks are classes of their own."""
        lexer = self.answers.lexer
        return liked_bytes(classes_of_bytes(bytes(lexer.classes), lexer.tables))

    @property
    def has_distances(self) -> bool:
        """Whether the costs of symbols were computed already."""
        return self._distances is not None

    def min_bytes_left(self, position: int) -> int:
        """Return the least number of bytes that a place needs until the text may end; UNREACHABLE where it
        never may."""
        if self._distances is None:
            self._distances = Distances(self.answers.letters, partial(self._growing_tables.rows, _CELLS))
        renumbering_count = self.answers.renumbering_count
        if self._last_renumbering != renumbering_count:  # costs are remembered by the numbers of cells
            self._distances.forget_costs()
            self._last_renumbering = renumbering_count
        stack = int(self._growing_tables.rows(_PLACES)[position, L.LarkPlace.stack])
        return self._distances.min_bytes_of(stack)

    def column_after_byte(self, reading: LarkReading, byte: int, is_proof: bool) -> int:
        """Return the column of a newline after one more byte. A proof gets the least column with the same
        effect, so that it examines fewer readings."""
        column = column_after(reading.column, byte, self._tab)
        widths = self.answers.letters.widths
        # Beyond this column the widths of newlines repeat with a period, and each one opens a block.
        periodic_from = max(self.answers.indent_width(reading.parse_position) + 1, widths.first)
        excess = column - periodic_from
        if is_proof and excess >= widths.every:
            return periodic_from + excess % widths.every
        return column

    @remember_answers
    def _endings_from(self, state: int) -> Endings:
        return Endings(self.answers.rows, state, self.newline)

    def endings_of_state(self, state: int) -> Iterator[Ending]:
        """Yield the ends from a state of the lexer, shortest texts first."""
        return self._endings_from(state).iterate_endings()

    def endings_as(self, state: int, target_terminals: set[int]) -> Iterator[Ending]:
        """Yield the endings from a state with one of some terminals, shortest texts first."""
        terminals_of = self.answers.letters.terminals_of

        def has_target(next_state: int) -> bool:
            return not target_terminals.isdisjoint(terminals_of(next_state))

        ends = Endings(self.answers.rows, state, self.newline, has_target)
        return (ending for ending in ends.iterate_endings() if ending.terminal in target_terminals)

    def readings_after_ending(self, reading: LarkReading, ending: Ending) -> tuple[bool, list[LarkReading]]:
        """Return whether the text may end after an ending, and the readings that begin there. There are none
        where the parser refuses the terminal."""
        text, terminal, carry = ending
        call = self.answers.call_compiled_keeping_positions
        is_line = terminal == self.newline and self._counts_columns(reading.parse_position)
        # A newline is followed byte by byte (`_open_reading`), so that its column is known at its end.
        if is_line and text:
            return False, []
        column = reading.column if is_line else 0
        position = call(place_behind, reading.parse_position, terminal, column)
        if position < 0:
            return False, []
        may_end = self.answers.lexer.holds_at_end(carry) and call(text_ends, position) == 1
        return may_end, self.answers.readings_after(position, carry)

    def _counts_columns(self, position: int) -> bool:
        """Return whether the column of a newline matters at a place, since no bracket is open."""
        if self.newline < 0:
            return False
        brackets = self._growing_tables.rows(_PLACES)[position, L.LarkPlace.brackets]
        return int(brackets) == 0

    def takes_lines(self, position: int) -> bool:
        """Return whether the parser reads a newline at a place, and its column matters."""
        if not self._counts_columns(position):
            return False
        width = self.answers.indent_width(position)
        return self.answers.call_compiled_keeping_positions(place_behind, position, self.newline, width) >= 0

    def newline_steps(self, state: int) -> Iterator[tuple[int, int]]:
        """Yield bytes after which a lexeme may still become a newline, and the state after each."""
        rows, lexer = self.answers.rows, self.answers.lexer
        rows.put_row(state)
        for byte in self._line_bytes:
            next_state = int(rows.moves[state, lexer.classes[byte]])
            if next_state >= 0 and rows.may_break(next_state):
                yield byte, next_state


class _QueueEntry(NamedTuple):
    """An entry of the search's queue: a text that may begin a shortest one. Entries are compared field by
    field: the lowest estimate comes first, then the longest text, then the earliest entry."""

    estimate: int
    """A lower bound of the length of a whole text that begins so; in a proof a weighted one."""
    negative_length: int
    """Minus the length of the text."""
    number: int
    """The entry's own number. It is unique, so the later fields are never compared."""
    text: Word
    reading: LarkReading | None
    """The reading after the text; None: the whole text may end."""
    endings: Iterator[Ending] | None
    """The endings of the reading's lexeme that were not followed yet; None: the reading was not examined."""


class _Search:
    """One search for a shortest text from some readings. The lock of the grammar is held."""

    def __init__(
        self,
        rests: ShortestRests,
        readings: list[LarkReading],
        target_terminals: set[int] | None = None,
    ) -> None:
        """`target_terminals`: the search is a proof that some text goes on if the first lexeme becomes one of
        these terminals. It may stop at any text that is known to go on. None: the search finds a shortest
        text."""
        self._rests = rests
        self._readings = readings
        self._target_terminals = target_terminals
        self._answers = rests.answers
        self._limits = rests.answers.limits
        self._call = self._answers.call_compiled_keeping_positions
        self._queue: list[_QueueEntry] = []
        self._order = count()
        self._best: dict[LarkReading, int] = {}
        """For each examined reading the length of the shortest text to it."""
        self._lexing = set(readings if target_terminals else ())
        """In a proof, the readings in which the first lexeme is being read."""
        # Most proofs end after some readings: they do without the costs of symbols at first.
        self._is_blind = target_terminals is not None and not rests.has_distances
        for reading in readings:
            self._push_entry(0, Word(), reading)

    def _push_entry(
        self,
        estimate: int,
        text: Word,
        reading: LarkReading | None,
        endings: Iterator[Ending] | None = None,
    ) -> None:
        """Put a text into the queue. `estimate`, `text`, `reading` and `endings` are fields of `_QueueEntry`:
        `_push_entry(9, text, None)` is a text of 9 bytes that may end."""
        number = next(self._order)
        entry = _QueueEntry(estimate, -text.length, number, text, reading, endings)
        heappush(self._queue, entry)

    def find_text(self) -> Sequence[int] | None:
        """Return a shortest text; None where there is none. Raises LimitError."""
        while self._queue:
            estimate, _negative_length, _number, text, reading, endings = heappop(self._queue)
            if reading is None:
                return text.all_symbols()
            if endings is None:
                spend_steps(self._limits, NUMBERS_PER_STEP)
                if self._best.get(reading, UNREACHABLE) <= text.length:
                    continue
                self._best[reading] = text.length
                if self._is_blind and len(self._best) > _FEW:
                    # This call computes the costs. With them, the search begins again at the first reading.
                    self._rests.min_bytes_left(reading.parse_position)
                    return _Search(self._rests, self._readings, self._target_terminals).find_text()
                is_live = self._check_live(reading)
                if is_live and self._target_terminals is not None:
                    return text.all_symbols()
                if is_live is False:
                    continue
                endings = self._open_reading(estimate, text, reading)
            self._follow_endings(estimate, text, reading, endings)
        return None

    def _check_live(self, reading: LarkReading) -> bool | None:
        """Return whether some text goes on in a reading; None: letters do not decide it."""
        if self._target_terminals is None:
            return self._call(reading_lives, *reading) == 1
        # The compiled function may start a proof itself, so a proof uses the letters alone.
        rests = self._rests
        owes = bool(self._answers.lexer.states[reading.lexer_state].owed)
        would_fail = owes and rests.letters_failed and len(self._best) <= _FEW
        if reading in self._lexing or would_fail:
            return None
        spend_steps(self._limits, _OF_PROOF * NUMBERS_PER_STEP)
        is_live = self._answers.is_live_by_letters(reading.parse_position, reading.lexer_state)
        if owes:
            rests.letters_failed = is_live is None
        return is_live

    def _open_reading(self, estimate: int, text: Word, reading: LarkReading) -> Iterator[Ending]:
        """Return the endings of a reading's lexeme. A newline is followed byte by byte: the readings after
        each byte go into the queue."""
        position, state, _column = reading
        rests, target_terminals = self._rests, self._target_terminals
        is_first = reading in self._lexing
        may_be_newline = not is_first or rests.newline in (target_terminals or ())
        if may_be_newline and rests.takes_lines(position):
            for byte, line_state in rests.newline_steps(state):
                further = Word(text, (byte,))
                column = rests.column_after_byte(reading, byte, target_terminals is not None)
                next_reading = LarkReading(position, line_state, column)
                if is_first:
                    self._lexing.add(next_reading)
                self._push_entry(max(further.length, estimate), further, next_reading)
        if target_terminals and is_first:
            return rests.endings_as(state, target_terminals)
        return rests.endings_of_state(state)

    def _estimate_rest(self, reading: LarkReading) -> int:
        """Return the least number of bytes that complete a reading; in a proof _WEIGHT times as many."""
        if self._is_blind:
            return 0
        weight = _WEIGHT if self._target_terminals else 1
        return self._rests.min_bytes_left(reading.parse_position) * weight

    def _follow_endings(
        self,
        estimate: int,
        text: Word,
        reading: LarkReading,
        endings: Iterator[Ending],
    ) -> None:
        """Follow the ends of a reading's lexeme, until one leads on as it was estimated. `estimate`: of the
        entry that is open; `text`: up to the lexeme; `endings`: those not yet followed. For example, where
        `[` and `{` end a lexeme, `{` stays in the queue if `[` comes to the estimate."""
        rest_estimate = self._estimate_rest(reading) if self._target_terminals else 0
        for ending in endings:
            new_estimate = text.length + len(ending.text) + rest_estimate
            if new_estimate > estimate:  # this way is no longer the best
                self._push_entry(new_estimate, text, reading, chain((ending,), endings))
                return
            may_end, next_readings = self._rests.readings_after_ending(reading, ending)
            further = Word(text, ending.text)
            is_best = may_end and further.length <= estimate
            if may_end:
                self._push_entry(further.length, further, None)
            for next_reading in next_readings:
                remaining_bytes = self._estimate_rest(next_reading)
                if remaining_bytes < UNREACHABLE:
                    total = further.length + remaining_bytes
                    # Estimates never fall along a way, as A* asks; a weighted search gives that up.
                    if not self._target_terminals:
                        total = max(total, estimate)
                    is_best = is_best or total <= estimate
                    self._push_entry(total, further, next_reading)
            if is_best:  # the search goes on there; the other endings wait in the queue
                self._push_entry(estimate, text, reading, endings)
                return
