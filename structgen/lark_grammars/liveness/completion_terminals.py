"""The terminals of shortest completions, with the newlines and columns that an indenter requires."""

from __future__ import annotations

from typing import Final, TypeAlias

from structgen.lark_grammars.parser.contextual_reader import ContextualReader
from structgen.lark_grammars.parser.lalr_parser import REFUSED, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, Indentation

_LINE_LENGTH: Final = 4
"""The most terminals of a line that is inserted before a DEDENT."""
_MOST_LINES: Final = 20_000
"""The most beginnings of such lines that are tried."""

Wanted: TypeAlias = tuple[int, int]
"""A terminal, and the column at which its lexeme must end; -1: any."""


class CompletionTerminals:
    """The next terminals on the way to an end, for the stacks of one parser."""

    def __init__(self, reader: ContextualReader) -> None:
        self._reader = reader
        self._lines: dict[int, list[int]] = {}
        """By stack, completions that begin with one more line; empty if no short line helps."""

    def all_of(self, stack: int) -> list[int]:
        """Return the terminals of the shortest completion of a stack. If it begins with a DEDENT (which only
        a newline makes) and more must follow, a line is inserted first."""
        return self._with_line(stack, list(self._reader.parser.shortest_completion(stack)))

    def first_of(self, stack: int) -> list[int]:
        """Return the first terminals of `all_of`: one, and the indenter's terminals after it."""
        indentation = self._reader.tables.indentation
        found: list[int] = []
        for terminal in self._reader.parser.shortest_completion(stack):
            found.append(terminal)
            if indentation is None:
                return found
            if len(found) > 1 and terminal not in (indentation.indent, indentation.dedent):
                break
        return self._with_line(stack, found)

    def next_wanted(self, terminals: list[int], number: int, place: ParserPlace) -> tuple[int, Wanted | None]:
        """Return the next terminal with a lexeme, from a number on, and the number after it; None at the end.
        INDENT and DEDENT become the column of the newline before them."""
        indentation = self._reader.tables.indentation
        if number == len(terminals):
            return number, None
        terminal, number = terminals[number], number + 1
        if indentation is None:
            return number, (terminal, -1)
        widths = place.widths
        if terminal == indentation.dedent and all(one == indentation.dedent for one in terminals[number:]):
            return len(terminals), None
        if terminal != indentation.newline:
            return number, (terminal, -1)
        column, depth = widths[-1], len(widths)
        if number < len(terminals) and terminals[number] == indentation.indent:
            return number + 1, (terminal, column + 1)
        while number < len(terminals) and terminals[number] == indentation.dedent and depth > 1:
            number, depth = number + 1, depth - 1
        return number, (terminal, widths[depth - 1])

    def nearest(self, place: ParserPlace) -> list[Wanted]:
        """Return all terminals that the parser takes at a place, the nearest to an end first."""
        parser, tables = self._reader.parser, self._reader.tables
        indentation = tables.indentation
        context = tables.contexts[int(tables.context_of[parser.top[place.stack]])]
        ways: list[tuple[int, int, int]] = []
        for terminal in context.every_terminal - tables.ignored:
            is_newline = indentation is not None and terminal == indentation.newline
            for column in (*place.widths, place.widths[-1] + 1) if is_newline else (-1,):
                after = parser.read(place, terminal, column)
                if after is not None and after != place:
                    ways.append((parser.distance(after.stack), terminal, column))
        return [(terminal, column) for distance, terminal, column in sorted(ways) if distance < UNREACHABLE]

    def _with_line(self, stack: int, terminals: list[int]) -> list[int]:
        """Return the terminals of a completion, or its beginning, after the inserted line."""
        indentation = self._reader.tables.indentation
        if indentation is None or not terminals or terminals[0] != indentation.dedent:
            return terminals
        if all(one == indentation.dedent for one in terminals):
            return terminals
        if stack not in self._lines:
            self._lines[stack] = self._line_before(stack, indentation)
        return self._lines[stack] or terminals

    def _line_before(self, stack: int, indentation: Indentation) -> list[int]:
        """Return the terminals of a line after which a block ends, and of the completion from there."""
        tables, parser = self._reader.tables, self._reader.parser
        pending: list[tuple[int, tuple[int, ...]]] = [(stack, ())]
        for here, line in pending:
            if len(line) >= _LINE_LENGTH or len(pending) > _MOST_LINES:
                break
            ended = parser.feed(here, indentation.newline) if line else REFUSED
            if ended != REFUSED and parser.feed(ended, indentation.dedent) != REFUSED:
                return [*line, indentation.newline, *parser.shortest_completion(ended)]
            context = tables.contexts[int(tables.context_of[parser.top[here]])]
            for terminal in context.terminals:
                after = parser.feed(here, terminal)
                if terminal not in tables.ignored and after != REFUSED:
                    pending.append((after, (*line, terminal)))
        return []
