"""What may stand right behind a terminal whose end no separator makes sure of, up to where one does.

What begins a formatted string ends before a quote or a brace, and a blank behind it is text. So that a text
goes on is shown with the terminals that the plans behind it need, written without a separator between them,
and one behind the last.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from structgen.lark_grammars.lexer.lexemes import DECIDED
from structgen.lark_grammars.parser.contextual_reader import ContextualReader, ReaderConfiguration
from structgen.lark_grammars.parser.lalr_parser import Parser, ParserPlace
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables

_LONGEST: Final = 5
"""Terminals of a tail."""
_MANY: Final = 40
"""UnseparatedTerminals of a terminal that are tried."""
_STEPS: Final = 2_000
"""Nonterminals that are gone through for them, each behind a tail."""

Tail = tuple[tuple[int, int], ...]
"""Terminals, each with the context in which the lexer finds it."""


class _Need(NamedTuple):
    """What is needed up to the end of a rule."""

    terminals: tuple[int, ...]
    contexts: tuple[int, ...]
    """The lexer's behind each of them."""
    origin: int
    """The nonterminal that the rule makes, -1: what is around it is of no use."""


class _Script(Parser):
    """A parser that takes some terminals, one after the other, and comes to given states."""

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
    tail in each state of a lexeme in which the terminal may end."""

    def __init__(
        self, reader: ContextualReader, separator: bytes, plan_of: Callable[[int], tuple[int, int, list[int]]]
    ) -> None:
        """`plan_of`: of `ContextualLanguage`, without LAST_RULE."""
        self._reader, self._separator, self._plan_of = reader, separator, plan_of
        self._tails: dict[int, list[Tail]] = {}
        self._read: dict[tuple[int, int], list[Tail]] = {}
        self._after: dict[int, list[_Need]] = {}
        self._state_of = {int(context): state for state, context in enumerate(reader.tables.context_of)}
        """A state of the parser for each context."""

    def of(self, lexeme: int, terminal: int, word: bytes) -> list[Tail]:
        """Return the tails behind a terminal that are read as such from a lexeme state on, where a text makes
        it the terminal's and a separator follows the tail."""
        reader = self._reader
        bases = (None,) * len(reader.lexer.states[lexeme].slots)
        begun = reader.configuration(
            ParserPlace(0), lexeme, True, bases, 0, reader.lexer.initial_look_behind()
        )
        ended = self._scripted(terminal, ()).run(begun, word)
        if ended is None:
            return []
        key = ended.lexeme if ended.begun else DECIDED, terminal
        if key not in self._read:
            if terminal not in self._tails:
                self._tails[terminal] = list(self._find(terminal))
            self._read[key] = [
                tail for tail in self._tails[terminal] if self._is_read(begun, terminal, word, tail)
            ]
        return self._read[key]

    def _scripted(self, terminal: int, tail: Tail) -> ContextualReader:
        """Return a reader to which a terminal and its tail may come, and nothing else."""
        states = [self._state_of[context] for context, _terminal in tail]
        terminals = [terminal, *(one for _context, one in tail)]
        tables = self._reader.tables
        return self._reader.with_parser(_Script(tables, terminals, [tables.start, *states, tables.start]))

    def _is_read(self, begun: ReaderConfiguration, terminal: int, word: bytes, tail: Tail) -> bool:
        lexer, reader = self._reader.lexer, self._scripted(terminal, tail)
        words = [
            lexer.shortest_text(lexer.start(context, begun.look_behind), one) or b"" for context, one in tail
        ]
        read = reader.run(begun, b"".join((word, *words, self._separator)))
        last = reader.between_lexemes(ParserPlace(1 + len(tail)), begun.look_behind)
        return read is not None and read == reader.run(last, self._separator)

    def _is_parted(self, context: int, terminal: int) -> bool:
        """Return whether the separator makes sure of a terminal's shortest lexeme in a context."""
        lexer = self._reader.lexer
        start = lexer.start(context, lexer.initial_look_behind())
        word = lexer.shortest_text(start, terminal)
        return bool(word) and lexer.is_separated(start, terminal, word or b"", self._separator[0])

    def _find(self, terminal: int) -> Iterator[Tail]:
        """Yield what the plans behind a terminal begin with, whatever lies below it, the shortest first."""
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
        while queue and len(found) < _MANY and len(seen) < _STEPS:
            _size, _order, tail, context, origin = heapq.heappop(queue)
            if tail and self._is_parted(*tail[-1]):
                if tail not in found:
                    found.add(tail)
                    yield tail
            elif origin >= 0:
                for need in self._behind(origin):
                    push(tail, context, need)

    def _behind(self, nonterminal: int) -> list[_Need]:
        """Return what may be needed behind a nonterminal."""
        known = self._after.get(nonterminal)
        if known is None:
            after = self._reader.tables.gotos[:, nonterminal]
            needs = [self._needed(state) for state in sorted(set(after[after >= 0].tolist()))]
            known = self._after[nonterminal] = list(dict.fromkeys(one for one in needs if one is not None))
        return known

    def _needed(self, state: int) -> _Need | None:
        """Return what the plan of a state needs; None where that are no lexemes."""
        tables, indentation = self._reader.tables, self._reader.tables.indentation
        lines = () if indentation is None else (indentation.newline, indentation.indent, indentation.dedent)
        rule, dot, terminals = self._plan_of(state)
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
