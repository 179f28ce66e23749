"""The lexer's states as arrays that compiled code reads: moves, ends, starts, what a byte does to a carry.

Rows are made where they are asked for; -2 (UNKNOWN) stands where nobody has asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import Int32s, word_of, words_of
from structgen.grammars.lark_grammars.lexer.contextual_lexer import Lexer
from structgen.grammars.text_grammars.machine.language import Config
from structgen.machines.machine_core.lexeme_layout import UNASKED, UNKNOWN, LexemeContext
from structgen.machines.machine_core.lexeme_tables import GrownArray, byte_sets


class LexerContext(LexemeContext):
    """The block of compiled code, as far as the lexer writes to it."""

    contexts: int
    ways: int
    """How many kinds of starts there are: of lexemes, and of the texts of each bound terminal."""
    last_at: Int32s
    lasts: Int32s
    starts: Int32s


class LexerTables:
    """The arrays of one lexer."""

    def __init__(
        self,
        lexer: Lexer,
        context: npt.NDArray[np.int64] | None = None,
        kept_arrays: Mapping[str, npt.NDArray[Any]] = MappingProxyType({}),
    ) -> None:
        """`context`: of compiled code, where any reads them. `kept_arrays`: the arrays that another process
        has kept; they are written to."""
        self.lexer = lexer
        tables, width = lexer.tables, lexer.width
        indentation = tables.indentation
        self._newline = -1 if indentation is None else indentation.newline
        self.contexts = len(tables.contexts)

        block = np.zeros(words_of(LexerContext), np.int64) if context is None else context

        def grow_array(name: str, columns: int, kind: type[np.generic], fill_value: int) -> GrownArray:
            word = word_of(LexerContext, name)
            return self._every.setdefault(
                name, GrownArray(block, [word], columns, kind, fill_value, kept_arrays.get(name))
            )

        self._every: dict[str, GrownArray] = {}
        """By the names of their fields."""

        self._moves = grow_array("moves", width, np.int32, UNKNOWN)
        self._end_at = grow_array("lexeme_end_at", 2, np.int32, 0)
        self._ends = grow_array("lexeme_ends", 2, np.int32, 0)
        self._last_at = grow_array("last_at", 2, np.int32, UNKNOWN)
        self._lasts = grow_array("lasts", 1, np.int32, 0)
        self._may_break = grow_array("may_break", 1, np.uint8, 0)
        self._end_class = grow_array("end_class", 1, np.int32, UNKNOWN)
        grow_array("like", 1, np.int32, UNKNOWN)
        self._starts = grow_array("starts", self.contexts * lexer.ways, np.int32, UNKNOWN)
        self._carry_moves = grow_array("carry_moves", width, np.uint8, UNASKED)
        self._carry_bytes = grow_array("carry_bytes", 8, np.int64, 0)
        self.classes = kept_arrays.get("classes", np.array(lexer.classes, np.uint8)).reshape(-1)
        words = [word_of(LexerContext, name) for name in ("classes", "width", "contexts", "ways")]
        block[words] = address_of(self.classes), width, self.contexts, lexer.ways
        self._states_written = len(kept_arrays.get("moves", ()))

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by the names of their fields, as far as they are in use."""
        counts = dict.fromkeys(("starts", "carry_moves", "carry_bytes"), len(self.lexer.carries))
        counts |= {"lexeme_ends": self._ends.count, "lasts": self._lasts.count}
        grown = self._every.items()
        arrays = {name: array.rows[: counts.get(name, self._states_written)] for name, array in grown}
        return arrays | {"classes": self.classes}

    @property
    def moves(self) -> npt.NDArray[np.int32]:
        """[states, classes]: the state after a byte."""
        return self._moves.rows

    @property
    def end_class(self) -> npt.NDArray[np.int32]:
        """[states]: the class of endings (`letters`)."""
        return self._end_class.rows[:, 0]

    def may_break(self, state: int) -> bool:
        """Return whether a state's lexeme may be the indenter's newline."""
        return bool(self._may_break.rows[state, 0])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(int(array.rows.nbytes) for array in self._every.values())

    # --- answers --------------------------------------------------------------------------------------------

    def put_row(self, state: int) -> None:
        """Write the moves of a state."""
        if self._moves.rows[state, 0] == UNKNOWN:
            row = self.lexer.moves_of(state)
            self._write_new_states()
            self._moves.rows[state] = row

    def start(self, context: int, carry: int) -> int:
        """Return the state before a lexeme, DEAD where there is none; written for compiled code."""
        self._reserve_carries()
        state = int(self._starts.rows[carry, context])
        if state == UNKNOWN:
            state = self.lexer.start(context, carry)
            self._write_new_states()
            self._starts.rows[carry, context] = state
        return state

    def start_states(self, context: int, carry: int) -> list[int]:
        """Return the states before a lexeme, and before the bound texts that may come in its place."""
        start_numbers = range(context, self.contexts * self.lexer.ways, self.contexts)
        return [state for start in start_numbers if (state := self.start(start, carry)) >= 0]

    def bound_in(self, state: int, config: Config) -> int:
        """Return the state further in a bound text, in another configuration; written for compiled code."""
        state_after = self.lexer.bound_in(state, config)
        self._write_new_states()
        return state_after

    def put_carry(self, carry: int) -> None:
        """Write what each class of bytes does to a carry."""
        self._reserve_carries()
        if self._carry_moves.rows[carry, 0] != UNASKED:
            return
        row = np.array(self.lexer.carry_moves(carry), np.uint8)
        of_bytes = row[self.classes]
        bits = np.array((of_bytes == 1, of_bytes == 2), np.uint8)
        self._carry_bytes.rows[carry] = byte_sets(bits).reshape(-1)
        self._carry_moves.rows[carry] = row  # last: it says that the carry is known

    def put_lasts(self, state: int) -> None:
        """Write as what a lexeme may end together with the text; -1 among them: nothing has begun, and what
        is owed is met there."""
        lexer = self.lexer
        terminals = lexer.ends_with_text(state)
        lexer_state = lexer.states[state]
        if not lexer_state.has_begun and lexer_state.bound is None and lexer.is_met_at_end(state):
            terminals.append(-1)
        self._last_at.rows[state] = self._lasts.append(terminals)

    def _reserve_carries(self) -> None:
        carries = len(self.lexer.carries)
        for array in (self._starts, self._carry_moves, self._carry_bytes):
            array.reserve(carries)

    def _write_new_states(self) -> None:
        """Write what new states may end as."""
        lexer = self.lexer
        count = len(lexer.states)
        if count == self._states_written:
            return
        for name in ("moves", "lexeme_end_at", "last_at", "may_break", "end_class", "like"):
            self._every[name].reserve(count)
        self._reserve_carries()
        while self._states_written < count:
            state, number = lexer.states[self._states_written], self._states_written
            self._end_at.rows[number] = self._ends.append(state.ends)
            if self._newline >= 0:
                of, ends_as = lexer.items.items, lexer.instructions.ends_as
                ways = *(ends_as[of[item].at] for item in state.items), *(end[0] for end in state.ends)
                inside = None if state.bound is None else state.bound[0]
                self._may_break.rows[number] = self._newline in (*ways, inside)
            self._states_written += 1
