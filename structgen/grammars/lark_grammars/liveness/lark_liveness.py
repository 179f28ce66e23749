"""Decides whether some valid text goes on from a stack of the parser, for one Lark grammar.

The docstring of the package defines the words, with an example grammar. In short: a *letter* is a terminal
with the *kind* of its *carry* (what it demands of the text after it). A *boundary* is a point between two
lexemes: the kind of the carry before it, and the *line*. A line is one of four numbers:

- PLAIN: inside a line, and everywhere in a grammar without an indenter.
- LINE: after the indenter's newline, where blocks open or close.
- DEDENTED: after a closed block, where further blocks may close.
- ENDING: the text has ended, and the open blocks are closed.

The work of one grammar has three steps: `saturation` computes how runs of the parser end (the fixpoint), then
which boundaries are *certain* (some text leads to the end, whatever is below on the stack), and `reaches_end`
answers for all others exactly. Letters do not decide where a newline cannot have every width, or cannot go on
after every width. There a completion is searched for (`compiled.lark_completions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.base.native.array_types import (
    Array,
    BoolArray,
    ByteArray,
    IndexArray,
    Int32Array,
    Int64Array,
    UInt64Array,
)
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

Bits: TypeAlias = UInt64Array
Fields: TypeAlias = dict[str, Any]
"""The fields of a block that compiled code reads, by name. A value is a number or an array."""

_STACK: Final = word_of(Descent, "stack")
"""The word of `Descent` with the address of the stack. The next word is the height of the stack."""
PLAIN, LINE, DEDENTED, ENDING = range(4)
"""The lines of a boundary, which the module's docstring defines."""
_WORK_PER_STEP: Final = 2_000
"""So many letters and exits in compiled code count as one step of the limits (10 us)."""
_MOST_CHOICES: Final = 1 << 18
"""The most nodes that the search for certain boundaries makes. Boundaries beyond it count as uncertain, and
are decided one by one when they are needed."""
_WORDS_PER_NODE: Final = 16
"""The numbers that are reserved in that search for the ways of one node."""


class Fixpoint(NamedTuple):
    """The results for one grammar, in a form that another process can load."""

    values: bytes | UInt64Array
    """How runs end (`Pushdown.values`)."""
    accepts: bytes | ByteArray
    """For each variable whether the text may end (`Pushdown.accepts`)."""
    certain: ByteArray
    """Which boundaries are certain (`Liveness.certain`)."""


class Liveness:
    """The certain boundaries of one grammar, and exact answers for all others."""

    def __init__(
        self,
        tables: ParserTables,
        letters: Letters,
        limits: Limits,
        fixpoint: Fixpoint | None = None,
    ) -> None:
        """`tables`: the parser; `letters`: the letters of the grammar; `fixpoint`: the results of another
        process for the same letters. Raises LimitError (oracle_steps). Cost: 5 to 500 ms, or a fifth of that
        with `fixpoint`."""
        self._tables = tables
        self._letters = letters
        self._limits = limits
        self._kinds = len(letters.kinds)
        self._known_letters = (1 << letters.listed_count) - 1
        self._newline = -1 if tables.indentation is None else tables.indentation.newline
        letter_boundaries = self._letters_with_boundary()[: letters.listed_count]
        letter_boundaries += self._indenter_letters(len(letter_boundaries))
        self._terminal = np.array([terminal for terminal, _boundary in letter_boundaries], np.int32)
        self._boundary = np.array([boundary for _terminal, boundary in letter_boundaries], np.int32)
        self._words = (len(letter_boundaries) + 63) // 64
        alike = alike_terminals(tables)
        first_of: dict[tuple[int, int, bool], int] = {}
        self._first_alike = []
        """For each letter the first letter that the parser treats alike. The fixpoint has variables for these
        first letters only."""
        for letter, (terminal, boundary) in enumerate(letter_boundaries):
            is_met = bool(letters.met_bits >> letter & 1)
            key = alike[terminal], boundary, is_met
            self._first_alike.append(first_of.setdefault(key, letter))
        self._later_alike = sum(
            1 << letter for letter, first in enumerate(self._first_alike) if first != letter
        )
        """The letters, as bits, that are represented by an earlier letter."""
        self._put_parser()
        self._solve_fixpoint(self._make_variables(), fixpoint)
        shape = len(tables.actions), self.boundaries, 2
        self.certain = self._find_certain() if fixpoint is None else fixpoint.certain.reshape(shape)
        """uint8[states, boundaries, 2]: 1 where every stack with this state on top leads to the text's end.
        The last index is 1 where a bracket is open, else 0. All entries are 0 where letters do not decide
        (`is_exact`)."""
        if not self.is_exact:
            self.certain[:] = 0
        self.fixpoint = Fixpoint(self._values, self._accepts, self.certain)

    def _indenter_letters(self, first: int) -> list[tuple[int, int]]:
        """Return the letters that the indenter adds after newlines, as pairs (terminal, boundary after it).
        The list is empty without an indenter. `first`: the number that the first of these letters gets."""
        letters, kinds, indentation = self._letters, self._kinds, self._tables.indentation
        self._indents: dict[int, int] = {}
        self._dedents: dict[int, int] = {}
        self._last_dedent = 0
        """The letter with which a block closes at the end of the text."""
        self.boundaries = kinds
        """The number of boundaries."""
        if indentation is None:
            return []
        self.boundaries = ENDING * kinds + 1  # the lines of all kinds, and the one boundary at the end
        met_letters = (letters.letters[letter] for letter in bit_numbers(letters.met_bits))
        indenter_letters: list[tuple[int, int]] = []
        for kind in sorted({kind for terminal, kind in met_letters if terminal == self._newline}):
            self._indents[kind] = first + len(indenter_letters)
            indenter_letters.append((indentation.indent, kind))
            self._dedents[kind] = first + len(indenter_letters)
            indenter_letters.append((indentation.dedent, DEDENTED * kinds + kind))
        self._last_dedent = first + len(indenter_letters)
        indenter_letters.append((indentation.dedent, ENDING * kinds))
        return indenter_letters

    def _letters_with_boundary(self) -> list[tuple[int, int]]:
        """Return the letters as pairs (terminal, boundary after it)."""
        first_line = LINE * self._kinds
        return [
            (terminal, first_line + kind if terminal == self._newline else kind)
            for terminal, kind in self._letters.letters
        ]

    @property
    def boundary(self) -> Int32Array:
        """The boundary after each letter."""
        boundaries = [boundary for _terminal, boundary in self._letters_with_boundary()]
        return np.array(boundaries, np.int32)

    # --- the fixpoint ---------------------------------------------------------------------------------------

    def _put_parser(self) -> None:
        """Compute the fields of the parser, which compiled code reads from its blocks."""
        tables = self._tables
        rules = usable_rules(tables, {END, *self._terminal.tolist()})
        used = {-1 - rule.origin for rule in rules}  # symbols; nonterminals are below 0
        for rule in rules:
            used.update(rule.symbols)
        actions = tables.actions.astype(np.int32)
        unused_terminals = [terminal for terminal in range(1, actions.shape[1]) if terminal not in used]
        actions[:, unused_terminals] = 0
        gotos = tables.gotos.astype(np.int32)
        unused_nonterminals = [number for number in range(gotos.shape[1]) if -1 - number not in used]
        gotos[:, unused_nonterminals] = -1
        self.actions = actions
        self.gotos = gotos
        """The parser's tables without the symbols that occur in no whole text. What is certain holds for
        stacks without these symbols."""
        self._frames = frames_of(tables, actions, gotos, rules)
        # A reduction takes `dot` symbols. One of them is above the state, so `dot - 1` lie below it.
        exits: list[tuple[int, int]] = []
        exit_counts = []
        for kernel in tables.kernels:
            state_exits = {(dot - 1, tables.rules[rule].origin) for rule, dot in kernel if dot}
            exits += sorted(state_exits)
            exit_counts.append(len(state_exits))
        self._exit_at = np.cumsum([0, *exit_counts]).astype(np.int32)
        self._deepest = max((depth for depth, _origin in exits), default=0)
        sizes = [len(rule.symbols) for rule in tables.rules]
        origins = [rule.origin for rule in tables.rules]
        self.sizes = np.array(sizes, np.int32)
        self.origins = np.array(origins, np.int32)
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
            "exit_origin": np.array([origin for _depth, origin in exits], np.int32),
            "exit_depth": np.array([depth for depth, _origin in exits], np.int32),
            "letter_terminal": self._terminal,
            "letter_boundary": self._boundary,
            "letters": len(self._terminal),
            "words": self._words,
            "run_exits": self._empty_rows(max(exit_counts)),
        }
        self._pushdown_words: Int64Array = np.empty(0, np.int64)
        """The first words of each block, which describe the parser; empty until they are computed."""

    def _empty_rows(self, count: int) -> Bits:
        """Return `count` rows of letters, as bits. All rows are empty."""
        return np.zeros((count, self._words), np.uint64)

    def _make_block(self, kind: type[Pushdown], fields: Fields) -> Int64Array:
        """Return a block of the class `kind`, with the fields of the parser and the given `fields`. The
        caller must keep the arrays in `fields` alive."""
        block = np.zeros(words_of(kind), np.int64)
        # All kinds of blocks begin with the fields of `Pushdown`, so its words are copied.
        block[: len(self._pushdown_words)] = self._pushdown_words
        for name, value in fields.items():
            block[word_of(kind, name)] = value if isinstance(value, int) else address_of(value)
        return block

    def _make_variables(self) -> Int32Array:
        """Return the variables of the fixpoint, one per row: the frame, the letter (-1: it is a boundary's),
        and the row of letters of its boundary. Variables of letters come first."""
        state_of_frame = self._frames.state
        action_of_letter = self.actions[:, self._terminal]
        # A reduction of an empty rule pushes a symbol, as a shift does. Any other reduction removes the
        # frame's symbol at once, so it needs no variable.
        reduced_rules = np.maximum(-1 - action_of_letter, 0)
        is_empty_rule = (action_of_letter < 0) & (self.sizes[reduced_rules] == 0)
        is_first_alike = np.array(self._first_alike) == np.arange(len(self._terminal))
        has_variable = ((action_of_letter > 0) | is_empty_rule) & is_first_alike
        letter_frames, letters = np.nonzero(has_variable[state_of_frame])
        letter_count = len(letter_frames)
        shape = len(state_of_frame), len(self._terminal)
        self._letter_variable = np.full(shape, -1, np.int32)
        self._letter_variable[letter_frames, letters] = np.arange(letter_count)

        has_boundary = self._find_boundaries(action_of_letter)
        boundary_frames, boundaries = np.nonzero(has_boundary[state_of_frame])
        numbers = letter_count + np.arange(len(boundary_frames))
        shape = len(state_of_frame), self.boundaries
        self._boundary_variable = np.full(shape, -1, np.int32)
        self._boundary_variable[boundary_frames, boundaries] = numbers
        self._boundary_frames = boundary_frames.astype(np.int32)
        self._boundary_numbers = boundaries
        self._boundary_rows = self._put_available_letters(boundary_frames, boundaries)

        variable_count = letter_count + len(boundary_frames)
        variables = np.full((variable_count, 3), -1, np.int32)
        variables[:letter_count, 0] = letter_frames
        variables[:letter_count, 1] = letters
        variables[letter_count:, 0] = boundary_frames
        variables[letter_count:, 2] = self._boundary_rows
        return variables

    def _put_available_letters(self, frames: IndexArray, boundaries: IndexArray) -> Int32Array:
        """Make the rows of letters that may come at boundaries of frames, and return the row of each pair of
        `frames` and `boundaries`. Frames of one context share rows, so there are far fewer rows than
        frames."""
        letter_rows = [0]
        row_of: dict[tuple[int, int, bool], int] = {}
        boundary_rows = []
        for frame, boundary in zip(frames.tolist(), boundaries.tolist(), strict=True):
            context = int(self._tables.context_of[self._frames.state[frame]])
            inside = bool(self._frames.brackets[frame])
            key = context, boundary, inside
            if key not in row_of:
                line, kind = divmod(boundary, self._kinds)
                row_of[key] = len(letter_rows)
                letter_rows.append(self._letters_at(context, line, kind, inside))
            boundary_rows.append(row_of[key])
        self._available = self._as_rows(letter_rows)
        return np.array(boundary_rows, np.int32)

    def _solve_fixpoint(self, variables: Int32Array, fixpoint: Fixpoint | None) -> None:
        """Fill the values of all variables by saturation, or take over those of `fixpoint`."""
        states = self._frames.state[variables[:, 0]]
        exit_counts = np.diff(self._exit_at)[states]
        if fixpoint is None:
            self._values = self._empty_rows(int(exit_counts.sum()))
            self._accepts = np.zeros(len(variables), np.uint8)
        else:
            # They are copied, because an array over the bytes of a file is read-only.
            values = np.frombuffer(fixpoint.values, np.uint64)
            self._values = values.reshape(-1, self._words).copy()
            self._accepts = np.frombuffer(fixpoint.accepts, np.uint8).copy()
        self._parser |= {
            "letter_variable": self._letter_variable,
            "value_at": np.cumsum(exit_counts) - exit_counts,
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
        """The block for walks down a stack, and its arrays. All walks share it, since the caller holds the
        grammar's lock."""
        if fixpoint is None:
            self._saturate_variables(variables)

    def _saturate_variables(self, variables: Int32Array) -> None:
        """Solve the fixpoint. Raises LimitError (oracle_steps)."""
        count = len(variables)
        nonterminals = self.gotos.shape[1]
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
        block = self._make_block(Saturation, fields)
        notes = np.empty((count, 2), np.int32)
        answer = NO_ROOM
        while answer == NO_ROOM:
            # The table was full. The notes are kept: compiled code enters them into a larger table, and
            # continues.
            notes = np.concatenate([notes, np.empty_like(notes)])
            table = _no_slots(2 * len(notes), np.int64)
            new_words = {
                "notes": address_of(notes),
                "note_table": address_of(table),
                "most_notes": len(notes),
                "table_mask": len(table) - 1,
            }
            for name, value in new_words.items():
                block[word_of(Saturation, name)] = value
            answer = saturate_variables(address_of(block), self._limits.oracle_steps * _WORK_PER_STEP)
        if answer == TOO_MUCH:
            raise self._too_much()

    def _find_boundaries(self, action_of_letter: Int32Array) -> BoolArray:
        """Return for each state and boundary whether texts reach it. `action_of_letter`: [states, letters],
        the parser's action."""
        tables = self._tables
        has_boundary = np.zeros((len(tables.actions), self.boundaries), np.bool_)
        # The indenter's letters come after the listed ones, and are always met.
        is_met = [
            letter >= self._letters.listed_count or bool(self._letters.met_bits >> letter & 1)
            for letter in range(len(self._terminal))
        ]
        is_shift = (action_of_letter > 0) & np.array(is_met)
        next_states = action_of_letter[is_shift] - 1
        boundaries = np.broadcast_to(self._boundary, is_shift.shape)[is_shift]
        has_boundary[next_states, boundaries] = True
        # An ignored lexeme does not change the parser's state, but its own carry counts after it.
        for kind, contexts in self._letters.kinds_behind_ignored().items():
            has_boundary[np.isin(tables.context_of, list(contexts)), kind] = True
        has_boundary[tables.start, self._letters.first_kind] = True
        has_boundary[:, 0] = True
        return has_boundary

    def _letters_at(
        self,
        context: int,
        line: int,
        kind: int,
        inside: bool,
    ) -> int:
        """Return the letters that may come at a boundary, as bits.

        The boundary is a `line` and a `kind`, in a `context` of the parser; `inside`: a bracket is open.
        `_letters_at(context, LINE, kind, False)` has the indenter's letters for an opened and a closed block,
        for example."""
        if kind == UNSETTLED:
            return 0
        if line == ENDING:
            return 1 | 1 << self._last_dedent
        bits = self._letters.available_letters(context, kind, inside) & self._known_letters
        if self._newline >= 0:
            if bits & 1:  # bit 0: the text may end here, after the open blocks are closed
                bits |= 1 << self._last_dedent
            if line != PLAIN:
                bits |= 1 << self._dedents[kind]
            if line == LINE:
                bits |= 1 << self._indents[kind]
        return bits

    def _as_rows(self, letter_sets: Sequence[int]) -> UInt64Array:
        """Return sets of letters, each given as the bits of one int, as rows of 64-bit words. Each letter is
        replaced by the first letter that the parser treats alike."""
        row_bytes = bytearray()
        for letters in letter_sets:
            first_letters = letters & ~self._later_alike
            for letter in bit_numbers(letters & self._later_alike):
                first_letters |= 1 << self._first_alike[letter]
            row_bytes += first_letters.to_bytes(8 * self._words, "little")
        words = np.frombuffer(row_bytes, np.uint64)
        return words.reshape(-1, self._words).copy()

    def _find_certain(self) -> ByteArray:
        """Return `certain`, found by compiled code."""
        frames = self._frames
        frame_count = len(frames.state)
        boundary_count = len(self._boundary_frames)
        room = boundary_count + _MOST_CHOICES
        # `np.empty` takes memory only where it is written to, and most grammars need little of it.
        ways = np.empty(_WORDS_PER_NODE * room, np.int32)
        table = _no_slots(2 * room, np.int32)
        nodes = np.empty(boundary_count, np.int32)
        lives = np.zeros(room, np.uint8)
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
            "marks": np.zeros(frame_count, np.int32),
            "here": np.empty(frame_count, np.int32),
            "then": np.empty(frame_count, np.int32),
        }
        block = self._make_block(CertainSearch, fields)
        find_certain(address_of(block))
        shape = len(self._tables.actions), self.boundaries, 2
        is_certain = np.zeros(shape, np.uint8)
        states = frames.state[self._boundary_frames]
        is_inside = (frames.brackets[self._boundary_frames] > 0).astype(np.int64)
        is_certain[states, self._boundary_numbers, is_inside] = 1
        # Frames that differ in the number of open brackets share one entry. If one of them is refuted, the
        # entry is.
        refuted = np.flatnonzero(lives[nodes] == 0)
        is_certain[states[refuted], self._boundary_numbers[refuted], is_inside[refuted]] = 0
        return is_certain

    def _too_much(self) -> LimitError:
        return LimitError(
            "The continuations of the grammar's texts could not be determined within the limit.",
            limit="oracle_steps",
            where="grammar",
            cure="Make the grammar smaller; or increase it with limits=sg.Limits(oracle_steps=...).",
        )

    @property
    def is_exact(self) -> bool:
        """Whether letters alone decide which texts go on. For this the parser's stack must determine how many
        brackets and blocks are open, and a newline must be able to have any width."""
        return self._frames.is_exact and self._letters.tell_lines

    # --- exact answers --------------------------------------------------------------------------------------

    def reaches_end(
        self,
        states: Sequence[int],
        inside: bool,
        letters: Sequence[int],
    ) -> bool | None:
        """Return whether some text goes on from a stack after one of the `letters`. None: letters cannot
        decide it, so a completion must be searched for.

        `states`: the states on the stack, the bottom first; `inside`: whether a bracket is open. Example:
        `reaches_end([0, 4], False, [7])`."""
        needs_column = self._letters.keeps_column and not inside
        bits = 0
        for letter in letters:
            bits |= 1 << letter
            terminal, _kind = self._letters.letters[letter]
            if needs_column and terminal == self._newline:
                return None
        is_live, is_sure = self._search_end(states, inside, bits)
        if not self.is_exact:
            return None
        # A positive answer is certain. A negative one is certain only where all letters are known.
        return is_live if is_live or is_sure else None

    def is_live_before_lexeme(
        self,
        states: Sequence[int],
        inside: bool,
        lexeme: int,
    ) -> bool | None:
        """Return whether some text goes on before a lexeme is read. None: letters cannot decide it, so a
        completion must be searched for. `states`, `inside`: as in `reaches_end`; `lexeme`: the state of the
        lexer."""
        if not self._frames.is_exact:
            return None
        context = int(self._tables.context_of[states[-1]])
        letters = self._letters.letters_in(context, inside, lexeme)
        is_live, is_sure = self._search_end(states, inside, letters)
        is_decided = self.is_exact if is_live else is_sure
        return is_live if is_decided else None

    def _search_end(
        self,
        states: Sequence[int],
        inside: bool,
        letters: int,
    ) -> tuple[bool, bool]:
        """Return a pair of flags: whether some text goes on from a stack after one of the letters (bits), and
        whether no other letters may come, also after ignored lexemes. Parameters as in `reaches_end`."""
        context = int(self._tables.context_of[states[-1]])
        first_letters = 0
        met_letters = letters
        for letter in bit_numbers(letters):
            terminal, kind = self._letters.letters[letter]
            is_ignored = terminal in self._tables.ignored_terminals
            if is_ignored or (inside and terminal == self._newline):
                # The parser does not see this lexeme: it reads a letter after it.
                first_letters |= self._letters_at(context, PLAIN, kind, inside)
                if kind != UNSETTLED:
                    met_letters |= self._letters.available_letters(context, kind, inside)
            else:
                first_letters |= 1 << letter & self._known_letters
        is_sure = self._letters.are_all(met_letters)
        stack = self._frames.frames_of_stack(states)
        if stack is None:
            return False, is_sure
        block, fields = self._descent
        fields["waiting"].fill(0)
        fields["done"].fill(0)
        fields["fresh"][:] = self._as_rows([first_letters])
        block[_STACK] = address_of(stack)
        block[_STACK + 1] = len(stack)
        answer = reaches_text_end(address_of(block), self._limits.oracle_steps * _WORK_PER_STEP)
        if answer == TOO_MUCH:
            raise self._too_much()
        return answer == 1, is_sure


def _no_slots(min_slots: int, kind: type[np.generic]) -> Array:
    """Return a hash table of free slots (-1). Its size is a power of two, and `min_slots` at least."""
    return np.full(1 << (min_slots - 1).bit_length(), -1, kind)


def alike_terminals(tables: ParserTables) -> list[int]:
    """Return for each terminal the first terminal that the parser treats alike. In `op: "+" | "-"` the
    terminals "+" and "-" are alike. The terminals of lines and brackets represent only themselves."""
    actions = tables.actions
    # Rules that make the same nonterminal of as many symbols change the stack alike: they get one code.
    shapes = [(rule.origin, len(rule.symbols)) for rule in tables.rules]
    _shapes, shape_of_rule = np.unique(np.array(shapes), axis=0, return_inverse=True)
    reduced_rules = np.maximum(-1 - actions, 0)
    reduced_shapes = shape_of_rule.reshape(-1)[reduced_rules]
    codes = np.where(actions < 0, -1 - reduced_shapes, 0)
    # States that only reduce, and reduce alike, are treated as one: the alternatives of a rule end in them.
    only_reduces = actions.max(axis=1) <= 0
    state_of_codes: dict[bytes, int] = {}
    first_states = np.arange(len(actions))
    for state in np.flatnonzero(only_reduces).tolist():
        first_states[state] = state_of_codes.setdefault(codes[state].tobytes(), state)
    shifted_states = np.maximum(actions - 1, 0)
    columns = np.where(actions > 0, 1 + first_states[shifted_states], codes).T
    special = {END, *tables.ignored_terminals}
    indentation = tables.indentation
    if indentation is not None:
        special |= {indentation.newline, indentation.indent, indentation.dedent}
        special |= {*indentation.opening, *indentation.closing}
    first_of: dict[bytes, int] = {}
    return [
        terminal if terminal in special else first_of.setdefault(column.tobytes(), terminal)
        for terminal, column in enumerate(np.ascontiguousarray(columns))
    ]
