"""The saturation of `structgen.lark_grammars.liveness.saturation` in plain Python: the same least fixpoint,
made where it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, TypeAlias

from structgen.lark_grammars.liveness.balances import Brackets
from structgen.lark_grammars.liveness.letters import NOTHING
from structgen.lark_grammars.liveness.saturation import LetterSource
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables

_ENDING: Final = -2
"""In place of an obligation: the text has ended, and the open blocks are closed."""
_END_BIT: Final = 1
_LINE, _DEDENTED, _PLAIN = 1, 2, 0
"""What was read before a boundary: a newline; a DEDENT behind a newline; anything else."""

_Ends: TypeAlias = "dict[tuple[int, int], int]"
"""How a run above a cell may end: a nonterminal that is reduced, and how many more cells go; with the
letters that may come next, as bits. (ACCEPTS: the text may end.)"""
_ACCEPTS: Final = (-1, 0)
_Key: TypeAlias = "tuple[int, int, int]"
"""Of a run: a cell; an obligation, or -10 - n for the letter n that is shifted; and _LINE or its like."""


class PlainSaturation:
    """How the parser's runs above a cell may end, in sets and dictionaries."""

    def __init__(
        self,
        tables: ParserTables,
        letters: LetterSource,
        brackets: Brackets,
    ) -> None:
        self._tables, self._letters, self._brackets = tables, letters, brackets
        self._numbers: dict[tuple[int, int], int] = {(END, NOTHING): 0}
        """The letters by terminal and obligation; the first one is the text's end."""
        self._names = [(END, NOTHING)]
        self._boundary_letters: dict[tuple[int, int, bool, int], int] = {}
        self._runs: dict[_Key, _Ends] = {}
        self._users: dict[_Key, set[_Key]] = defaultdict(set)
        self._pending: dict[_Key, None] = {}
        self._steps: dict[int, tuple[int, list[tuple[int, int, int]]]] = {}
        """For each state the letters that are shifted, as bits, and those before which a rule is reduced,
        each with its nonterminal and its size; for the letters that were known."""
        self._known_letters: dict[int, int] = {}

    # --- runs above a cell ----------------------------------------------------------------------------------

    def ends(self, cell: int, owed: int) -> dict[tuple[int, int], set[tuple[int, int]]]:
        """Return how runs may end that begin at a boundary: by nonterminal and how many more cells go (-1, 0:
        the text may end), the letters that may come next."""
        self._value((cell, owed, _PLAIN))
        self._solve()
        found = self._runs[cell, owed, _PLAIN]
        return {end: {self._names[one] for one in _ones(letters)} for end, letters in found.items()}

    def _solve(self) -> None:
        while self._pending:
            key = next(iter(self._pending))
            cell, read, line = key
            if read > -10:
                new = self._run(cell, self._available(cell, read, line), key)
            else:
                terminal, owed = self._names[-10 - read]
                state = int(self._tables.actions[self._brackets.state(cell), terminal]) - 1
                after = self._brackets.after(cell, state)
                above = {} if after < 0 else self._ask((after, owed, self._line(terminal, owed)), key)
                new = self._lowered(cell, above, key)
            known = self._runs.setdefault(key, {})
            is_grown = any(letters & ~known.get(end, 0) for end, letters in new.items())
            if is_grown:
                self._pending |= dict.fromkeys(self._users[key])
                _merge(known, new)
            if not is_grown or key not in self._users[key]:
                del self._pending[key]

    def _value(self, key: _Key) -> _Ends:
        if key not in self._runs:
            self._pending[key] = None
            self._runs[key] = {}
        return self._runs[key]

    def _ask(self, key: _Key, user: _Key | None) -> _Ends:
        if user is not None:
            self._users[key].add(user)
        return self._value(key)

    def _run(self, cell: int, letters: int, user: _Key | None) -> _Ends:
        """Return how a run may end that begins with one of some letters."""
        found: _Ends = {}
        shifts, reductions = self._actions(self._brackets.state(cell))
        for origin, size, before in reductions:
            if letters & before and size:
                _merge(found, {(origin, size - 1): letters & before})
            elif letters & before:
                _merge(found, self._lowered(cell, {(origin, 0): letters & before}, user))
        for letter in _ones(letters & shifts):
            _merge(found, self._ask((cell, -10 - letter, _PLAIN), user))
        return found

    def _lowered(self, cell: int, above: _Ends, user: _Key | None) -> _Ends:
        """Return how the run of a cell may end, given the ends of a run directly above it."""
        found: _Ends = {}
        done: dict[int, int] = defaultdict(int)
        pending: list[tuple[int, int]] = []
        _sort(above, found, pending)
        while pending:
            origin, letters = pending.pop()
            letters &= ~done[origin]
            if not letters:
                continue
            done[origin] |= letters
            state = int(self._tables.gotos[self._brackets.state(cell), origin])
            if state == self._tables.end and letters & _END_BIT:
                found[_ACCEPTS] = _END_BIT
                letters &= ~_END_BIT
            if state >= 0 and letters:
                after = self._brackets.after(cell, state)
                _sort(self._run(after, letters, user), found, pending)
        return found

    def _actions(self, state: int) -> tuple[int, list[tuple[int, int, int]]]:
        if self._known_letters.get(state) != len(self._names):
            shifts, reductions = 0, dict[int, int]()
            row = self._tables.actions[state].tolist()
            for letter, (terminal, _owed) in enumerate(self._names):
                action = row[terminal]
                if action > 0:
                    shifts |= 1 << letter
                elif action < 0:
                    reductions[action] = reductions.get(action, 0) | 1 << letter
            rules = [(self._tables.rules[-1 - action], letters) for action, letters in reductions.items()]
            self._steps[state] = shifts, [(rule.origin, len(rule.symbols), bits) for rule, bits in rules]
            self._known_letters[state] = len(self._names)
        return self._steps[state]

    # --- letters --------------------------------------------------------------------------------------------

    def _letter(self, terminal: int, owed: int) -> int:
        """Return the bit of a letter."""
        key = terminal, owed
        number = self._numbers.get(key)
        if number is None:
            number = len(self._names)
            self._names.append(key)
            self._numbers[key] = number
        return 1 << number

    def _line(self, terminal: int, owed: int) -> int:
        """Return what a terminal is to the boundary behind it."""
        indentation = self._tables.indentation
        if indentation is None or owed == _ENDING:
            return _PLAIN
        return {indentation.newline: _LINE, indentation.dedent: _DEDENTED}.get(terminal, _PLAIN)

    def _available(self, cell: int, owed: int, line: int) -> int:
        """Return the letters that may come between two lexemes, as bits."""
        indentation = self._tables.indentation
        inside, context = (
            self._brackets.is_open(cell),
            int(self._tables.context_of[self._brackets.state(cell)]),
        )
        key = context, owed, inside, line
        known = self._boundary_letters.get(key)
        if known is None:
            ends = owed == _ENDING or self._letters.may_end(context, owed)
            known = _END_BIT if ends else 0
            if owed != _ENDING:
                for terminal, lefts in self._letters.of(context, owed, inside).items():
                    for left in lefts:
                        known |= self._letter(terminal, left)
            if indentation is not None:
                known |= self._letter(indentation.dedent, _ENDING) if ends else 0
                if line != _PLAIN:
                    known |= self._letter(indentation.dedent, owed)
                if line == _LINE:
                    known |= self._letter(indentation.indent, owed)
            self._boundary_letters[key] = known
        return known


def _sort(above: _Ends, found: _Ends, pending: list[tuple[int, int]]) -> None:
    """Take up the ends of a run above a cell: those that reach below it into `found`, the others into
    `pending`."""
    for (origin, below), letters in list(above.items()):
        if (origin, below) == _ACCEPTS:
            found[_ACCEPTS] = _END_BIT
        elif below:
            found[origin, below - 1] = found.get((origin, below - 1), 0) | letters
        else:
            pending.append((origin, letters))


def _ones(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def _merge(found: _Ends, more: _Ends) -> None:
    for end, letters in list(more.items()):
        found[end] = found.get(end, 0) | letters
