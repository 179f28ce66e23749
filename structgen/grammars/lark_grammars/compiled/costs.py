"""How many bytes a parser's stack needs at least until the text may end: a lower bound for completions.

Each terminal costs its shortest lexeme; what must part two lexemes is not counted. Under an indenter lines
are told apart: the text is within a line, behind a newline, behind a closed block, or ended. These are the
states of the automaton in the search for rests that text grammars have too (`RestSearch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from structgen.grammars.lark_grammars.liveness.letters import Letters
from structgen.grammars.lark_grammars.reading.loaded_grammar import END
from structgen.grammars.text_grammars.context_free.shortest_rests import AnyWord, Reach, RestSearch
from structgen.grammars.text_grammars.machine.language import Config

UNREACHABLE: Final = 1 << 40
"""In place of a cost: no text."""
_WITHIN, _LINE, _CLOSED, _ENDED = range(4)
"""Where the text is; without an indenter always the first."""


class Distances(RestSearch):
    """The least costs of stacks, remembered: the search for rests, whose automaton is where the text is. A
    stack is the number of a cell and of a nonterminal above it (0: none). Cost: 10 to 100 ms, once a grammar.
    """

    def __init__(self, letters: Letters, cells: Callable[[], Any]) -> None:
        """`cells`: a function that returns the cells of the stacks, rows of (state, cell below)."""
        self._tables, self._cells, self._indentation = letters.tables, cells, letters.tables.indentation
        self._width = len(self._tables.nonterminals) + 1
        terminal_count = 1 + max((max(rule.symbols, default=0) for rule in self._tables.rules), default=0)
        rules = [
            (
                terminal_count + rule.origin,
                [symbol if symbol >= 0 else terminal_count - 1 - symbol for symbol in rule.symbols],
            )
            for rule in self._tables.rules
        ]
        super().__init__(rules, terminal_count, AnyWord())
        self._sizes = self._shortest_lexemes(letters)

    def _shortest_lexemes(self, letters: Letters) -> dict[int, int]:
        """Return for each terminal that comes the bytes of its shortest lexeme, at least."""
        lexer, rows = letters.lexer, letters.rows
        open_terminals = {terminal for terminal, _kind in letters.letters} - {END}
        if not lexer.is_local:  # what may come depends on the text before
            return dict.fromkeys(open_terminals, 1)
        shortest = {
            terminal: len(language.shortest_rest(language.start()))
            for terminal, language in lexer.bound.items()
        }
        open_terminals -= shortest.keys()
        frontier = {rows.start(context, lexer.nothing) for context in range(rows.contexts)} - {-1}
        visited, size = set(frontier), 0
        while frontier and open_terminals:
            for state in sorted(frontier):
                final_terminals = {terminal for terminal, _carry in lexer.states[state].ends}
                if size:
                    shortest |= dict.fromkeys(final_terminals & open_terminals, size)
                    open_terminals -= final_terminals
                rows.put_row(state)
            frontier = set(np.unique(rows.moves[sorted(frontier)]).tolist()) - visited - {-1}
            visited |= frontier
            size += 1
        return shortest

    def forget_costs(self) -> None:
        """Forget all: cells have new numbers."""
        self._rests.clear()

    def min_bytes_of(self, cell: int) -> int:
        """Return how many bytes the stack of a cell needs at least; UNREACHABLE."""
        rest = self._find_rest((cell * self._width, _WITHIN))
        return UNREACHABLE if rest is None else rest.length

    def _read_whole(self, terminal: int, state: Config) -> Reach:
        lines = self._indentation
        if lines is not None and terminal == lines.indent:
            return {_WITHIN: self._empty} if state == _LINE else {}
        if lines is not None and terminal == lines.dedent:  # behind the text, open blocks are closed
            return dict.fromkeys((_CLOSED, _ENDED) if state in (_LINE, _CLOSED) else (_ENDED,), self._empty)
        if terminal not in self._sizes or state == _ENDED:
            return {}
        after = _LINE if lines is not None and terminal == lines.newline else _WITHIN
        return {after: AnyWord(self._empty, bytes(self._sizes[terminal]))}

    def _parser_state_of(self, stack: int) -> int:
        cell, nonterminal = divmod(stack, self._width)
        state = int(self._cells()[cell, 0])
        return int(self._tables.gotos[state, nonterminal - 1]) if nonterminal else state

    def _open_rules(self, stack: int) -> Iterable[tuple[int, int]]:
        state = self._parser_state_of(stack)
        return self._tables.kernels[state] if state >= 0 else ()

    def _reduce_stack(self, stack: int, lhs: int, dot: int) -> Iterable[int]:
        cell, nonterminal = divmod(stack, self._width)
        for _ in range(dot - (nonterminal > 0)):
            cell = int(self._cells()[cell, 1])
        return (cell * self._width + 1 + lhs - self._terminals,)

    def _is_end(self, stack: int, state: Config) -> bool:
        after, nonterminal = self._parser_state_of(stack), stack % self._width
        is_root = nonterminal and self._tables.nonterminals[nonterminal - 1].startswith("$root_")
        return after == self._tables.end or (after < 0 and bool(is_root))

    def _count_steps(self, spent: int = 1) -> None:
        """The tables of the parser bound the work: no steps are counted."""
