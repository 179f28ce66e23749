"""Does some text go on? The saturation of one grammar (`saturation`), its certain boundaries, and exact
answers.

A boundary is a kind of carry with a *line*: PLAIN; LINE, behind the indenter's newline, where blocks open
or close; DEDENTED, behind a closed block, where more close; ENDING, where the text has ended and the open
blocks are closed. A newline may be of any width; where it cannot go on to each, or not even has each, a
completion is searched for (`compiled.lark_completions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.liveness.cells import cells_of, usable_rules
from structgen.grammars.lark_grammars.liveness.letters import UNSETTLED, Letters, ones
from structgen.grammars.lark_grammars.liveness.saturation import (
    TOO_MUCH,
    certain,
    make_cells,
    reaches,
    saturate,
)
from structgen.grammars.lark_grammars.reading.loaded_grammar import END, ParserTables

PLAIN, LINE, DEDENTED, ENDING = range(4)
"""What was read before a boundary."""
_WORK_PER_STEP: Final = 2_000
"""A step (10 us) is so many letters and slots of compiled code."""
_MOST_CHOICES: Final = 1 << 18
"""Nodes that the search for certain boundaries makes at most; the others are asked one by one."""


class Solved(NamedTuple):
    """A fixpoint."""

    values: bytes | npt.NDArray[np.uint64]
    accepts: bytes | npt.NDArray[np.uint8]
    certain: npt.NDArray[np.uint8]


class Liveness:
    """What is certain, and exact answers, for one grammar."""

    def __init__(
        self, tables: ParserTables, letters: Letters, limits: Limits, solved: Solved | None = None
    ) -> None:
        """`solved`: in another process. Cost: 5 to 500 ms, with it a fifth. Raises LimitError
        (oracle_steps)."""
        self._tables, self._letters, self._limits = tables, letters, limits
        kinds, indentation = len(letters.kinds), tables.indentation
        self._kinds, self._known_letters = kinds, (1 << letters.made) - 1
        newline = -1 if indentation is None else indentation.newline
        self._newline = newline
        made = self._bounded()[: letters.made]
        self._indents, self._dedents, self._last_dedent = dict[int, int](), dict[int, int](), 0
        self.boundaries = kinds
        if indentation is not None:
            self.boundaries = ENDING * kinds + 1
            lines = (one for one in ones(letters.noted) if letters.letters[one][0] == newline)
            for kind in sorted({letters.letters[one][1] for one in lines}):
                self._indents[kind], self._dedents[kind] = len(made), len(made) + 1
                made += [(indentation.indent, kind), (indentation.dedent, DEDENTED * kinds + kind)]
            self._last_dedent = len(made)
            made.append((indentation.dedent, ENDING * kinds))
        self._terminal = np.array([terminal for terminal, _boundary in made], np.int32)
        self._boundary = np.array([boundary for _terminal, boundary in made], np.int32)
        self._words = (len(made) + 63) // 64
        alike, first = alike_terminals(tables), dict[tuple[int, int, bool], int]()
        self._first_alike = [
            first.setdefault((alike[terminal], boundary, bool(letters.noted >> one & 1)), one)
            for one, (terminal, boundary) in enumerate(made)
        ]
        """For each letter the first one that the parser treats alike: the fixpoint is over these."""
        self._others = sum(1 << one for one, of in enumerate(self._first_alike) if of != one)
        self._put_parser()
        self._solve(self._variables(), solved)
        shape = len(tables.actions), self.boundaries, 2
        self.certain = self._find_certain() if solved is None else solved.certain.reshape(shape)
        if not self.is_exact:
            self.certain[:] = 0
        """uint8[states, boundaries, 2]: whether every stack with the state on top leads to the text's end;
        the second number where a bracket is open."""
        self.solved = Solved(self._values, self._accepts, self.certain)

    def _bounded(self) -> list[tuple[int, int]]:
        """Return the letters as terminals, each with the boundary behind it."""
        lines = LINE * self._kinds
        return [(one, lines + kind if one == self._newline else kind) for one, kind in self._letters.letters]

    @property
    def boundary(self) -> npt.NDArray[np.int32]:
        """For each letter the boundary behind it."""
        return np.array([boundary for _terminal, boundary in self._bounded()], np.int32)

    # --- the fixpoint ---------------------------------------------------------------------------------------

    def _put_parser(self) -> None:
        tables = self._tables
        actions, gotos = tables.actions.astype(np.int32), tables.gotos.astype(np.int32)
        rules = usable_rules(tables, {END, *self._terminal.tolist()})
        used = {symbol for rule in rules for symbol in rule.symbols} | {-1 - rule.origin for rule in rules}
        actions[:, [one for one in range(1, actions.shape[1]) if one not in used]] = 0
        gotos[:, [one for one in range(gotos.shape[1]) if -1 - one not in used]] = -1
        self.actions, self.gotos = actions, gotos
        """The parser's tables without the symbols of which no whole text has one: what is certain holds for
        stacks of the others."""
        self._cells = cells_of(tables, rules)
        modes = self._cells.modes
        found, self._below, self._below_at = make_cells(
            actions, gotos, tables.start, self._cells.steps, modes
        )
        cell_at = np.full(len(actions) * modes, -1, np.int32)
        cell_at[found] = np.arange(len(found))
        self._cell_state, self._cell_mode = found // modes, found % modes
        self._cell_at = cell_at.reshape(-1, modes)
        slots = [
            sorted({(dot - 1, tables.rules[rule].origin) for rule, dot in kernel if dot})
            for kernel in tables.kernels
        ]
        flat = [slot for some in slots for slot in some]
        self._slot_at = np.cumsum([0, *(len(some) for some in slots)]).astype(np.int32)
        self._parser = (
            actions,
            gotos,
            np.array([rule.origin for rule in tables.rules], np.int32),
            np.array([len(rule.symbols) for rule in tables.rules], np.int32),
            tables.end,
            self._cell_state,
            self._cell_mode,
            self._cell_at,
            self._cells.steps,
            self._slot_at,
            np.array([origin for _below, origin in flat] or [0], np.int32),
            np.array([below for below, _origin in flat] or [0], np.int32),
            self._terminal,
            self._boundary,
        )

    def _variables(self) -> npt.NDArray[np.int32]:
        """Return the variables of the fixpoint: the cell, and its letter or the row of its boundary."""
        actions, sizes, state = self._parser[0], self._parser[3], self._cell_state
        by_letter = actions[:, self._terminal]
        is_empty = (by_letter < 0) & (sizes[np.maximum(-1 - by_letter, 0)] == 0)
        are_first = np.array(self._first_alike) == np.arange(len(self._terminal))
        cells, letters = np.nonzero((((by_letter > 0) | is_empty) & are_first)[state])
        self._letter_variable = np.full((len(state), len(self._terminal)), -1, np.int32)
        self._letter_variable[cells, letters] = np.arange(len(cells))
        ends = self._boundaries(by_letter)
        at_cells, boundaries = np.nonzero(ends[state])
        self._boundary_variable = np.full((len(state), self.boundaries), -1, np.int32)
        self._boundary_variable[at_cells, boundaries] = len(cells) + np.arange(len(at_cells))
        rows, numbers = [0], dict[tuple[int, int, bool], int]()
        contexts = self._tables.context_of
        of_boundary = []
        for cell, boundary in zip(at_cells.tolist(), boundaries.tolist(), strict=True):
            key = int(contexts[state[cell]]), boundary, bool(self._cell_mode[cell])
            if key not in numbers:
                numbers[key] = len(rows)
                rows.append(self._letters_at(key[0], *divmod(boundary, self._kinds), key[2]))
            of_boundary.append(numbers[key])
        self._available = self._as_rows(rows)
        self._boundary_cells, self._boundary_numbers = at_cells.astype(np.int32), boundaries
        self._boundary_rows = np.array(of_boundary, np.int32)
        variables = np.full((len(cells) + len(at_cells), 3), -1, np.int32)
        variables[: len(cells), 0], variables[: len(cells), 1] = cells, letters
        variables[len(cells) :, 0], variables[len(cells) :, 2] = at_cells, self._boundary_rows
        return variables

    def _solve(self, variables: npt.NDArray[np.int32], solved: Solved | None) -> None:
        state = self._cell_state
        slots = np.diff(self._slot_at)[state[variables[:, 0]]]
        self._value_at = np.cumsum(slots) - slots
        if solved is not None:
            self._values = np.frombuffer(solved.values, np.uint64).reshape(-1, self._words).copy()
            self._accepts = np.frombuffer(solved.accepts, np.uint8).copy()
            return
        self._values = np.zeros((int(slots.sum()), self._words), np.uint64)
        self._accepts = np.zeros(len(variables), np.uint8)
        most = self._limits.oracle_steps * _WORK_PER_STEP
        fixed = self._available, self._value_at, self._values, self._accepts, most
        work = saturate(self._parser, self._letter_variable, self._boundary_variable, variables, *fixed)
        if work == TOO_MUCH:
            raise self._too_much()

    def _boundaries(self, by_letter: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which boundaries each state may have."""
        tables = self._tables
        found = np.zeros((len(tables.actions), self.boundaries), np.bool_)
        noted = [
            one >= self._letters.made or bool(self._letters.noted >> one & 1)
            for one in range(len(self._terminal))
        ]
        where = (by_letter > 0) & np.array(noted)
        found[by_letter[where] - 1, np.broadcast_to(self._boundary, where.shape)[where]] = True
        found[tables.start, self._letters.first_kind] = True
        found[:, 0] = True
        return found

    def _letters_at(self, context: int, line: int, kind: int, inside: bool) -> int:
        """Return the letters that may come at a boundary, as bits."""
        if kind == UNSETTLED:
            return 0
        if line == ENDING:
            return 1 | 1 << self._last_dedent
        found = self._letters.available(context, kind, inside) & self._known_letters
        if self._newline >= 0:
            found |= 1 << self._last_dedent if found & 1 else 0
            found |= 1 << self._dedents[kind] if line != PLAIN else 0
            found |= 1 << self._indents[kind] if line == LINE else 0
        return found

    def _as_rows(self, bits: Sequence[int]) -> npt.NDArray[np.uint64]:
        size, made = 8 * self._words, []
        for row in bits:
            firsts = {self._first_alike[one] for one in ones(row & self._others)}
            made.append(row & ~self._others | sum(1 << one for one in firsts if not row >> one & 1))
        joined = b"".join(one.to_bytes(size, "little") for one in made)
        return np.frombuffer(joined, np.uint64).reshape(-1, self._words).copy()

    def _find_certain(self) -> npt.NDArray[np.uint8]:
        rows = np.ascontiguousarray(self._available[self._boundary_rows])
        sure = certain(
            self._parser, self._letter_variable, self._value_at, self._values, self._accepts,
            self._below, self._below_at, self._boundary_cells, rows, _MOST_CHOICES,
        )  # fmt: skip
        found = np.zeros((len(self._tables.actions), self.boundaries, 2), np.uint8)
        where = (
            self._cell_state[self._boundary_cells],
            self._boundary_numbers,
            (self._cell_mode[self._boundary_cells] > 0).astype(np.int64),
        )
        found[where] = 1
        refuted = sure == 0
        found[tuple(one[refuted] for one in where)] = 0
        return found

    def _too_much(self) -> LimitError:
        return LimitError(
            "Which texts of the grammar go on was not found out in time.",
            limit="oracle_steps",
            where="grammar",
            cure="Make the grammar smaller; or raise it with limits=sg.Limits(oracle_steps=...).",
        )

    @property
    def is_exact(self) -> bool:
        """Whether letters tell what goes on: the parser's stack how many brackets and blocks are open, and a
        newline may be of any width."""
        return self._cells.is_exact and self._letters.tell_lines

    # --- exact answers --------------------------------------------------------------------------------------

    def reaches_end(self, states: Sequence[int], inside: bool, some: Sequence[int]) -> bool | None:
        """Return whether some text goes on from a stack (states, the bottom first) where one of some letters
        is read; None: letters do not tell. `inside`: a bracket is open."""
        letters, bits = self._letters, 0
        for one in some:
            bits |= 1 << one
            terminal, kind = letters.letters[one]
            if letters.keeps_column and not inside and terminal == self._newline:
                return None
            if terminal in self._tables.ignored or (inside and terminal == self._newline):
                self._put_certain(states[-1], kind, inside)
        lives, is_sure = self._reached(states, inside, bits)
        return lives if self.is_exact and (lives or is_sure) else None

    def tells(self, states: Sequence[int], inside: bool, lexeme: int) -> bool | None:
        """Return whether some text goes on before a lexeme, in a state of the lexer; None: letters do not
        tell."""
        if not self._cells.is_exact:
            return None
        found = self._letters.letters_in(int(self._tables.context_of[states[-1]]), inside, lexeme)
        lives, is_sure = self._reached(states, inside, found)
        return lives if (self.is_exact if lives else is_sure) else None

    def _put_certain(self, state: int, kind: int, inside: bool) -> None:
        """Note whether a boundary behind an ignored lexeme is certain: where at least those letters may come
        that may come behind nothing owed, and that is certain."""
        if kind == UNSETTLED or not self.certain[state, 0, int(inside)]:
            return
        context = int(self._tables.context_of[state])
        free, found = (self._letters_at(context, PLAIN, one, inside) for one in (0, kind))
        self.certain[state, kind, int(inside)] |= not free & ~found & ~self._letters.unsettled

    def _reached(self, states: Sequence[int], inside: bool, letters: int) -> tuple[bool, bool]:
        """Return whether some text goes on from a stack with some letters, and whether these and those behind
        ignored lexemes are all that there are."""
        context, found, met = int(self._tables.context_of[states[-1]]), 0, letters
        for one in ones(letters):
            terminal, kind = self._letters.letters[one]
            if terminal in self._tables.ignored or (inside and terminal == self._newline):
                found |= self._letters_at(context, PLAIN, kind, inside)
                met |= 0 if kind == UNSETTLED else self._letters.available(context, kind, inside)
            else:
                found |= 1 << one & self._known_letters
        mode = 0
        stack = np.empty(len(states), np.int32)
        for place, state in enumerate(states):
            mode = mode if place == 0 else self._cells.after(mode, state)
            stack[place] = self._cell_at[state, mode] if mode >= 0 else -1
        is_sure = self._letters.are_all(met)
        if stack.min() < 0:
            return False, is_sure
        reached: int = reaches(
            self._parser, self._letter_variable, self._value_at, self._values, self._accepts,
            stack, self._as_rows([found])[0], self._limits.oracle_steps * _WORK_PER_STEP,
        )  # fmt: skip
        if reached == TOO_MUCH:
            raise self._too_much()
        return reached == 1, is_sure


def alike_terminals(tables: ParserTables) -> list[int]:
    """Return for each terminal the first one that stands where it stands in all rules, but for its name: of
    thousands of strings that are ways of one rule, one. Terminals of lines and brackets stay."""
    rules = np.array([(rule.origin, len(rule.symbols)) for rule in tables.rules])
    _rules, alike = np.unique(rules, axis=0, return_inverse=True)
    actions = tables.actions
    codes = np.where(actions < 0, -1 - alike.reshape(-1)[np.maximum(-1 - actions, 0)], 0)
    only_reduce = actions.max(axis=1) <= 0
    numbers: dict[bytes, int] = {}
    states = [
        numbers.setdefault(codes[state].tobytes(), state) if only_reduce[state] else state
        for state in range(len(actions))
    ]
    columns = np.where(actions > 0, 1 + np.array(states)[np.maximum(actions - 1, 0)], codes).T
    special = {END, *tables.ignored}
    lines = tables.indentation
    if lines is not None:
        special |= {lines.newline, lines.indent, lines.dedent, *lines.opening, *lines.closing}
    first: dict[bytes, int] = {}
    return [
        one if one in special else first.setdefault(column.tobytes(), one)
        for one, column in enumerate(np.ascontiguousarray(columns))
    ]
