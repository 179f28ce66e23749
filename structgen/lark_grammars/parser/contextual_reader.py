"""The contextual reader: lark's LALR(1) parser and contextual lexer run together, byte by byte, slow and
simple.

A *configuration* is the parser's place after the last decided lexeme, the lexer's state since then, and, for
each slot of that state, the configuration that continues from the slot. Later bytes decide which of them is
the right one; until then all are followed.

A configuration is *live* if some text completes it. `lark_grammars.liveness` decides that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Final

from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.lexemes import DEAD, DECIDED, Move
from structgen.lark_grammars.lexer.ordered_matching import LookBehindState
from structgen.lark_grammars.lexer.work_budget import READ_STEPS, WorkBudget
from structgen.lark_grammars.parser.lalr_parser import Parser, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import ParserTables

_MOST_REMEMBERED: Final = 1 << 15
"""The most interned configurations."""


class ReaderConfiguration:
    """A configuration of one reader. Equal ones are one object, until the reader is trimmed."""

    __slots__ = ("bases", "begun", "column", "lexeme", "look_behind", "place")

    def __init__(
        self,
        place: ParserPlace,
        lexeme: int,
        begun: bool,
        bases: tuple[ReaderConfiguration | None, ...],
        column: int,
        behind: LookBehindState,
    ) -> None:
        self.place = place
        """After the last decided lexeme."""
        self.lexeme = lexeme
        """The lexer's state since then."""
        self.begun = begun
        """Whether the lexeme has a byte yet."""
        self.bases = bases
        """For each slot of the lexeme's state the configuration that continues from there; None if that is an
        error, or if the slot is new (at the present end of the text)."""
        self.column = column
        """If the lexeme may be the indenter's newline: the width after its last line break, -1 if it has
        none. Else 0."""
        self.look_behind = behind
        """The look-behind state for the next lexeme."""

    def branches(self) -> Iterator[ReaderConfiguration]:
        """Yield the configuration and all that continue from its slots, each once."""
        pending, seen = [self], {self}
        while pending:
            one = pending.pop()
            yield one
            for base in one.bases:
                if base is not None and base not in seen:
                    seen.add(base)
                    pending.append(base)


class ContextualReader:
    """Steps configurations, without checking liveness."""

    def __init__(self, tables: ParserTables, budget: WorkBudget | None = None) -> None:
        """`budget`: where steps are spent; None: a budget with the default limits."""
        self.tables = tables
        self.lexer = Lexer(tables)
        self.budget = self.lexer.items.budget = WorkBudget() if budget is None else budget
        self.parser = Parser(tables, self.lexer.shortest_lengths())
        self._newlines: dict[int, bool] = {}
        self._readings: dict[tuple[object, ...], ReaderConfiguration] = {}
        self._representatives: dict[tuple[tuple[int, LookBehindState], ...], list[int]] = {}

    def configuration(
        self,
        place: ParserPlace,
        lexeme: int,
        begun: bool,
        bases: tuple[ReaderConfiguration | None, ...],
        column: int,
        behind: LookBehindState,
    ) -> ReaderConfiguration:
        """Return the interned configuration of some parts."""
        key = place, lexeme, begun, bases, column, behind
        known = self._readings.get(key)
        if known is None:
            known = self._readings[key] = ReaderConfiguration(*key)
        return known

    def trim(self) -> None:
        """Clear the interned configurations if there are many."""
        if len(self._readings) > _MOST_REMEMBERED:
            self._readings.clear()

    def mapped(
        self, reading: ReaderConfiguration, parts: Callable[[ReaderConfiguration], tuple[ParserPlace, int]]
    ) -> ReaderConfiguration:
        """Return a configuration with other places and columns. `parts` returns them for this one and for
        each that continues from its slots."""
        done: dict[ReaderConfiguration | None, ReaderConfiguration | None] = {None: None}
        order = [reading]
        while order:
            one = order[-1]
            if missing := [base for base in one.bases if base not in done]:
                order += [base for base in missing if base is not None]
                continue
            order.pop()
            place, column = parts(one)
            bases = tuple(done[base] for base in one.bases)
            done[one] = self.configuration(place, one.lexeme, one.begun, bases, column, one.look_behind)
        found = done[reading]
        assert found is not None
        return found

    def with_parser(self, parser: Parser) -> ContextualReader:
        """Return a reader with the same lexer, over the stacks of another parser."""
        found = copy(self)
        found.parser = parser
        return found

    def between_lexemes(self, place: ParserPlace, behind: LookBehindState) -> ReaderConfiguration:
        """Return the configuration between two lexemes."""
        context = int(self.tables.context_of[self.parser.top[place.stack]])
        lexeme = self.lexer.start(context, behind)
        return self.configuration(place, lexeme, False, (), -1 if self.is_newline(lexeme) else 0, behind)

    def start(self) -> ReaderConfiguration:
        """Return the configuration before the first byte."""
        return self.between_lexemes(self.parser.start(), self.lexer.initial_look_behind())

    def is_newline(self, lexeme: int) -> bool:
        """Return whether a lexeme may become the indenter's newline."""
        indentation = self.tables.indentation
        if indentation is None:
            return False
        known = self._newlines.get(lexeme)
        if known is None:
            known = self._newlines[lexeme] = self.lexer.may_become(lexeme, indentation.newline)
        return known

    def column(self, column: int, byte: int) -> int:
        """Return the column of a lexeme after a byte (see `ReaderConfiguration.column`)."""
        indentation = self.tables.indentation
        if indentation is None:
            return 0
        if byte == 10:
            return 0
        if column < 0:
            return column
        return column + (indentation.tab_size if byte == 9 else int(byte == 32))

    def base(self, reading: ReaderConfiguration, slot: int) -> ReaderConfiguration | None:
        """Return the configuration that continues from a slot; for a new slot, that after the lexeme."""
        terminal = self.lexer.states[reading.lexeme].slots[slot].terminal
        if terminal < 0:
            return reading.bases[slot]
        place = self.parser.read(reading.place, terminal, reading.column)
        return None if place is None else self.between_lexemes(place, reading.look_behind)

    def step(self, reading: ReaderConfiguration, byte: int) -> ReaderConfiguration | None:
        """Return the configuration after a byte; None if every continuation is an error of lark. Cost: about
        5 us for this configuration, and for each that continues from a slot."""
        move = self.lexer.move(reading.lexeme, byte)
        wanted = self._wanted(reading, move)
        if not any(wanted):
            return self._after(reading, byte, move, wanted)
        done: dict[ReaderConfiguration | None, ReaderConfiguration | None] = {None: None}
        pending = [(reading, move, wanted)]
        while pending:
            one, move, wanted = pending[-1]
            if missing := [base for base in wanted if base not in done]:
                moves = [(base, self.lexer.move(base.lexeme, byte)) for base in missing if base is not None]
                pending += [(base, move, self._wanted(base, move)) for base, move in moves]
                continue
            if one not in done:
                done[one] = self._after(one, byte, move, [done[base] for base in wanted])
            pending.pop()
        return done[reading]

    def representative_bytes(self, reading: ReaderConfiguration) -> list[int]:
        """Return one byte of each class that the configuration distinguishes, without errors of the lexer.
        Cost: that of a step, once for each lexer state."""
        states: dict[tuple[int, LookBehindState], None] = {}
        met = {reading: None}
        pending = [reading]
        for one in pending:
            states[one.lexeme, one.look_behind] = None
            for slot in range(len(self.lexer.states[one.lexeme].slots)):
                base = self.base(one, slot)
                if base is not None and base not in met:
                    met[base] = None
                    pending.append(base)
        key = tuple(states)
        known = self._representatives.get(key)
        if known is None:
            known = self._representatives[key] = self._find_representatives(key)
        return known

    def _find_representatives(self, states: tuple[tuple[int, LookBehindState], ...]) -> list[int]:
        lexer, found = self.lexer, dict[tuple[object, ...], int]()
        rows = [lexer.row(lexeme) for lexeme, _behind in states]
        for kind, byte in enumerate(lexer.representative):
            if rows[0][kind].after != DEAD:
                behinds = [lexer.step_look_behind(behind, byte) for _lexeme, behind in states]
                found.setdefault((*(row[kind] for row in rows), *behinds), byte)
        blanks = [] if self.tables.indentation is None else [9, 10, 32]
        return list(dict.fromkeys([*found.values(), *blanks]))

    def _wanted(self, reading: ReaderConfiguration, move: Move) -> list[ReaderConfiguration | None]:
        """Return, for each slot after a move, the configuration that must read the byte as well; None if the
        slot is new."""
        return [None if source < 0 else self.base(reading, source) for source in move.sources]

    def _after(
        self, reading: ReaderConfiguration, byte: int, move: Move, bases: list[ReaderConfiguration | None]
    ) -> ReaderConfiguration | None:
        """Return the configuration after a byte and its move. `bases`: those of `_wanted`, after the byte."""
        self.budget.spend(READ_STEPS + len(bases) // 2)
        if move.after == DEAD:
            return None
        behind = self.lexer.step_look_behind(reading.look_behind, byte)
        column = self.column(reading.column, byte)
        if move.after == DECIDED:
            source = move.sources[0]
            if source >= 0:
                return bases[0]
            place = self.parser.read(reading.place, -1 - source, column)
            return None if place is None else self.between_lexemes(place, behind)
        after = move.after
        while bases and bases[-1] is None and (left := self.lexer.without_slot(after)) != after:
            # the last slot turned out an error: drop it
            if left == DEAD:
                return None
            after, bases = left, bases[:-1]
        if len(bases) == 1 and bases[0] is not None:
            kept = self._apart(bases[0], self.lexer.waiting_items(after))
            bases = [kept]
            if kept is None:
                return self._after(reading, byte, move, bases)
        base = self.only_base(after, bases)
        while base is not None:
            if base.lexeme == after and self.only_base(after, base.bases) is not None:
                return bases[0]  # the base waits for the same slots
            base = self.only_base(base.lexeme, base.bases)
        if not self.is_newline(after):
            column = 0
        return self.configuration(reading.place, after, True, tuple(bases), column, behind)

    def _apart(self, base: ReaderConfiguration, ahead: frozenset[int]) -> ReaderConfiguration | None:
        """Return a configuration that continues from a slot, without the lexemes in it that wait for no more
        than better readings do (`ahead`, items). Where such a lexeme goes on, a better one has matched; so
        only the reading from its own slot is left. So there are at most as many pending accepts as items."""
        slots, waiting = self.lexer.states[base.lexeme].slots, self.lexer.waiting_items(base.lexeme)
        if not base.begun or not waiting or len(slots) != 1 or slots[0].guards:
            return base
        if waiting <= ahead:
            further = self.base(base, 0)
            return None if further is None else self._apart(further, ahead)
        inner = base.bases[0]
        if inner is None:
            return base
        kept, lexeme = self._apart(inner, ahead | waiting), base.lexeme
        if kept is inner:
            return base
        bases = () if kept is None else (kept,)
        if kept is None:
            lexeme = self.lexer.without_slot(lexeme)
        return self.configuration(base.place, lexeme, True, bases, base.column, base.look_behind)

    def only_base(
        self, lexeme: int, bases: Sequence[ReaderConfiguration | None]
    ) -> ReaderConfiguration | None:
        """Return the single configuration that continues from the slots of a lexeme that has ended; None if
        there are several, or the lexeme may continue."""
        if not bases or any(base is not bases[0] for base in bases) or not self.lexer.has_ended(lexeme):
            return None
        return bases[0]

    def accepts(self, reading: ReaderConfiguration) -> bool:
        """Return whether lark accepts what was read."""
        while reading.begun:
            move = self.lexer.end(reading.lexeme)
            if move.after == DEAD:
                return False
            source = move.sources[0]
            if source < 0:
                place = self.parser.read(reading.place, -1 - source, reading.column)
                return place is not None and self.parser.accepts(place)
            base = self.base(reading, source)
            if base is None:
                return False
            reading = base
        return self.parser.accepts(reading.place)

    def run(self, reading: ReaderConfiguration | None, text: bytes) -> ReaderConfiguration | None:
        """Return the configuration after a text."""
        for byte in text:
            if reading is None:
                return None
            reading = self.step(reading, byte)
        return reading
