"""How many bytes a parser's stack needs at least until the text may end: a lower bound for completions.

Each terminal costs its shortest lexeme; what must part two lexemes is not counted. Under an indenter lines
are told apart: the text is within a line, behind a newline, behind a closed block, or ended. So the cost of a
symbol is a matrix (before, behind). D. E. Knuth's generalisation of Dijkstra's algorithm (1977) gives those
of nonterminals, here as a fixpoint of matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.liveness.letters import Letters
from structgen.lark_grammars.reading.loaded_grammar import END

UNREACHABLE: Final = 1 << 40
"""In place of a cost: no text."""
_WITHIN, _LINE, _CLOSED, _ENDED = range(4)
"""Where the text is; without an indenter always the first."""
Costs = npt.NDArray[np.int64]


class SymbolCosts:
    """The least costs of symbols. Cost: 10 to 100 ms, once a grammar."""

    def __init__(self, letters: Letters) -> None:
        self.tables = letters.tables
        lines = self.tables.indentation
        self.nothing: Costs = np.where(np.eye(1 if lines is None else 4, dtype=np.bool_), 0, UNREACHABLE)
        """The matrix of no symbols."""
        self._never = np.full_like(self.nothing, UNREACHABLE)
        self._symbols: dict[int, Costs] = {}
        """Of terminal k >= 0 at k, of nonterminal k at -1 - k."""
        for terminal, size in self._shortest_lexemes(letters).items():
            made = self._symbols[terminal] = self._never.copy()
            made[:_ENDED, _LINE if lines is not None and terminal == lines.newline else _WITHIN] = size
        if lines is not None:
            indent, dedent = self._never.copy(), self._never.copy()
            indent[_LINE, _WITHIN] = 0
            dedent[[_LINE, _CLOSED], _CLOSED] = 0
            dedent[:, _ENDED] = 0  # behind the text, open blocks are closed
            self._symbols |= {lines.indent: indent, lines.dedent: dedent}
        users: dict[int, list[int]] = {}
        for number, rule in enumerate(self.tables.rules):
            for symbol in rule.symbols:
                users.setdefault(symbol, []).append(number)
        pending = dict.fromkeys(range(len(self.tables.rules)))
        while pending:
            number = next(iter(pending))
            del pending[number]
            origin, total = -1 - self.tables.rules[number].origin, self._sum(number, 0)
            known = self._symbols.get(origin, self._never)
            if (total < known).any():
                self._symbols[origin] = np.minimum(total, known)
                pending |= dict.fromkeys(users.get(origin, ()))
        self._rests: dict[tuple[int, int], Costs] = {}
        """The cost of what is left of a rule behind a dot."""

    def _shortest_lexemes(self, letters: Letters) -> dict[int, int]:
        """Return for each terminal that comes the bytes of its shortest lexeme, at least."""
        lexer, rows = letters.lexer, letters.rows
        wanted = {terminal for terminal, _kind in letters.letters} - {END}
        if not lexer.is_local:  # what may come depends on the text before
            return dict.fromkeys(wanted, 1)
        least = {terminal: len(of.shortest(of.start())) for terminal, of in lexer.bound.items()}
        wanted -= least.keys()
        front = {rows.start(context, lexer.nothing) for context in range(rows.contexts)} - {-1}
        met, size = set(front), 0
        while front and wanted:
            for state in sorted(front):
                ended = {terminal for terminal, _carry in lexer.states[state].ends}
                if size:
                    least |= dict.fromkeys(ended & wanted, size)
                    wanted -= ended
                rows.put_row(state)
            front = set(np.unique(rows.moves[sorted(front)]).tolist()) - met - {-1}
            met |= front
            size += 1
        return least

    def rest(self, rule: int, dot: int) -> Costs:
        """Return the least costs of what is behind a place in a rule; remembered."""
        if (rule, dot) not in self._rests:
            self._rests[rule, dot] = self._sum(rule, dot)
        return self._rests[rule, dot]

    def _sum(self, rule: int, dot: int) -> Costs:
        total = self.nothing
        for symbol in self.tables.rules[rule].symbols[dot:]:
            one = self._symbols.get(symbol, self._never)
            total = np.minimum((total[:, :, None] + one).min(axis=1), UNREACHABLE)
        return total


class Distances:
    """The least costs of stacks, remembered by what was reduced above a cell."""

    def __init__(self, costs: SymbolCosts, cells: Callable[[], Any]) -> None:
        """`cells`: a function that returns the cells of the stacks, rows of (state, cell below)."""
        self._costs, self._cells, self._tables = costs, cells, costs.tables
        self._known: dict[tuple[int, int], Costs] = {}
        self._never: Costs = np.full(len(costs.nothing), UNREACHABLE)

    def forget(self) -> None:
        """Forget all: cells have new numbers."""
        self._known.clear()

    def of(self, stack: int) -> int:
        """Return how many bytes a stack needs at least; UNREACHABLE."""
        state = int(self._cells()[stack, 0])
        if state == self._tables.end:
            return 0
        ways = self._ways(state, stack, 0)
        self._settle([to for _cost, to in ways])
        return int(self._least(ways)[_WITHIN])

    def _ways(self, state: int, cell: int, above: int) -> list[tuple[Costs, tuple[int, int]]]:
        """Return what ends each rule that is open in a parser's state, and what is reduced then: a cell, and
        the nonterminal above it. `above`: of the rule's symbols so many stand above the cell."""
        found = []
        for rule, dot in self._tables.kernels[state]:
            under = cell
            for _ in range(dot - above):
                under = int(self._cells()[under, 1])
            found.append((self._costs.rest(rule, dot), (under, self._tables.rules[rule].origin)))
        return found

    def _least(self, ways: list[tuple[Costs, tuple[int, int]]]) -> Costs:
        """Return the costs of the cheapest of some ways, by where the text is."""
        best = self._never
        for rest, to in ways:
            best = np.minimum(best, (rest + self._known[to]).min(axis=1))
        return best

    def _settle(self, pending: list[tuple[int, int]]) -> None:
        """Find the costs where a nonterminal was reduced directly above a cell."""
        known, tables = self._known, self._tables
        ways: dict[tuple[int, int], list[tuple[Costs, tuple[int, int]]]] = {}
        while pending:
            key = pending.pop()
            if key in known:
                continue
            cell, origin = key
            after = int(tables.gotos[int(self._cells()[cell, 0]), origin])
            known[key] = self._never
            if after == tables.end or (after < 0 and tables.nonterminals[origin].startswith("$root_")):
                known[key] = np.zeros_like(self._never)
            elif after >= 0:
                ways[key] = self._ways(after, cell, 1)
                pending += [to for _cost, to in ways[key]]
        # what lies below has a smaller number
        for _cell, group in groupby(sorted(ways), itemgetter(0)):
            keys = list(group)
            while any(self._falls(key, ways[key]) for key in keys):
                pass

    def _falls(self, key: tuple[int, int], ways: list[tuple[Costs, tuple[int, int]]]) -> bool:
        """Take the least of the ways as the cost of a key; return whether it is less than before."""
        least, before = self._least(ways), self._known[key]
        self._known[key] = least
        return bool((least < before).any())
