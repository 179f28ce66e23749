"""Does some text go on? The saturation of one grammar (`saturation`), its certain boundaries, and exact
answers.

A boundary is a kind of carry with a *line*: PLAIN; LINE, behind the indenter's newline, where blocks open
or close; DEDENTED, behind a closed block, where more close; ENDING, where the text has ended and the open
blocks are closed. A newline may be of any width; where it cannot go on to each, or not even has each, texts
are searched byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from heapq import heappop, heappush
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.lark_grammars.lexer.effort import NUMBERS_PER_STEP
from structgen.lark_grammars.liveness.cells import cells_of, column_after, usable_rules
from structgen.lark_grammars.liveness.letters import UNSETTLED, Letters, ones
from structgen.lark_grammars.liveness.saturation import TOO_MUCH, certain, make_cells, reaches, saturate
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables
from structgen.limits import Limits

PLAIN, LINE, DEDENTED, ENDING = range(4)
"""What was read before a boundary."""
_WORK_PER_STEP: Final = 2_000
"""A step (10 us) is so many letters and slots of compiled code."""
_MOST_CHOICES: Final = 1 << 18
"""Nodes that the search for certain boundaries makes at most; the others are asked one by one."""
_FIRST_USES, _USES = 1 << 14, 32
"""Room for notes of uses: at least, and for each variable."""
_SPARE_KINDS: Final = 8
"""Kinds that ignored lexemes may yet bring: of them alone the fixpoint is not made again."""
_SEARCHED_STEPS: Final = 4
"""What a stack with a state of the lexer costs a search, in steps of 10 us."""
_MOST_SEARCHED: Final = 1 << 13
"""Stacks with states of the lexer that a search tries."""


Stack = tuple[int, ...]


class LexemeReading(NamedTuple):
    """A place, with a lexeme that has begun."""

    stack: Stack
    """States of the parser, the bottom first."""
    widths: Stack
    """Of the open blocks, the last one first; of no matter where a newline may be of any width."""
    brackets: int
    """How many are open."""
    lexeme: int
    """A state of the lexer."""
    column: int
    """Of a newline so far; below 0 before its line break, and where it is of no matter."""
    is_first: bool = False
    """Whether it is the lexeme from which a search began."""


class Solved(NamedTuple):
    """A fixpoint, and what it was solved for."""

    known: tuple[int, int, int]
    """Bits of the letters that were met; how many letters there were, and for how many kinds room."""
    values: bytes | npt.NDArray[np.uint64]
    accepts: bytes | npt.NDArray[np.uint8]
    certain: npt.NDArray[np.uint8]


class Liveness:
    """What is certain, and exact answers, for one grammar with the letters that it has now."""

    def __init__(
        self, tables: ParserTables, letters: Letters, limits: Limits, solved: Solved | None = None
    ) -> None:
        """`solved`: in another process; it serves if the same letters are met. Cost: 5 to 500 ms, with it a
        fifth. Raises LimitError (oracle_steps)."""
        self._tables, self._letters, self._limits = tables, letters, limits
        self._make(solved)

    def _make(self, solved: Solved | None = None) -> None:
        """Solve it for the letters that there are."""
        tables, letters = self._tables, self._letters
        known = letters.noted, len(letters.letters), len(letters.kinds) + _SPARE_KINDS
        if solved is not None and (known[0] != solved.known[0] or len(letters.kinds) > solved.known[2]):
            solved = None
        known = known if solved is None else solved.known
        self._noted, self._count, kinds = known
        self.solved: Solved | None = None
        """The fixpoint, once it is solved."""
        self._kinds, indentation = kinds, tables.indentation
        told = b"\n\t " if letters.keeps_column else b""
        self._bytes = {(kind, byte * (byte in told)) for byte, kind in enumerate(letters.lexer.classes)}
        self._known_letters = (1 << self._count) - 1
        newline = -1 if indentation is None else indentation.newline
        self._newline = newline
        made = self._bounded()[: self._count]
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
        variables = self._variables()
        if self.is_stale:  # behind boundaries new letters came
            self._make()
            return
        self._solve(variables, solved)
        shape = len(tables.actions), self.boundaries, 2
        if solved is not None and solved.certain.size == np.prod(shape):
            self.certain = solved.certain.reshape(shape)
        else:
            self.certain = self._find_certain()
        if not self.is_exact:
            self.certain[:] = 0
        """uint8[states, boundaries, 2]: whether every stack with the state on top leads to the text's end;
        the second number where a bracket is open."""
        self.solved = Solved(known, self._values, self._accepts, self.certain)

    def _bounded(self) -> list[tuple[int, int]]:
        """Return the letters as terminals, each with the boundary behind it."""
        lines = LINE * self._kinds
        return [(one, lines + kind if one == self._newline else kind) for one, kind in self._letters.letters]

    @property
    def boundary(self) -> npt.NDArray[np.int32]:
        """For each letter the boundary behind it."""
        return np.array([boundary for _terminal, boundary in self._bounded()], np.int32)

    @property
    def is_stale(self) -> bool:
        """Whether letters are met that it was not made for. Letters of ignored terminals, and those that say
        that there may be more, are never met by the parser."""
        return self._noted != self._letters.noted or len(self._letters.kinds) > self._kinds

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
        room = max(_FIRST_USES, _USES * len(variables))
        while True:
            self._values = np.zeros((int(slots.sum()), self._words), np.uint64)
            self._accepts = np.zeros(len(variables), np.uint8)
            most = self._limits.oracle_steps * _WORK_PER_STEP
            fixed = self._available, self._value_at, self._values, self._accepts, room, most
            work = saturate(self._parser, self._letter_variable, self._boundary_variable, variables, *fixed)
            if work == TOO_MUCH:
                self._noted = -1  # it is stale: the values are not those of the letters
                raise self._too_much()
            if work >= 0:
                return
            room *= 4

    def _boundaries(self, by_letter: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which boundaries each state may have."""
        tables = self._tables
        found = np.zeros((len(tables.actions), self.boundaries), np.bool_)
        noted = [one >= self._count or bool(self._noted >> one & 1) for one in range(len(self._terminal))]
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

    def reaches_end(self, reading: LexemeReading, some: Sequence[int]) -> tuple[bool, int]:
        """Return whether some text goes on where one of some letters is read at a place, and the lowest place
        of its stack that was looked at. The lexeme has these letters, and is followed where they do not
        tell."""
        letters, bits, inside = self._letters, 0, reading.brackets > 0
        is_line = letters.keeps_column and any(letters.letters[one][0] == self._newline for one in some)
        if not letters.keeps_column:
            reading = reading._replace(widths=(), column=-1)
        elif inside:
            is_line, reading = False, reading._replace(column=-1)
        if is_line or not self.is_exact:
            return self._search(reading, some), 0
        states = reading.stack
        for one in some:
            bits |= 1 << one
            terminal, kind = letters.letters[one]
            if terminal in self._tables.ignored or (inside and terminal == self._newline):
                self._put_certain(states[-1], kind, inside)
        lowest = self._reached(states, inside, bits)
        if lowest < 0 and letters.unsettled:
            return self._search(reading, some), 0
        return lowest >= 0, max(lowest, 0)

    def _put_certain(self, state: int, kind: int, inside: bool) -> None:
        """Note whether a boundary behind an ignored lexeme is certain: where at least those letters may come
        that may come behind nothing owed, and that is certain."""
        if kind >= self._kinds or kind == UNSETTLED or not self.certain[state, 0, int(inside)]:
            return
        context = int(self._tables.context_of[state])
        free, found = (self._letters_at(context, PLAIN, one, inside) for one in (0, kind))
        self.certain[state, kind, int(inside)] |= not free & ~found & ~self._letters.unsettled

    def _reached(self, states: Sequence[int], inside: bool, letters: int) -> int:
        """Return the lowest place of a stack that a text needs that goes on with some letters, -1: there is
        none."""
        context, found = int(self._tables.context_of[states[-1]]), 0
        for one in ones(letters):
            terminal, kind = self._letters.letters[one]
            if terminal in self._tables.ignored or (inside and terminal == self._newline):
                found |= self._letters_at(context, PLAIN, kind, inside)
            else:
                found |= 1 << one & self._known_letters
        mode = 0
        stack = np.empty(len(states), np.int32)
        for place, state in enumerate(states):
            mode = mode if place == 0 else self._cells.after(mode, state)
            stack[place] = self._cell_at[state, mode] if mode >= 0 else -1
        if stack.min() < 0:
            return -1
        most = self._limits.oracle_steps * _WORK_PER_STEP
        lowest: int = reaches(
            self._parser, self._letter_variable, self._value_at, self._values, self._accepts,
            stack, self._as_rows([found])[0], most,
        )  # fmt: skip
        if lowest < TOO_MUCH:
            raise self._too_much()
        if lowest < 0 and self.is_stale:  # behind ignored lexemes new ones came
            self._make()
            return self._reached(states, inside, letters)
        return lowest

    # --- letters that are not settled -----------------------------------------------------------------------

    def _search(self, first: LexemeReading, some: Sequence[int]) -> bool:
        """Return whether some text goes on in a reading whose lexeme becomes the terminal of one of some
        letters, byte by byte, the lowest stacks first: where it has letters that are not settled, or where
        stacks do not tell which brackets are open or which widths a newline may have. Cost: some 20 us a byte
        that is tried. Raises LimitError."""
        letters, lexer, contexts = self._letters, self._letters.lexer, self._tables.context_of
        wanted = {letters.letters[one][0] for one in some}
        first = first._replace(is_first=True)
        pending, met = [(len(first.stack), 0, first)], {first}
        while pending:
            here = heappop(pending)[2]
            lexer.effort.spend(_SEARCHED_STEPS * NUMBERS_PER_STEP)
            found = list(self._moved(here, wanted))
            for terminal, carry in lexer.states[here.lexeme].ends:
                if here.is_first and terminal not in wanted:
                    continue
                for stack, widths, left in self._after(here, terminal):
                    if lexer.holds_at_end(carry) and self._may_end(stack, widths):
                        return True
                    context = int(contexts[stack[-1]])
                    start = letters.rows.start(context, carry)
                    fresh = LexemeReading(stack, widths, left, start, -1)
                    if start >= 0 and fresh not in met:
                        # else letters say too much
                        told = self._cells.is_exact and self._reached(
                            stack, left > 0, letters.letters_in(context, left > 0, start)
                        )
                        if told >= 0 and self.is_exact:
                            return True
                        if told >= 0 or letters.unsettled:
                            found.append(fresh)
            for one in found:
                if one not in met:
                    met.add(one)
                    heappush(pending, (len(one.stack), len(met), one))
            if len(met) > _MOST_SEARCHED:
                raise self._too_much()
        return False

    def _moved(self, here: LexemeReading, wanted: Set[int]) -> Iterator[LexemeReading]:
        """Yield the readings after one more byte that may become what the parser takes; in the first lexeme
        one of some terminals."""
        letters, rows, taken = self._letters, self._letters.rows, dict[int, bool]()
        rows.put_row(here.lexeme)
        row = rows.moves[here.lexeme].tolist()
        for after, byte in dict.fromkeys((row[kind], byte) for kind, byte in self._bytes):
            for terminal in letters.terminals_of(after) if after >= 0 else ():
                if here.is_first and terminal not in wanted:
                    continue
                if terminal not in taken:
                    is_dropped = terminal in self._tables.ignored or (
                        here.brackets and terminal == self._newline
                    )
                    taken[terminal] = bool(is_dropped) or self._fed(here.stack, terminal) is not None
                if taken[terminal]:
                    keeps = letters.keeps_column and not here.brackets and rows.may_break(after)
                    yield here._replace(lexeme=after, column=self._column(here, byte) if keeps else -1)
                    break

    def _column(self, here: LexemeReading, byte: int) -> int:
        """Return the column of a newline after one more byte; of those that all do the same the least."""
        lines = self._tables.indentation
        assert lines is not None
        column, known = column_after(here.column, byte, lines.tab_size), self._letters.widths
        over = column - max(here.widths[0] + 1, known.first)
        return column if over < known.every else column - over + over % known.every

    def _after(self, here: LexemeReading, terminal: int) -> Iterator[tuple[Stack, Stack, int]]:
        """Yield the stack behind a terminal, the widths of the open blocks, and how many brackets are open;
        behind a newline of any width, all stacks."""
        lines, (stack, widths, brackets, _lexeme, column, _is_first) = self._tables.indentation, here
        if terminal in self._tables.ignored or (brackets and terminal == self._newline):
            yield stack, widths, brackets
            return
        after = self._fed(stack, terminal)
        if lines is not None and terminal != self._newline:
            brackets += (terminal in lines.opening) - (terminal in lines.closing)
        if after is None or brackets < 0:
            return
        if lines is None or terminal != self._newline:
            yield after, widths, brackets
        elif not self._letters.keeps_column:
            deeper = self._fed(after, lines.indent)
            if deeper is not None:
                yield deeper, widths, 0
            while after is not None:
                yield after, widths, 0
                after = self._fed(after, lines.dedent)
        elif column > widths[0]:
            after = self._fed(after, lines.indent)
            if after is not None:
                yield after, (column, *widths), 0
        elif column >= 0:
            while after is not None and column < widths[0]:
                after, widths = self._fed(after, lines.dedent), widths[1:]
            if after is not None and column == widths[0]:
                yield after, widths, 0

    def _may_end(self, stack: Stack, widths: Stack) -> bool:
        """Return whether the text may end at a stack, where all open blocks close; where widths are of no
        matter, these may be any."""
        lines = self._tables.indentation
        after: Stack | None = stack
        while after is not None:
            if len(widths) < 2 and self._fed(after, END) is not None:
                return True
            if lines is None or len(widths) == 1:
                return False
            after, widths = self._fed(after, lines.dedent), widths[1:]
        return False

    def _fed(self, stack: Stack, terminal: int) -> Stack | None:
        """Return the stack behind a terminal, None where the parser refuses it; behind END, the stack that
        takes it."""
        tables = self._tables
        while True:
            action = int(tables.actions[stack[-1], terminal])
            if action > 0:
                return (*stack, action - 1)
            if action == 0:
                return None
            rule = tables.rules[-1 - action]
            stack = stack[: len(stack) - len(rule.symbols)]
            after = int(tables.gotos[stack[-1], rule.origin])
            if terminal == END and after == tables.end:
                return stack
            if after < 0:
                return None
            stack = (*stack, after)


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
