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
        kept: Mapping[str, npt.NDArray[Any]] = MappingProxyType({}),
    ) -> None:
        """`context`: of compiled code, where any reads them. `kept`: the arrays that another process has
        kept; they are written to."""
        self.lexer = lexer
        tables, width = lexer.tables, lexer.width
        indentation = tables.indentation
        self._newline = -1 if indentation is None else indentation.newline
        self.contexts = len(tables.contexts)

        told = np.zeros(words_of(LexerContext), np.int64) if context is None else context

        def grown(name: str, columns: int, kind: type[np.generic], filled: int) -> GrownArray:
            word = word_of(LexerContext, name)
            return self._every.setdefault(
                name, GrownArray(told, [word], columns, kind, filled, kept.get(name))
            )

        self._every: dict[str, GrownArray] = {}
        """By the names of their fields."""

        self._moves = grown("moves", width, np.int32, UNKNOWN)
        self._end_at = grown("lexeme_end_at", 2, np.int32, 0)
        self._ends = grown("lexeme_ends", 2, np.int32, 0)
        self._last_at = grown("last_at", 2, np.int32, UNKNOWN)
        self._lasts = grown("lasts", 1, np.int32, 0)
        self._may_break = grown("may_break", 1, np.uint8, 0)
        self._end_class = grown("end_class", 1, np.int32, UNKNOWN)
        grown("like", 1, np.int32, UNKNOWN)
        self._starts = grown("starts", self.contexts * lexer.ways, np.int32, UNKNOWN)
        self._carry_moves = grown("carry_moves", width, np.uint8, UNASKED)
        self._carry_bytes = grown("carry_bytes", 8, np.int64, 0)
        self.classes = kept.get("classes", np.array(lexer.classes, np.uint8)).reshape(-1)
        words = [word_of(LexerContext, name) for name in ("classes", "width", "contexts", "ways")]
        told[words] = address_of(self.classes), width, self.contexts, lexer.ways
        counts = (len(kept.get(name, ())) for name in ("moves", "lexeme_ends", "lasts"))
        self._noted, self._end_count, self._last_count = counts

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by the names of their fields, as far as they are in use."""
        counts = dict.fromkeys(("starts", "carry_moves", "carry_bytes"), len(self.lexer.carries))
        counts |= {"lexeme_ends": self._end_count, "lasts": self._last_count}
        grown = self._every.items()
        arrays = {name: array.rows[: counts.get(name, self._noted)] for name, array in grown}
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
            row = self.lexer.moves(state)
            self._note()
            self._moves.rows[state] = row

    def start(self, context: int, carry: int) -> int:
        """Return the state before a lexeme, DEAD where there is none; written for compiled code."""
        self._reserve_carries()
        known = int(self._starts.rows[carry, context])
        if known == UNKNOWN:
            known = self.lexer.start(context, carry)
            self._note()
            self._starts.rows[carry, context] = known
        return known

    def begun(self, context: int, carry: int) -> list[int]:
        """Return the states before a lexeme, and before the bound texts that may come in its place."""
        every = range(context, self.contexts * self.lexer.ways, self.contexts)
        return [state for start in every if (state := self.start(start, carry)) >= 0]

    def bound_in(self, state: int, config: Config) -> int:
        """Return the state further in a bound text, in another configuration; written for compiled code."""
        state_after = self.lexer.bound_in(state, config)
        self._note()
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
        told = lexer.states[state]
        if not told.has_begun and told.bound is None and lexer.is_met_at_end(state):
            terminals.append(-1)
        self._lasts.reserve(self._last_count + len(terminals))
        first = self._last_count
        self._lasts.rows[first : first + len(terminals), 0] = terminals
        self._last_count += len(terminals)
        self._last_at.rows[state] = first, self._last_count

    def _reserve_carries(self) -> None:
        carries = len(self.lexer.carries)
        for array in (self._starts, self._carry_moves, self._carry_bytes):
            array.reserve(carries)

    def _note(self) -> None:
        """Write what new states may end as."""
        lexer = self.lexer
        count = len(lexer.states)
        if count == self._noted:
            return
        for name in ("moves", "lexeme_end_at", "last_at", "may_break", "end_class", "like"):
            self._every[name].reserve(count)
        self._reserve_carries()
        while self._noted < count:
            state, number = lexer.states[self._noted], self._noted
            first = self._end_count
            self._ends.reserve(first + len(state.ends))
            for terminal, carry in state.ends:
                self._ends.rows[self._end_count] = terminal, carry
                self._end_count += 1
            self._end_at.rows[number] = first, self._end_count
            if self._newline >= 0:
                of, ends_as = lexer.items.items, lexer.instructions.ends_as
                ways = *(ends_as[of[item].at] for item in state.items), *(end[0] for end in state.ends)
                inside = None if state.bound is None else state.bound[0]
                self._may_break.rows[number] = self._newline in (*ways, inside)
            self._noted += 1
