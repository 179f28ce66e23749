"""The texts that lark accepts (LALR(1), contextual lexer), read byte by byte: the slow, obvious reader.

A configuration is where the parser stands, what the bytes since the last lexeme may become, and, for each
slot of that (a place where a lexeme may have ended), the configuration that has read on from there. Which of
them is real is decided by what comes; until then all are followed, and a text goes on if one of them can.

A configuration is *live* if some text completes it. That asks of grammar and lexer together: `A B` with
A=/a+/ and B="ab" accepts nothing, for A takes B's first letter. It is proved by a text that is found and read
(`Completions`).
"""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

from structgen.parsing.lexemes import DEAD, DECIDED
from structgen.parsing.lexer import Lexer
from structgen.parsing.ordered import Behind
from structgen.parsing.parser import Parser, Place
from structgen.parsing.tables import ParserTables


class Reading(NamedTuple):
    """A configuration."""

    place: Place
    """Behind the last lexeme that is sure."""
    lexeme: int
    """The lexer's state since then."""
    begun: bool
    """Whether the lexeme has a byte yet."""
    bases: tuple[Reading | None, ...]
    """For each slot of the lexeme's state: what has been read on from there; None where that is an error, or
    nothing yet, because the slot is where the text ends now."""
    column: int
    """Of the lexeme, where it may be a newline with indentation: blanks behind its last line break, -1 where
    it has none; else 0."""
    behind: Behind
    """What the look-behinds of the next lexeme may ask."""


class ContextualReader:
    """Steps configurations, with no look at whether they are live."""

    def __init__(self, tables: ParserTables) -> None:
        self.tables = tables
        self.lexer = Lexer(tables)
        self.parser = Parser(tables, self.lexer.least())
        self._newlines: dict[int, bool] = {}

    def with_parser(self, parser: Parser) -> ContextualReader:
        """Return a reader with the same lexer, over the stacks of another parser."""
        found = copy(self)
        found.parser = parser
        return found

    def fresh(self, place: Place, behind: Behind) -> Reading:
        """Return the configuration between two lexemes."""
        context = int(self.tables.context_of[self.parser.top[place.stack]])
        lexeme = self.lexer.start(context, behind)
        return Reading(place, lexeme, False, (), -1 if self.is_newline(lexeme) else 0, behind)

    def start(self) -> Reading:
        """Return the configuration before the first byte."""
        return self.fresh(self.parser.start(), self.lexer.before())

    def is_newline(self, lexeme: int) -> bool:
        """Return whether a lexeme may become the indenter's newline."""
        indentation = self.tables.indentation
        if indentation is None:
            return False
        known = self._newlines.get(lexeme)
        if known is None:
            known = self._newlines[lexeme] = self.lexer.may_be_or_is(lexeme, indentation.newline)
        return known

    def column(self, column: int, byte: int) -> int:
        """Return the column of a lexeme after a byte (see `Reading.column`)."""
        indentation = self.tables.indentation
        if indentation is None:
            return 0
        if byte == 10:
            return 0
        if column < 0:
            return column
        return column + (indentation.tab_size if byte == 9 else int(byte == 32))

    def base(self, reading: Reading, slot: int) -> Reading | None:
        """Return what is read on from a slot: where it is the present end, the place after the lexeme."""
        terminal = self.lexer.states[reading.lexeme].slots[slot].terminal
        if terminal < 0:
            return reading.bases[slot]
        place = self.parser.read(reading.place, terminal, reading.column)
        return None if place is None else self.fresh(place, reading.behind)

    def step(self, reading: Reading, byte: int) -> Reading | None:
        """Return the configuration after a byte, None where lark would stop at an error whatever follows."""
        move = self.lexer.move(reading.lexeme, byte)
        if move.after == DEAD:
            return None
        behind = self.lexer.step_behind(reading.behind, byte)
        column = self.column(reading.column, byte)
        if move.after == DECIDED:
            source = move.sources[0]
            if source < 0:
                place = self.parser.read(reading.place, -1 - source, column)
                return None if place is None else self.fresh(place, behind)
            base = self.base(reading, source)
            return None if base is None else self.step(base, byte)
        bases: list[Reading | None] = []
        for source in move.sources:
            base = None if source < 0 else self.base(reading, source)
            bases.append(None if base is None else self.step(base, byte))
        if not self.is_newline(move.after):
            column = 0
        return Reading(reading.place, move.after, True, tuple(bases), column, behind)

    def accepts(self, reading: Reading) -> bool:
        """Return whether lark accepts what was read."""
        if not reading.begun:
            return self.parser.accepts(reading.place)
        move = self.lexer.end(reading.lexeme)
        if move.after == DEAD:
            return False
        source = move.sources[0]
        if source < 0:
            place = self.parser.read(reading.place, -1 - source, reading.column)
            return place is not None and self.parser.accepts(place)
        base = self.base(reading, source)
        return base is not None and self.accepts(base)

    def run(self, reading: Reading | None, text: bytes) -> Reading | None:
        """Return the configuration after a text."""
        for byte in text:
            if reading is None:
                return None
            reading = self.step(reading, byte)
        return reading
