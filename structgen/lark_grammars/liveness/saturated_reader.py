"""Is a configuration live? The saturation's answer for all that a reader's configuration holds.

A configuration follows several readings: its lexeme may go on, or have ended at a slot, from where the text
was read on; and so on from there. Each reading but the first is right only if the better threads of those
before it die, which is an obligation (`letters`). So a configuration is live if one of its readings leads,
behind its lexeme's end, to a stack that is live with what is owed there.

Where patterns look around, or the indenter's widths and brackets are no function of the parser's stack,
letters without obligations stand for the lexer (`AnyLetters`): what is dead then is dead, and no more is
known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.registers import (
    BEHIND_BREAK,
    BEHIND_LINE,
    BETWEEN,
    FIRST_OWED,
    MOST_BOUNDARIES,
)
from structgen.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.lark_grammars.lexer.regex_instructions import CHAR, MATCH, SPLIT
from structgen.lark_grammars.liveness.balances import Brackets, are_blocks_balanced, usable_rules
from structgen.lark_grammars.liveness.letters import NOTHING, AnyLetters, Letters
from structgen.lark_grammars.liveness.saturation import FREE, LINE, PLAIN, Boundary, LetterSource, Saturation
from structgen.lark_grammars.liveness.shortest_letters import ShortestLetters
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE


class SaturatedReader:
    """The saturation of one reader's grammar. Cost: that of the letters, some milliseconds."""

    def __init__(self, reader: ContextualReader) -> None:
        self._reader, tables = reader, reader.tables
        spelled = {terminal for terminal, size in enumerate(reader.parser.least) if size < UNREACHABLE}
        self._rules = usable_rules(tables, spelled)
        self._brackets = Brackets(tables, self._rules)
        self._is_balanced = self._brackets.is_exact and are_blocks_balanced(tables, self._rules)
        """Whether the stack alone tells what is open of the indenter."""
        self.is_exact = not looks_around(reader.lexer)
        """Whether what is not dead is live."""
        if self.is_exact and tables.indentation is not None:
            self.is_exact = self._is_balanced and self.letters.has_free_lines

    @cached_property
    def letters(self) -> Letters:
        """The letters of the lexer, where no pattern looks around."""
        return Letters(self._reader.lexer)

    @cached_property
    def _saturation(self) -> Saturation:
        if self.is_exact:
            return self._saturated(self.letters, self._brackets)
        tables = self._reader.tables
        return self._saturated(AnyLetters(tables), Brackets(tables, self._rules, follow=False))

    def _saturated(
        self, letters: LetterSource, brackets: Brackets, kinds: Iterable[Boundary] = ()
    ) -> Saturation:
        reader = self._reader
        return Saturation(reader.tables, reader.parser, letters, brackets, self._rules, reader.budget, kinds)

    def certain(self, boundaries: list[int], letters: ShortestLetters) -> npt.NDArray[np.int64]:
        """Return int64[parser states, 2]: the boundaries (`registers`), as bits, from which every stack with
        the state on top leads to the text's end by some letters; the second number where a bracket is open.
        `boundaries`: the obligations that are told apart, to which those that letters leave are appended."""
        if not self._is_balanced:
            return np.zeros((len(self._reader.tables.kernels), 2), np.int64)
        behind = {BEHIND_BREAK: (letters.BREAK, PLAIN), BEHIND_LINE: (letters.BREAK, LINE)}
        if letters.newline == NOTHING:
            behind.clear()
        saturation = self._saturated(letters, self._brackets, behind.values())
        kinds = saturation.kinds
        held = dict(zip(kinds, saturation.certain().astype(np.int64), strict=True))
        # others that letters leave are certain nowhere
        told = (owed for owed, line in kinds if line == PLAIN and owed >= 0 and held[owed, line].any())
        boundaries += [owed for owed in told if owed not in boundaries]
        of_bits = {BETWEEN: FREE} | behind
        of_bits |= {bit: (owed, PLAIN) for bit, owed in enumerate(boundaries, FIRST_OWED)}
        found = np.zeros((len(self._reader.tables.kernels), 2), np.int64)
        for bit, kind in of_bits.items():
            if kind in held and bit < MOST_BOUNDARIES:
                found |= held[kind] << bit
        return found

    def is_live(self, stack: int, owed: int) -> bool:
        """Return whether a stack of the parser leads to the text's end, where the saturation is exact, and an
        obligation is open."""
        return self._saturation.is_live(stack, owed)

    def may_live(self, configuration: ReaderConfiguration) -> bool:
        """Return whether a configuration is live; if the saturation is not exact, whether that is possible.
        Raises LimitError."""
        readings = self._readings(configuration) if self.is_exact else self._may_read(configuration)
        return any(self._saturation.is_live(stack, owed) for stack, owed in readings)

    def may_read(self, configuration: ReaderConfiguration) -> bool:
        """Return whether the parser takes a terminal that the present lexeme may become, in any reading."""
        return next(self._may_read(configuration), None) is not None

    def _readings(self, configuration: ReaderConfiguration) -> Iterator[tuple[int, int]]:
        """Yield the stacks behind the present lexeme, in each of its readings, with what is owed there."""
        letters, owed = self.letters, NOTHING
        one: ReaderConfiguration | None = configuration
        while one is not None:
            if not one.begun:
                yield one.place.stack, letters.reduced(owed)
                return
            yield from self._behind(one, owed, letters)
            # without look-arounds a match cuts all that is worse: there is one slot at most, the last item
            slots = self._reader.lexer.states[one.lexeme].slots
            owed = letters.joined(owed, letters.obligation(one.lexeme))
            if slots and slots[0].terminal >= 0:
                place = self._reader.parser.read(one.place, slots[0].terminal, one.column)
                if place is not None:
                    yield place.stack, letters.reduced(owed)
                return
            one = one.bases[0] if slots else None

    def _behind(self, one: ReaderConfiguration, owed: int, letters: Letters) -> Iterator[tuple[int, int]]:
        """Yield the same for a lexeme that goes on."""
        state, read = letters.threads(one.lexeme), self._reader.parser.read
        if state == NOTHING:
            return
        for terminal in sorted(self._reader.lexer.viable_terminals(state)):
            if terminal == letters.newline and not one.place.brackets:
                deepest = one.place.widths[-1] + 1
                for left, column in letters.columns(state, owed, terminal, one.column, deepest):
                    place = read(one.place, terminal, column)
                    if place is not None:
                        yield place.stack, left
                continue
            place = read(one.place, terminal, -1)
            if place is not None:
                yield from ((place.stack, left) for left in letters.ends(state, owed, terminal))

    def _may_read(self, configuration: ReaderConfiguration) -> Iterator[tuple[int, int]]:
        """Yield the stacks to which each terminal leads that a lexeme may become, in any reading."""
        for one in configuration.branches():
            if not one.begun:
                yield one.place.stack, NOTHING
                continue
            for terminal in self._reader.lexer.possible_terminals(one.lexeme):
                for column in self._columns(one.place, terminal):
                    place = self._reader.parser.read(one.place, terminal, column)
                    if place is not None:
                        yield place.stack, NOTHING

    def _columns(self, place: ParserPlace, terminal: int) -> tuple[int, ...]:
        indentation = self._reader.tables.indentation
        if indentation is None or terminal != indentation.newline or place.brackets:
            return (-1,)
        return *place.widths, place.widths[-1] + 1


def looks_around(lexer: Lexer) -> bool:
    """Return whether some pattern asks for more than its own bytes: look-arounds, `^` and `$`."""
    code, kept = lexer.program.code, lexer.tables.patterns
    if kept is not None:
        kinds = set(kept.code.reshape(-1, 4)[:, 0].tolist())
    else:
        kinds = {code[at].kind for at in range(code.count)}
    return not kinds <= {CHAR, SPLIT, MATCH}
