"""A proof that no text goes on from a configuration, where the stacks that lead on have no end.

All configurations after one are followed with stacks that keep their topmost states alone, so that there are
finitely many. Where those never reduce by what was forgotten, and none accepts, none of the real ones does:
what lies on top can never be completed. Where they do, nothing is known.
"""

from __future__ import annotations

from typing import Final

from structgen.parsing.contextual import ContextualReader, Reading
from structgen.parsing.lexer import Lexer
from structgen.parsing.parser import REFUSED, Parser, Place
from structgen.parsing.tables import ParserTables

_HEIGHTS: Final = (4, 12)
"""States that a stack keeps, the fewest first."""
_FORGOTTEN: Final = -2
"""On top of what was forgotten of a stack."""


class _Below(Exception):
    """A reduction asks for what was forgotten."""


class _ShallowParser(Parser):
    """Stacks of `most` states at most; below them lies what was forgotten."""

    def __init__(self, tables: ParserTables, lexer: Lexer, most: int) -> None:
        super().__init__(tables, lexer.least())
        self._most = most
        self._heights = [1]
        self._bottom = super().push(REFUSED, _FORGOTTEN)
        self._heights.append(0)

    def push(self, stack: int, state: int) -> int:
        if self._heights[stack] >= self._most:
            kept: list[int] = []
            for _ in range(self._most - 1):
                kept.append(self.top[stack])
                stack = self.below[stack]
            stack = self._bottom
            for one in reversed(kept):
                stack = self.push(stack, one)
        found = super().push(stack, state)
        if found == len(self._heights):
            self._heights.append(self._heights[stack] + 1)
        return found

    def pop(self, stack: int, count: int) -> int:
        for _ in range(count):
            stack = self.below[stack]
            if stack == self._bottom:
                raise _Below
        return stack


def is_surely_dead(reader: ContextualReader, reading: Reading, alphabet: list[int], steps: int) -> bool:
    """Return whether it is proved that no text completes a configuration. `alphabet`: a byte of each class;
    `steps`: bytes that are tried at most, for each height of stacks."""
    for most in _HEIGHTS:
        parser = _ShallowParser(reader.tables, reader.lexer, most)
        shallow = reader.with_parser(parser)
        try:
            if _closed(shallow, _moved(shallow, reading, reader.parser, parser), alphabet, steps):
                return True
        except _Below:
            continue
    return False


def _closed(reader: ContextualReader, reading: Reading, alphabet: list[int], steps: int) -> bool:
    """Return whether all that comes after a configuration was gone through, and none accepts."""
    pending, seen = [reading], {reading}
    while pending:
        here = pending.pop()
        if reader.accepts(here):
            return False
        for byte in alphabet:
            steps -= 1
            after = reader.step(here, byte)
            if after is not None and after not in seen:
                seen.add(after)
                pending.append(after)
        if steps < 0:
            return False
    return True


def _moved(reader: ContextualReader, reading: Reading, parser: Parser, other: _ShallowParser) -> Reading:
    """Return a configuration over the stacks of another parser."""

    def moved(one: Reading) -> tuple[Place, int]:
        states: list[int] = []
        stack = one.place.stack
        while stack != REFUSED:
            states.append(parser.top[stack])
            stack = parser.below[stack]
        stack = 0  # the start lies under all stacks
        for state in reversed(states[:-1]):
            stack = other.push(stack, state)
        return Place(stack, one.place.widths, one.place.brackets), one.column

    return reader.mapped(reading, moved)
