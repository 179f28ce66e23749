"""Computes a lower bound of the bytes that a parser's stack needs until the text may end.

Each terminal costs the bytes of its shortest lexeme; blanks that must separate two lexemes are not counted.
For `[1,` in a grammar of JSON the bound is 2: a digit and `]`. Under an indenter the bound depends on where
the text is: within a line, after a newline, after a closed block, or ended. These four are the states of the
automaton in the search for shortest rests, which is shared with text grammars (`RestSearch`).
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
"""Stands for a cost where no text leads to the end."""
_WITHIN, _LINE, _CLOSED, _ENDED = range(4)
"""Where the text is: in a line, after a newline, after a closed block, ended. Without an indenter it is
always the first."""


class Distances(RestSearch):
    """The least costs of stacks, remembered: the search for rests, whose automaton is where the text is. A
    stack is the number of a cell and of a nonterminal above it (0: none). Cost: 10 to 100 ms, once a grammar.
    """

    def __init__(self, letters: Letters, cells: Callable[[], Any]) -> None:
        """`cells`: a function that returns the cells of the stacks, rows of (state, cell below)."""
        self._tables = letters.tables
        self._indentation = letters.tables.indentation
        self._cells = cells
        self._width = len(self._tables.nonterminals) + 1
        highest_symbols = (max(rule.symbols, default=0) for rule in self._tables.rules)
        terminal_count = 1 + max(highest_symbols, default=0)

        # The search numbers nonterminals after the terminals; lark's tables have -1 - number.
        def renumber_symbol(symbol: int) -> int:
            return symbol if symbol >= 0 else terminal_count - 1 - symbol

        rules = [
            (terminal_count + rule.origin, [*map(renumber_symbol, rule.symbols)])
            for rule in self._tables.rules
        ]
        super().__init__(rules, terminal_count, AnyWord())
        self._sizes = self._shortest_lexemes(letters)

    def _shortest_lexemes(self, letters: Letters) -> dict[int, int]:
        """Return for each terminal that may occur a lower bound of the bytes of its shortest lexeme."""
        lexer, rows = letters.lexer, letters.rows
        open_terminals = {terminal for terminal, _kind in letters.letters} - {END}
        if not lexer.is_local:  # what may come depends on the text before
            return dict.fromkeys(open_terminals, 1)
        shortest = {
            terminal: len(language.shortest_rest(language.start()))
            for terminal, language in lexer.bound.items()
        }
        open_terminals -= shortest.keys()
        # All lexemes of `size` bytes are read at once, from the beginnings of all contexts.
        starts = (rows.start(context, lexer.nothing) for context in range(rows.contexts))
        frontier = set(starts) - {-1}
        visited = set(frontier)
        size = 0
        while frontier and open_terminals:
            for state in sorted(frontier):
                final_terminals = {terminal for terminal, _carry in lexer.states[state].ends}
                if size:
                    shortest |= dict.fromkeys(final_terminals & open_terminals, size)
                    open_terminals -= final_terminals
                rows.put_row(state)
            moves = rows.moves[sorted(frontier)]
            next_states = set(np.unique(moves).tolist())
            frontier = next_states - visited - {-1}
            visited |= frontier
            size += 1
        return shortest

    def forget_costs(self) -> None:
        """Forget all costs, because cells have got new numbers."""
        self._rests.clear()

    def min_bytes_of(self, cell: int) -> int:
        """Return the least number of bytes that the stack of a cell needs; UNREACHABLE where no text ends
        it."""
        rest = self._find_rest((cell * self._width, _WITHIN))
        return UNREACHABLE if rest is None else rest.length

    def _read_whole(self, terminal: int, state: Config) -> Reach:
        indentation = self._indentation
        if indentation is not None and terminal == indentation.indent:
            return {_WITHIN: self._empty} if state == _LINE else {}
        if indentation is not None and terminal == indentation.dedent:
            # After the text, open blocks are closed; within it, blocks are closed after a newline alone.
            next_states = (_CLOSED, _ENDED) if state in (_LINE, _CLOSED) else (_ENDED,)
            return dict.fromkeys(next_states, self._empty)
        if terminal not in self._sizes or state == _ENDED:
            return {}
        is_newline = indentation is not None and terminal == indentation.newline
        lexeme = AnyWord(self._empty, bytes(self._sizes[terminal]))
        return {_LINE if is_newline else _WITHIN: lexeme}

    def _parser_state_of(self, stack: int) -> int:
        """Return the state of the parser on top of a stack; below 0 where the table has none."""
        cell, nonterminal = divmod(stack, self._width)
        state = int(self._cells()[cell, 0])
        return int(self._tables.gotos[state, nonterminal - 1]) if nonterminal else state

    def _open_rules(self, stack: int) -> Iterable[tuple[int, int]]:
        state = self._parser_state_of(stack)
        return self._tables.kernels[state] if state >= 0 else ()

    def _reduce_stack(self, stack: int, lhs: int, dot: int) -> Iterable[int]:
        cell, nonterminal = divmod(stack, self._width)
        # The nonterminal above the cells is one of the `dot` entries that go.
        for _ in range(dot - (nonterminal > 0)):
            cell = int(self._cells()[cell, 1])
        new_nonterminal = 1 + lhs - self._terminals
        return (cell * self._width + new_nonterminal,)

    def _is_end(self, stack: int, state: Config) -> bool:
        parser_state = self._parser_state_of(stack)
        nonterminal = stack % self._width
        # lark's root symbol has no entry in the table: after it the text is whole.
        is_root = nonterminal and self._tables.nonterminals[nonterminal - 1].startswith("$root_")
        return parser_state == self._tables.end or (parser_state < 0 and bool(is_root))

    def _count_steps(self, spent: int = 1) -> None:
        """The tables of the parser bound the work: no steps are counted."""
