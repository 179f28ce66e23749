"""How many bytes a parser's stack needs at least until the text may end: a lower bound for completions.

Each terminal costs its shortest lexeme, and where it cannot stand right behind what was read before, an
ignored lexeme in between. What was read before is one of a few *debts*: which terminals must be parted from
it. So the cost of a symbol is a matrix (debt before, debt behind). D. E. Knuth's generalisation of
Dijkstra's algorithm (1977) gives those of nonterminals, here as a fixpoint of matrices.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.liveness.letters import UNSETTLED, Letters
from structgen.lark_grammars.reading.loaded_grammar import END

UNREACHABLE: Final = 1 << 40
"""In place of a cost: no text."""
_MOST_DEBTS: Final = 10
"""The debts that are told apart; the others are taken for those that part less."""
Matrix = npt.NDArray[np.int64]


def product(one: Matrix, two: Matrix) -> Matrix:
    """Return the costs of two symbols behind each other."""
    found: Matrix = np.minimum((one[:, :, None] + two[None]).min(axis=1), UNREACHABLE)
    return found


class SymbolCosts:
    """The least costs of symbols. Cost: 10 to 100 ms, once a grammar."""

    def __init__(self, letters: Letters, is_whole: bool = True) -> None:
        """`is_whole`: only the letters come; else other terminals with a pattern may come too."""
        self._others = np.zeros(len(letters.tables.terminals), np.bool_)
        if not is_whole:
            self._others[
                [at for at, one in enumerate(letters.tables.terminals) if one.pattern is not None]
            ] = True
            self._others[[terminal for terminal, _kind in letters.letters]] = False
        self._letters, self._rows, self._tables = letters, letters.rows, letters.tables
        self._lexer = letters.lexer
        self._terminals = len(self._tables.terminals)
        self._ignored = sorted(self._tables.ignored)
        self.least = self._shortest_lexemes()
        """For each terminal the bytes of its shortest lexeme, at least."""
        self._begins = self._first_bytes()
        self._gap = min((int(self.least[one]) for one in self._between()), default=UNREACHABLE)
        self._debt_of: dict[int, int] = {}
        after = self._rows_of_terminals()
        some = Counter(row.tobytes() for row in after.values()).most_common(_MOST_DEBTS - 1)
        free = np.zeros(self._terminals, np.int64)
        self._parted = np.array([free, *(np.frombuffer(row, np.int64) for row, _count in some)])
        """[debts, terminals]: what parting costs; debt 0 parts nothing."""
        self.plain, lines = len(self._parted), self._tables.indentation
        """Debts from here on are those of lines: behind a newline, behind a closed block, at the end."""
        self.debts = self.plain + (0 if lines is None else 3)
        self.symbols = self._symbols(after)
        self._rests: dict[tuple[int, int], Matrix] = {}

    def _between(self) -> list[int]:
        lines = self._tables.indentation
        return self._ignored if lines is None else [*self._ignored, lines.newline]

    def _shortest_lexemes(self) -> npt.NDArray[np.int64]:
        lexer, rows = self._lexer, self._rows
        least: npt.NDArray[np.int64] = np.where(self._others, 1, UNREACHABLE)
        wanted = {terminal for terminal, _kind in self._letters.letters} - {END}
        if not lexer.is_local:
            least[sorted(wanted)] = 1  # what may come depends on the text before
            return least
        starts = {rows.start(context, lexer.nothing) for context in range(rows.contexts)} - {-1}
        front, met, size = np.array(sorted(starts), np.int64), set(starts), 0
        while len(front) and wanted:
            for state in front.tolist():
                for terminal, _carry in lexer.states[state].ends:
                    if size and terminal in wanted:
                        least[terminal] = size
                        wanted.discard(terminal)
                rows.put_row(state)
            after = set(np.unique(rows.moves[front]).tolist()) - met - {-1}
            met |= after
            front, size = np.array(sorted(after), np.int64), size + 1
        return least

    def _first_bytes(self) -> npt.NDArray[np.bool_]:
        """Return for each class of bytes and each terminal whether a lexeme may begin so."""
        lexer, rows, letters = self._lexer, self._rows, self._letters
        found = np.ones((lexer.width, self._terminals), np.bool_)
        if not lexer.is_local:
            return found
        found[:] = self._others
        starts = [rows.start(context, lexer.nothing) for context in range(rows.contexts)]
        first = rows.moves[[one for one in starts if one >= 0]]
        for kind in range(lexer.width):
            for state in np.unique(first[:, kind]).tolist():
                if state >= 0:
                    letter_numbers = letters.classes[letters.class_of(state)]
                    found[kind, [letters.letters[one][0] for one in letter_numbers]] = True
        return found

    def _parting(self, kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Return what it costs to part each terminal from a text that some classes of bytes may follow."""
        found: npt.NDArray[np.int64] = np.where(self._begins[kept].any(axis=0), 0, self._gap)
        return found

    def _rows_of_terminals(self) -> dict[int, npt.NDArray[np.int64]]:
        """Return for each terminal what parting costs behind it, at least."""
        letters, rows = self._letters, self._rows
        kinds: dict[int, set[int]] = {}
        for terminal, kind in letters.letters:
            kinds.setdefault(terminal, set()).add(kind)
        found = {}
        for terminal, some in kinds.items():
            if UNSETTLED in some:
                continue  # what it may leave is not known
            kept = np.zeros(self._lexer.width, np.bool_)
            for kind in some:
                kept |= rows.carry_row(letters.kinds[kind]) != 0
            found[terminal] = self._parting(kept)
        return found

    def _debt(self, row: npt.NDArray[np.int64]) -> int:
        """Return the debt that parts most of those that part no more than a row."""
        fits = (self._parted <= row).all(axis=1)
        return int(np.argmax(np.where(fits, (self._parted > 0).sum(axis=1), -1)))

    def debt_of(self, carry: int) -> int:
        """Return the debt behind a carry."""
        known = self._debt_of.get(carry)
        if known is None:
            known = self._debt_of[carry] = self._debt(self._parting(self._rows.carry_row(carry) != 0))
        return known

    def _symbols(self, after: dict[int, npt.NDArray[np.int64]]) -> dict[int, Matrix]:
        """Return the matrices of symbols: k >= 0 the terminal k, -1 - k the nonterminal k."""
        debts, plain, lines = self.debts, self.plain, self._tables.indentation
        never = np.full((debts, debts), UNREACHABLE, np.int64)
        found = {}
        for terminal in range(1, self._terminals):
            made = found[terminal] = never.copy()
            behind = self._debt(after[terminal]) if terminal in after else 0
            if lines is not None and terminal == lines.newline:
                behind = plain
            made[:plain, behind] = np.minimum(self.least[terminal] + self._parted[:, terminal], UNREACHABLE)
            made[plain : plain + 2, behind] = self.least[terminal]
        if lines is not None:
            line, closed, ending = range(plain, plain + 3)
            found[lines.indent], found[lines.dedent] = never.copy(), never.copy()
            found[lines.indent][line, 0] = 0
            found[lines.dedent][[line, closed], closed] = 0
            found[lines.dedent][:, ending] = 0  # the text has ended, and open blocks are closed
        found |= {-1 - number: never for number in range(len(self._tables.nonterminals))}
        users: dict[int, list[int]] = {}
        for number, rule in enumerate(self._tables.rules):
            for symbol in rule.symbols:
                users.setdefault(symbol, []).append(number)
        pending = dict.fromkeys(range(len(self._tables.rules)))
        while pending:
            rule = self._tables.rules[next(iter(pending))]
            del pending[next(iter(pending))]
            total = self._nothing()
            for symbol in rule.symbols:
                total = product(total, found[symbol])
            origin = -1 - rule.origin
            if (total < found[origin]).any():
                found[origin] = np.minimum(total, found[origin])
                pending |= dict.fromkeys(users.get(origin, ()))
        return found

    def _nothing(self) -> Matrix:
        found: Matrix = np.where(np.eye(self.debts, dtype=np.bool_), 0, UNREACHABLE)
        return found

    def rest(self, rule: int, dot: int) -> Matrix:
        """Return the cost of what is left of a rule."""
        if (rule, dot) not in self._rests:
            symbols, total = self._tables.rules[rule].symbols, self._nothing()
            self._rests[rule, len(symbols)] = total
            for at in range(len(symbols) - 1, -1, -1):
                total = self._rests[rule, at] = product(self.symbols[symbols[at]], total)
        return self._rests[rule, dot]


class Distances:
    """The least costs of stacks, remembered by what was reduced above a cell."""

    def __init__(self, costs: SymbolCosts, cells: Any) -> None:
        """`cells`: a function that returns the cells of the stacks, rows of (state, cell below)."""
        self._costs, self._cells, self._tables = costs, cells, costs._tables
        self._known: dict[tuple[int, int], npt.NDArray[np.int64]] = {}
        self._zero = np.zeros(costs.debts, np.int64)

    def forget(self) -> None:
        """Forget all: cells have new numbers."""
        self._known.clear()

    def of(self, stack: int, debt: int) -> int:
        """Return how many bytes a stack needs at least behind a debt; UNREACHABLE."""
        cells, tables = self._cells(), self._tables
        state, best = int(cells[stack, 0]), UNREACHABLE
        if state == tables.end:
            return 0
        for rule, dot in tables.kernels[state]:
            base = stack
            for _ in range(dot):
                base = int(cells[base, 1])
            left = self._costs.rest(rule, dot)[debt] + self._behind(cells, base, tables.rules[rule].origin)
            best = min(best, int(left.min()))
        return best

    def _behind(self, cells: Any, base: int, origin: int) -> npt.NDArray[np.int64]:
        """Return for each debt the cost where a nonterminal was reduced directly above a cell."""
        known, tables = self._known, self._tables
        ways: dict[tuple[int, int], list[tuple[Matrix, tuple[int, int]]]] = {}
        pending = [(base, origin)]
        while pending:
            key = pending.pop()
            if key in known or key in ways:
                continue
            at, of = key
            after = int(tables.gotos[int(cells[at, 0]), of])
            if after < 0 or after == tables.end:
                is_end = after == tables.end or tables.nonterminals[of].startswith("$root_")
                known[key] = self._zero + (0 if is_end else UNREACHABLE)
                continue
            found = []
            for rule, dot in tables.kernels[after]:
                under = at
                for _ in range(dot - 1):
                    under = int(cells[under, 1])
                found.append((self._costs.rest(rule, dot), (under, tables.rules[rule].origin)))
            ways[key] = found
            pending += [to for _rest, to in found]
        # what lies below has a smaller number
        by_cell: dict[int, list[tuple[int, int]]] = {}
        for key in ways:
            known[key] = self._zero + UNREACHABLE
            by_cell.setdefault(key[0], []).append(key)
        for _cell, keys in sorted(by_cell.items()):
            is_changed = True
            while is_changed:
                is_changed = False
                for key in keys:
                    some = [(rest + known[to]).min(axis=1) for rest, to in ways[key]]
                    least = np.minimum(np.min(some, axis=0), UNREACHABLE)
                    if (least < known[key]).any():
                        known[key], is_changed = least, True
        return known[base, origin]
