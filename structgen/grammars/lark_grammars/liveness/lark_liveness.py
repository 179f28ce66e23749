"""Does some text go on? The saturation of one grammar (`saturation`), its certain boundaries, and exact
answers. Read the word list of the package first.

A boundary is a kind of carry with a *line*, in the order of their numbers: PLAIN; LINE, behind the indenter's
newline, where blocks open or close; DEDENTED, behind a closed block, where more close; ENDING, where the text
has ended and the open blocks are closed. A newline may be of any width; where it cannot go on to each, or not
even has each, a completion is searched for (`compiled.lark_completions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of, words_of
from structgen.grammars.lark_grammars.liveness.frames import frames_of, usable_rules
from structgen.grammars.lark_grammars.liveness.letters import UNSETTLED, Letters, bit_numbers
from structgen.grammars.lark_grammars.liveness.saturation import (
    NO_ROOM,
    TOO_MUCH,
    CertainSearch,
    Descent,
    Pushdown,
    Saturation,
    find_certain,
    reaches_text_end,
    saturate_variables,
)
from structgen.grammars.lark_grammars.reading.loaded_grammar import END, ParserTables

Bits: TypeAlias = npt.NDArray[np.uint64]
Fields: TypeAlias = dict[str, Any]
"""Fields of a block by their names: numbers, and arrays."""

_STACK: Final = word_of(Descent, "stack")
"""The height of the stack is the word behind it."""
PLAIN, LINE, DEDENTED, ENDING = range(4)
"""What was read before a boundary."""
_WORK_PER_STEP: Final = 2_000
"""A step (10 us) is so many letters and exits of compiled code."""
_MOST_CHOICES: Final = 1 << 18
"""Nodes that the search for certain boundaries makes at most; the others are asked one by one."""

_WORDS_PER_NODE: Final = 16
"""Room for the ways of a node in that search."""


class Fixpoint(NamedTuple):
    """A fixpoint."""

    values: bytes | npt.NDArray[np.uint64]
    accepts: bytes | npt.NDArray[np.uint8]
    certain: npt.NDArray[np.uint8]


class Liveness:
    """What is certain, and exact answers, for one grammar."""

    def __init__(
        self, tables: ParserTables, letters: Letters, limits: Limits, fixpoint: Fixpoint | None = None
    ) -> None:
        """`fixpoint`: in another process. Cost: 5 to 500 ms, with it a fifth. Raises LimitError
        (oracle_steps)."""
        self._tables, self._letters, self._limits = tables, letters, limits
        kinds, indentation = len(letters.kinds), tables.indentation
        self._kinds, self._known_letters = kinds, (1 << letters.listed_count) - 1
        newline = -1 if indentation is None else indentation.newline
        self._newline = newline
        letter_boundaries = self._letters_with_boundary()[: letters.listed_count]
        self._indents, self._dedents, self._last_dedent = dict[int, int](), dict[int, int](), 0
        self.boundaries = kinds
        if indentation is not None:
            self.boundaries = ENDING * kinds + 1
            lines = (
                letter for letter in bit_numbers(letters.met_bits) if letters.letters[letter][0] == newline
            )
            for kind in sorted({letters.letters[letter][1] for letter in lines}):
                self._indents[kind], self._dedents[kind] = len(letter_boundaries), len(letter_boundaries) + 1
                letter_boundaries += [
                    (indentation.indent, kind),
                    (indentation.dedent, DEDENTED * kinds + kind),
                ]
            self._last_dedent = len(letter_boundaries)
            letter_boundaries.append((indentation.dedent, ENDING * kinds))
        self._terminal = np.array([terminal for terminal, _boundary in letter_boundaries], np.int32)
        self._boundary = np.array([boundary for _terminal, boundary in letter_boundaries], np.int32)
        self._words = (len(letter_boundaries) + 63) // 64
        alike, first = alike_terminals(tables), dict[tuple[int, int, bool], int]()
        self._first_alike = [
            first.setdefault((alike[terminal], boundary, bool(letters.met_bits >> letter & 1)), letter)
            for letter, (terminal, boundary) in enumerate(letter_boundaries)
        ]
        """For each letter the first one that the parser treats alike: the fixpoint is over these."""
        self._others = sum(1 << letter for letter, of in enumerate(self._first_alike) if of != letter)
        self._put_parser()
        self._solve_fixpoint(self._make_variables(), fixpoint)
        shape = len(tables.actions), self.boundaries, 2
        self.certain = self._find_certain() if fixpoint is None else fixpoint.certain.reshape(shape)
        """uint8[states, boundaries, 2]: whether every stack with the state on top leads to the text's end;
        the second number where a bracket is open. All 0 where letters do not decide it (`is_exact`)."""
        if not self.is_exact:
            self.certain[:] = 0
        self.fixpoint = Fixpoint(self._values, self._accepts, self.certain)

    def _letters_with_boundary(self) -> list[tuple[int, int]]:
        """Return the letters as terminals, each with the boundary behind it."""
        lines = LINE * self._kinds
        return [
            (terminal, lines + kind if terminal == self._newline else kind)
            for terminal, kind in self._letters.letters
        ]

    @property
    def boundary(self) -> npt.NDArray[np.int32]:
        """For each letter the boundary behind it."""
        return np.array([boundary for _terminal, boundary in self._letters_with_boundary()], np.int32)

    # --- the fixpoint ---------------------------------------------------------------------------------------

    def _put_parser(self) -> None:
        tables = self._tables
        actions, gotos = tables.actions.astype(np.int32), tables.gotos.astype(np.int32)
        rules = usable_rules(tables, {END, *self._terminal.tolist()})
        used = {symbol for rule in rules for symbol in rule.symbols} | {-1 - rule.origin for rule in rules}
        actions[:, [terminal for terminal in range(1, actions.shape[1]) if terminal not in used]] = 0
        gotos[:, [nonterminal for nonterminal in range(gotos.shape[1]) if -1 - nonterminal not in used]] = -1
        self.actions, self.gotos = actions, gotos
        """The parser's tables without the symbols of which no whole text has one: what is certain holds for
        stacks of the others."""
        self._frames = frames_of(tables, actions, gotos, rules)
        exits = [
            sorted({(dot - 1, tables.rules[rule].origin) for rule, dot in kernel if dot})
            for kernel in tables.kernels
        ]
        flat = [exit_pair for some in exits for exit_pair in some]
        self._exit_at = np.cumsum([0, *map(len, exits)]).astype(np.int32)
        self._deepest = max((depth for depth, _origin in flat), default=0)
        self.sizes = np.array([len(rule.symbols) for rule in tables.rules], np.int32)
        self.origins = np.array([rule.origin for rule in tables.rules], np.int32)
        self._parser: Fields = {
            "actions": actions,
            "terminals": actions.shape[1],
            "gotos": gotos,
            "nonterminals": gotos.shape[1],
            "origins": self.origins,
            "sizes": self.sizes,
            "end_state": tables.end,
            "frame_state": self._frames.state,
            "frame_brackets": self._frames.brackets,
            "frame_at": self._frames.at,
            "most_brackets": self._frames.at.shape[1] - 1,
            "bracket_balance": self._frames.bracket_balance,
            "exit_at": self._exit_at,
            "exit_origin": np.array([origin for _depth, origin in flat], np.int32),
            "exit_depth": np.array([depth for depth, _origin in flat], np.int32),
            "letter_terminal": self._terminal,
            "letter_boundary": self._boundary,
            "letters": len(self._terminal),
            "words": self._words,
            "run_exits": self._empty_rows(max(map(len, exits))),
        }
        self._pushdown_words: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def _empty_rows(self, count: int) -> Bits:
        """Return rows of letters, as bits: no letters."""
        return np.zeros((count, self._words), np.uint64)

    def _make_block(self, kind: type[Pushdown], fields: Fields) -> npt.NDArray[np.int64]:
        """Return a block with what is known of the parser and its runs, and other fields: who calls with the
        block holds these."""
        block = np.zeros(words_of(kind), np.int64)
        block[: len(self._pushdown_words)] = self._pushdown_words
        for name, value in fields.items():
            block[word_of(kind, name)] = value if isinstance(value, int) else address_of(value)
        return block

    def _make_variables(self) -> npt.NDArray[np.int32]:
        """Return the variables of the fixpoint: the frame, and its letter or the row of its boundary."""
        actions, sizes, state = self.actions, self.sizes, self._frames.state
        by_letter = actions[:, self._terminal]
        is_empty = (by_letter < 0) & (sizes[np.maximum(-1 - by_letter, 0)] == 0)
        are_first = np.array(self._first_alike) == np.arange(len(self._terminal))
        frames, letters = np.nonzero((((by_letter > 0) | is_empty) & are_first)[state])
        self._letter_variable = np.full((len(state), len(self._terminal)), -1, np.int32)
        self._letter_variable[frames, letters] = np.arange(len(frames))
        ends = self._find_boundaries(by_letter)
        at_frames, boundaries = np.nonzero(ends[state])
        self._boundary_variable = np.full((len(state), self.boundaries), -1, np.int32)
        self._boundary_variable[at_frames, boundaries] = len(frames) + np.arange(len(at_frames))
        rows, numbers = [0], dict[tuple[int, int, bool], int]()
        contexts = self._tables.context_of
        of_boundary = []
        for frame, boundary in zip(at_frames.tolist(), boundaries.tolist(), strict=True):
            key = int(contexts[state[frame]]), boundary, bool(self._frames.brackets[frame])
            if key not in numbers:
                numbers[key] = len(rows)
                rows.append(self._letters_at(key[0], *divmod(boundary, self._kinds), key[2]))
            of_boundary.append(numbers[key])
        self._available = self._as_rows(rows)
        self._boundary_frames, self._boundary_numbers = at_frames.astype(np.int32), boundaries
        self._boundary_rows = np.array(of_boundary, np.int32)
        variables = np.full((len(frames) + len(at_frames), 3), -1, np.int32)
        variables[: len(frames), 0], variables[: len(frames), 1] = frames, letters
        variables[len(frames) :, 0], variables[len(frames) :, 2] = at_frames, self._boundary_rows
        return variables

    def _solve_fixpoint(self, variables: npt.NDArray[np.int32], fixpoint: Fixpoint | None) -> None:
        """Fill the values of all variables by saturation, or take over those of `fixpoint`."""
        exits = np.diff(self._exit_at)[self._frames.state[variables[:, 0]]]
        if fixpoint is None:
            self._values, self._accepts = (
                self._empty_rows(int(exits.sum())),
                np.zeros(len(variables), np.uint8),
            )
        else:
            self._values = np.frombuffer(fixpoint.values, np.uint64).reshape(-1, self._words).copy()
            self._accepts = np.frombuffer(fixpoint.accepts, np.uint8).copy()
        self._parser |= {
            "letter_variable": self._letter_variable,
            "value_at": np.cumsum(exits) - exits,
            "values": self._values,
            "accepts": self._accepts,
        }
        self._pushdown_words = self._make_block(Pushdown, self._parser)
        nonterminals = self.gotos.shape[1]
        walk: Fields = {
            "waiting": self._empty_rows((self._deepest + 1) * nonterminals),
            "deep": self._deepest + 1,
            "done": self._empty_rows(nonterminals),
            "fresh": self._empty_rows(1),
        }
        self._descent = self._make_block(Descent, walk), walk
        if fixpoint is None:
            self._saturate_variables(variables)

    def _saturate_variables(self, variables: npt.NDArray[np.int32]) -> None:
        """Solve the fixpoint. Raises LimitError (oracle_steps)."""
        count, nonterminals = len(variables), self.gotos.shape[1]
        notes = np.empty((count, 2), np.int32)
        fields: Fields = {
            "variables": variables,
            "variable_count": count,
            "boundary_variable": self._boundary_variable,
            "boundaries": self.boundaries,
            "available": self._available,
            "waits": np.ones(count, np.uint8),
            "waiting": count,
            "first_note": np.full(count, -1, np.int32),
            "letters_behind": self._empty_rows(nonterminals),
            "done": self._empty_rows(nonterminals),
            "fresh": self._empty_rows(1),
            "listed_origins": np.empty(nonterminals, np.int32),
            "is_listed": np.zeros(nonterminals, np.uint8),
            "met": np.empty(nonterminals, np.int32),
        }
        block, answer = self._make_block(Saturation, fields), NO_ROOM
        while answer == NO_ROOM:
            notes, table = np.concatenate([notes, np.empty_like(notes)]), _no_slots(4 * len(notes), np.int64)
            words = [
                word_of(Saturation, name) for name in ("notes", "note_table", "most_notes", "table_mask")
            ]
            block[words] = address_of(notes), address_of(table), len(notes), len(table) - 1
            answer = saturate_variables(address_of(block), self._limits.oracle_steps * _WORK_PER_STEP)
        if answer == TOO_MUCH:
            raise self._too_much()

    def _find_boundaries(self, by_letter: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Return which boundaries each state may have."""
        tables = self._tables
        has_boundary = np.zeros((len(tables.actions), self.boundaries), np.bool_)
        is_met = [
            letter >= self._letters.listed_count or bool(self._letters.met_bits >> letter & 1)
            for letter in range(len(self._terminal))
        ]
        where = (by_letter > 0) & np.array(is_met)
        has_boundary[by_letter[where] - 1, np.broadcast_to(self._boundary, where.shape)[where]] = True
        # an ignored lexeme leaves the state as it is, and what it owes
        for kind, contexts in self._letters.kinds_behind_ignored().items():
            has_boundary[np.isin(tables.context_of, list(contexts)), kind] = True
        has_boundary[tables.start, self._letters.first_kind] = True
        has_boundary[:, 0] = True
        return has_boundary

    def _letters_at(self, context: int, line: int, kind: int, inside: bool) -> int:
        """Return the letters that may come at a boundary, as bits."""
        if kind == UNSETTLED:
            return 0
        if line == ENDING:
            return 1 | 1 << self._last_dedent
        bits = self._letters.available_letters(context, kind, inside) & self._known_letters
        if self._newline >= 0:
            bits |= 1 << self._last_dedent if bits & 1 else 0
            bits |= 1 << self._dedents[kind] if line != PLAIN else 0
            bits |= 1 << self._indents[kind] if line == LINE else 0
        return bits

    def _as_rows(self, bits: Sequence[int]) -> npt.NDArray[np.uint64]:
        size, row_bits = 8 * self._words, []
        for row in bits:
            firsts = {self._first_alike[letter] for letter in bit_numbers(row & self._others)}
            row_bits.append(
                row & ~self._others | sum(1 << letter for letter in firsts if not row >> letter & 1)
            )
        row_bytes = b"".join(row.to_bytes(size, "little") for row in row_bits)
        return np.frombuffer(row_bytes, np.uint64).reshape(-1, self._words).copy()

    def _find_certain(self) -> npt.NDArray[np.uint8]:
        frames, boundary_count = self._frames, len(self._boundary_frames)
        room, count = boundary_count + _MOST_CHOICES, len(frames.state)
        ways, table = np.empty(_WORDS_PER_NODE * room, np.int32), _no_slots(2 * room, np.int32)
        nodes, lives = np.empty(boundary_count, np.int32), np.zeros(room, np.uint8)
        fields: Fields = {
            "wanted_frame": self._boundary_frames,
            "wanted_letters": np.ascontiguousarray(self._available[self._boundary_rows]),
            "wanted_node": nodes,
            "wanted_count": boundary_count,
            "below": frames.below,
            "below_at": frames.below_at,
            "node_frame": np.empty(room, np.int32),
            "node_letters": np.empty((room, self._words), np.uint64),
            "most_nodes": room,
            "node_table": table,
            "table_mask": len(table) - 1,
            "ways": ways,
            "most_way_words": len(ways),
            "ends": np.zeros(room, np.uint8),
            "lives": lives,
            "inner": np.empty(room, np.uint8),
            "marks": np.zeros(count, np.int32),
            "here": np.empty(count, np.int32),
            "then": np.empty(count, np.int32),
        }
        block = self._make_block(CertainSearch, fields)
        find_certain(address_of(block))
        is_certain = np.zeros((len(self._tables.actions), self.boundaries, 2), np.uint8)
        is_inside = (frames.brackets[self._boundary_frames] > 0).astype(np.int64)
        where = frames.state[self._boundary_frames], self._boundary_numbers, is_inside
        is_certain[where] = 1
        is_refuted = lives[nodes] == 0
        is_certain[tuple(places[is_refuted] for places in where)] = 0
        return is_certain

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
        return self._frames.is_exact and self._letters.tell_lines

    # --- exact answers --------------------------------------------------------------------------------------

    def reaches_end(self, states: Sequence[int], inside: bool, some: Sequence[int]) -> bool | None:
        """Return whether some text goes on from a stack (states, the bottom first) where one of some letters
        is read; None: letters cannot decide it, search for a completion. `inside`: a bracket is open."""
        letters, bits = self._letters, 0
        for letter in some:
            bits |= 1 << letter
            terminal, _kind = letters.letters[letter]
            if letters.keeps_column and not inside and terminal == self._newline:
                return None
        lives, is_sure = self._search_end(states, inside, bits)
        return lives if self.is_exact and (lives or is_sure) else None

    def is_live_before_lexeme(self, states: Sequence[int], inside: bool, lexeme: int) -> bool | None:
        """Return whether some text goes on before a lexeme, in a state of the lexer; None: letters
        cannot decide it, search for a completion."""
        if not self._frames.is_exact:
            return None
        following = self._letters.letters_in(int(self._tables.context_of[states[-1]]), inside, lexeme)
        lives, is_sure = self._search_end(states, inside, following)
        return lives if (self.is_exact if lives else is_sure) else None

    def _search_end(self, states: Sequence[int], inside: bool, letters: int) -> tuple[bool, bool]:
        """Return whether some text goes on from a stack with some letters, and whether these and those behind
        ignored lexemes are all that there are."""
        context, first_letters, met = int(self._tables.context_of[states[-1]]), 0, letters
        for letter in bit_numbers(letters):
            terminal, kind = self._letters.letters[letter]
            if terminal in self._tables.ignored_terminals or (inside and terminal == self._newline):
                first_letters |= self._letters_at(context, PLAIN, kind, inside)
                met |= 0 if kind == UNSETTLED else self._letters.available_letters(context, kind, inside)
            else:
                first_letters |= 1 << letter & self._known_letters
        stack, is_sure = self._frames.frames_of_stack(states), self._letters.are_all(met)
        if stack is None:
            return False, is_sure
        block, fields = self._descent
        fields["waiting"].fill(0)
        fields["done"].fill(0)
        fields["fresh"][:] = self._as_rows([first_letters])
        block[_STACK : _STACK + 2] = address_of(stack), len(stack)
        answer = reaches_text_end(address_of(block), self._limits.oracle_steps * _WORK_PER_STEP)
        if answer == TOO_MUCH:
            raise self._too_much()
        return answer == 1, is_sure


def _no_slots(min_slots: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """Return free slots, so many at least: a power of two."""
    return np.full(1 << (min_slots - 1).bit_length(), -1, kind)


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
    special = {END, *tables.ignored_terminals}
    lines = tables.indentation
    if lines is not None:
        special |= {lines.newline, lines.indent, lines.dedent, *lines.opening, *lines.closing}
    first: dict[bytes, int] = {}
    return [
        terminal if terminal in special else first.setdefault(column.tobytes(), terminal)
        for terminal, column in enumerate(np.ascontiguousarray(columns))
    ]
