"""Terminals that follow each other without a separator, for lexemes that a separator does not end.

After the start of a formatted string, a blank is text. So no separator ends that lexeme; a quote or a brace
does. Such a lexeme is decided by the next terminals of the shortest completions, written directly after it
without separators; a separator follows the last. Such a sequence is called a *tail* here."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from structgen.lark_grammars.lexer.lexemes import DECIDED
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import Parser, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables

_LONGEST: Final = 5
"""The most terminals of one tail."""
_MOST_TAILS: Final = 40
"""The most tails of one terminal that are tried."""
_MOST_VISITED: Final = 2_000
"""The most pairs of a tail and a nonterminal that are visited for one terminal."""

Tail = tuple[tuple[int, int], ...]
"""Pairs of a lexer context and a terminal in it."""


class _Need(NamedTuple):
    """The terminals of a completion."""

    terminals: tuple[int, ...]
    contexts: tuple[int, ...]
    """The lexer context after each of them."""
    origin: int
    """The nonterminal of the completed rule; -1: no more terminals follow in this tail."""


class _Script(Parser):
    """A parser that takes a given list of terminals, and has given states after them."""

    def __init__(self, tables: ParserTables, terminals: list[int], states: list[int]) -> None:
        self.tables, self.top = tables, states
        self._terminals = terminals

    def read(self, place: ParserPlace, terminal: int, column: int) -> ParserPlace | None:
        if terminal in self.tables.ignored:
            return place
        number = place.stack
        wanted = number < len(self._terminals) and self._terminals[number] == terminal
        return ParserPlace(number + 1) if wanted else None


class UnseparatedTerminals:
    """The tails of the terminals of one grammar. Cost: a millisecond for each terminal, and 0.1 ms for each
    tail in each lexeme state in which the terminal may end."""

    def __init__(
        self,
        reader: ContextualReader,
        separator: bytes,
        completion_of: Callable[[int], tuple[int, int, list[int]]],
    ) -> None:
        """`completion_of`: of `ItemCompletions`."""
        self._reader, self._separator, self._completion_of = reader, separator, completion_of
        self._tails: dict[int, list[Tail]] = {}
        self._read: dict[tuple[int, int], list[Tail]] = {}
        self._after: dict[int, list[_Need]] = {}
        self._state_of = {int(context): state for state, context in enumerate(reader.tables.context_of)}
        """A parser state for each lexer context."""

    def of(self, lexeme: int, terminal: int, text: bytes) -> list[Tail]:
        """Return the tails after a terminal that the lexer reads as such, from a lexeme state. `text`: a text
        that ends the lexeme as the terminal."""
        reader = self._reader
        bases = (None,) * len(reader.lexer.states[lexeme].slots)
        begun = reader.configuration(
            ParserPlace(0), lexeme, True, bases, 0, reader.lexer.initial_look_behind()
        )
        ended = self._scripted(terminal, ()).run(begun, text)
        if ended is None:
            return []
        key = ended.lexeme if ended.begun else DECIDED, terminal
        if key not in self._read:
            if terminal not in self._tails:
                self._tails[terminal] = list(self._find(terminal))
            self._read[key] = [
                tail for tail in self._tails[terminal] if self._is_read(begun, terminal, text, tail)
            ]
        return self._read[key]

    def _scripted(self, terminal: int, tail: Tail) -> ContextualReader:
        """Return a reader that takes a terminal and its tail only."""
        states = [self._state_of[context] for context, _terminal in tail]
        terminals = [terminal, *(one for _context, one in tail)]
        tables = self._reader.tables
        return self._reader.with_parser(_Script(tables, terminals, [tables.start, *states, tables.start]))

    def _is_read(self, begun: ReaderConfiguration, terminal: int, text: bytes, tail: Tail) -> bool:
        lexer, reader = self._reader.lexer, self._scripted(terminal, tail)
        words = [
            lexer.shortest_text(lexer.start(context, begun.look_behind), one) or b"" for context, one in tail
        ]
        read = reader.run(begun, b"".join((text, *words, self._separator)))
        last = reader.between_lexemes(ParserPlace(1 + len(tail)), begun.look_behind)
        return read is not None and read == reader.run(last, self._separator)

    def _is_separated(self, context: int, terminal: int) -> bool:
        """Return whether the separator ends a terminal's shortest lexeme in a context."""
        lexer = self._reader.lexer
        start = lexer.start(context, lexer.initial_look_behind())
        text = lexer.shortest_text(start, terminal)
        return bool(text) and lexer.is_separated(start, terminal, text or b"", self._separator[0])

    def _find(self, terminal: int) -> Iterator[Tail]:
        """Yield the tails of a terminal for any stack below it, the shortest first."""
        tables = self._reader.tables
        shifts = tables.actions[:, terminal]
        queue: list[tuple[int, int, Tail, int, int]] = []
        seen = set[tuple[Tail, int, int]]()

        def push(tail: Tail, context: int, need: _Need | None) -> None:
            if need is None or len(tail) + len(need.terminals) > _LONGEST:
                return
            for one, after in zip(need.terminals, need.contexts, strict=True):
                tail, context = (*tail, (context, one)), after
            if (tail, context, need.origin) not in seen:
                seen.add((tail, context, need.origin))
                heapq.heappush(queue, (len(tail), len(seen), tail, context, need.origin))

        for state in sorted({action - 1 for action in shifts[shifts > 0].tolist()}):
            push((), int(tables.context_of[state]), self._needed(state))
        found = set[Tail]()
        while queue and len(found) < _MOST_TAILS and len(seen) < _MOST_VISITED:
            _size, _order, tail, context, origin = heapq.heappop(queue)
            if tail and self._is_separated(*tail[-1]):
                if tail not in found:
                    found.add(tail)
                    yield tail
            elif origin >= 0:
                for need in self._needs_behind(origin):
                    push(tail, context, need)

    def _needs_behind(self, nonterminal: int) -> list[_Need]:
        """Return the completions that may follow a nonterminal."""
        known = self._after.get(nonterminal)
        if known is None:
            after = self._reader.tables.gotos[:, nonterminal]
            needs = [self._needed(state) for state in sorted(set(after[after >= 0].tolist()))]
            known = self._after[nonterminal] = list(dict.fromkeys(one for one in needs if one is not None))
        return known

    def _needed(self, state: int) -> _Need | None:
        """Return the terminals of a state's completion; None if one of them has no lexeme."""
        tables, indentation = self._reader.tables, self._reader.tables.indentation
        lines = () if indentation is None else (indentation.newline, indentation.indent, indentation.dedent)
        rule, dot, terminals = self._completion_of(state)
        stack, contexts = [state], []
        for terminal in terminals[:_LONGEST]:
            if terminal == END or terminal in lines:
                return None
            while (action := int(tables.actions[stack[-1], terminal])) < 0:
                ended = tables.rules[-1 - action]
                if len(ended.symbols) >= len(stack):
                    return None
                del stack[len(stack) - len(ended.symbols) :]
                stack.append(int(tables.gotos[stack[-1], ended.origin]))
            if action == 0:
                return None
            stack.append(action - 1)
            contexts.append(int(tables.context_of[action - 1]))
        origin = -1 if dot == 0 or len(terminals) > _LONGEST else tables.rules[rule].origin
        return _Need(tuple(terminals[:_LONGEST]), tuple(contexts), origin)
