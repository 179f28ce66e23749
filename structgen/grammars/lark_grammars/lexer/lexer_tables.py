"""Writes the states of the lexer into arrays that compiled code reads.

A *move* is the state after a byte. An *end* is a terminal that the lexeme may become before the next byte,
with its *carry*: what the text after the lexeme must meet. A *start* is the state before a lexeme, for a
*context* (the terminals that lark's lexer looks for in a state of the parser) and the carry of the lexeme
before. With NAME: /[a-z]+/, the state after `ab` has the end NAME, whose carry demands: no letter follows.
Bytes that all patterns treat alike are one *class*, and moves have a column for each class.

A row is computed when it is asked for; until then its cells are UNKNOWN (-2), or UNASKED for carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from structgen.base.native.array_types import Array, Int32Array, Int64Array
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import Int32s, word_of, words_of
from structgen.grammars.lark_grammars.lexer.contextual_lexer import NOTHING_OWED, OWED, Lexer, LexerState
from structgen.grammars.text_grammars.machine.language import Config
from structgen.machines.machine_core.lexeme_layout import UNASKED, UNKNOWN, LexemeContext
from structgen.machines.machine_core.lexeme_tables import GrownArray, byte_sets


class LexerContext(LexemeContext):
    """The block of compiled code, as far as the lexer writes to it."""

    contexts: int
    ways: int
    """How many kinds of starts there are: one for lexemes, and one for the texts of each bound terminal."""
    last_at: Int32s
    """[states, 2]: where the terminals of a state begin and end in `lasts`; UNKNOWN: not asked yet."""
    lasts: Int32s
    """The terminals as which a lexeme may end together with the text (`LexerTables.put_lasts`)."""
    starts: Int32s
    """[carries, ways * contexts]: the state before a lexeme or a bound text; DEAD, or UNKNOWN."""


class LexerTables:
    """The arrays of one lexer."""

    def __init__(
        self,
        lexer: Lexer,
        context: Int64Array | None = None,
        kept_arrays: Mapping[str, Array] = MappingProxyType({}),
    ) -> None:
        """Make the arrays of a `lexer`. `context`: the block of the compiled code that reads them; None: no
        compiled code does. `kept_arrays`: the arrays that another process has kept, by the names of their
        fields; this object extends them."""
        self.lexer = lexer
        width = lexer.width
        indentation = lexer.tables.indentation
        # -1: the grammar has no indenter, and no terminal is its newline.
        self._newline = -1 if indentation is None else indentation.newline
        self.contexts = len(lexer.tables.contexts)
        # Without compiled code a block is made that nobody reads, so that the code below stays the same.
        block = np.zeros(words_of(LexerContext), np.int64) if context is None else context
        self._arrays_by_name: dict[str, GrownArray] = {}
        """The arrays by the names of their fields."""

        def grow_array(
            name: str,
            columns: int,
            kind: type[np.generic],
            fill_value: int,
        ) -> GrownArray:
            """Make the array of the field `name`, with so many `columns` of a `kind` of numbers; new rows
            have `fill_value`: `grow_array("moves", width, np.int32, UNKNOWN)`."""
            word = word_of(LexerContext, name)
            array = GrownArray(block, [word], columns, kind, fill_value, kept_arrays.get(name))
            self._arrays_by_name[name] = array
            return array

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
        # 8 words: two sets of 256 bits (`put_carry`).
        self._carry_bytes = grow_array("carry_bytes", 8, np.int64, 0)
        self.classes = kept_arrays.get("classes", np.array(lexer.classes, np.uint8)).reshape(-1)
        words = {
            "classes": address_of(self.classes),
            "width": width,
            "contexts": self.contexts,
            "ways": lexer.ways,
        }
        for name, value in words.items():
            block[word_of(LexerContext, name)] = value
        self._states_written = len(kept_arrays.get("moves", ()))
        """How many states have rows."""

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays by the names of their fields, as far as they are in use."""
        counts = dict.fromkeys(("starts", "carry_moves", "carry_bytes"), len(self.lexer.carries))
        counts |= {"lexeme_ends": self._ends.count, "lasts": self._lasts.count}
        arrays = {"classes": self.classes}
        for name, array in self._arrays_by_name.items():
            # The arrays without a count of their own have a row for each state.
            count = counts.get(name, self._states_written)
            arrays[name] = array.rows[:count]
        return arrays

    @property
    def moves(self) -> Int32Array:
        """The moves, [states, classes]: the state after a byte of the class; DEAD, or UNKNOWN."""
        return self._moves.rows

    @property
    def end_class(self) -> Int32Array:
        """The classes of the states' endings, [states] (`Letters` numbers them); UNKNOWN: not asked yet."""
        return self._end_class.rows[:, 0]

    def may_break(self, state: int) -> bool:
        """Return whether the lexeme of a state may still become the indenter's newline."""
        return bool(self._may_break.rows[state, 0])

    @property
    def nbytes(self) -> int:
        """The memory of the arrays, in bytes."""
        return sum(int(array.rows.nbytes) for array in self._arrays_by_name.values())

    # --- answers --------------------------------------------------------------------------------------------

    def put_row(self, state: int) -> None:
        """Write the moves of a state, unless they are written."""
        if self._moves.rows[state, 0] == UNKNOWN:
            row = self.lexer.moves_of(state)
            # The moves name other states. Compiled code may read these as soon as the row is written.
            self._write_new_states()
            self._moves.rows[state] = row

    def start(self, context: int, carry: int) -> int:
        """Return the state before a lexeme, or DEAD where none may begin, and write it for compiled code.
        `context` and `carry` are those of `Lexer.start`."""
        self._reserve_carries()
        state = int(self._starts.rows[carry, context])
        if state == UNKNOWN:
            state = self.lexer.start(context, carry)
            self._write_new_states()
            self._starts.rows[carry, context] = state
        return state

    def start_states(self, context: int, carry: int) -> list[int]:
        """Return the states before a lexeme, and before the bound texts that may come in its place, in a
        `context` of the parser after a `carry`. Starts that are DEAD are left out."""
        # A start number is the parser's context, and `contexts` more for each bound terminal (`Lexer.start`).
        start_numbers = range(context, self.contexts * self.lexer.ways, self.contexts)
        states = [self.start(number, carry) for number in start_numbers]
        return [state for state in states if state >= 0]

    def bound_in(self, state: int, config: Config) -> int:
        """Return the state in the same bound text as `state`, in the configuration `config` of its language;
        write it for compiled code."""
        state_after = self.lexer.bound_in(state, config)
        self._write_new_states()
        return state_after

    def put_carry(self, carry: int) -> None:
        """Write for each class of bytes what it does to a carry: BROKEN, NOTHING_OWED or OWED."""
        self._reserve_carries()
        if self._carry_moves.rows[carry, 0] != UNASKED:
            return
        row = np.array(self.lexer.carry_moves(carry), np.uint8)
        # Two sets of bytes: those that fulfil the carry, and those after which a part of it is open.
        moves_of_bytes = row[self.classes]
        is_move = np.array((moves_of_bytes == NOTHING_OWED, moves_of_bytes == OWED), np.uint8)
        self._carry_bytes.rows[carry] = byte_sets(is_move).reshape(-1)
        self._carry_moves.rows[carry] = row  # last, since this row tells that the carry is written

    def put_lasts(self, state: int) -> None:
        """Write the terminals that the lexeme of a state may become if the text ends here. The entry -1
        stands for no lexeme: none has begun, and the end of the text meets what the last one demands."""
        lexer = self.lexer
        terminals = lexer.ends_with_text(state)
        lexer_state = lexer.states[state]
        if not lexer_state.has_begun and lexer_state.bound is None and lexer.is_met_at_end(state):
            terminals.append(-1)
        self._last_at.rows[state] = self._lasts.append(terminals)

    def _reserve_carries(self) -> None:
        """Make rows for new carries."""
        carry_count = len(self.lexer.carries)
        for array in (self._starts, self._carry_moves, self._carry_bytes):
            array.reserve(carry_count)

    def _write_new_states(self) -> None:
        """Make the rows of the states that the lexer has made since the last call, and write their ends."""
        lexer = self.lexer
        count = len(lexer.states)
        if count == self._states_written:
            return
        for name in ("moves", "lexeme_end_at", "last_at", "may_break", "end_class", "like"):
            self._arrays_by_name[name].reserve(count)
        self._reserve_carries()
        while self._states_written < count:
            number = self._states_written
            state = lexer.states[number]
            self._end_at.rows[number] = self._ends.append(state.ends)
            if self._newline >= 0:
                self._may_break.rows[number] = self._newline in self._possible_terminals(state)
            # Counted last, so that after an interrupt a state is written again.
            self._states_written += 1

    def _possible_terminals(self, state: LexerState) -> list[int]:
        """Return the terminals that the lexeme of a state may become, now or later."""
        items = self.lexer.items.items
        ends_as = self.lexer.instructions.ends_as
        terminals = [ends_as[items[item].at] for item in state.items]
        terminals += [terminal for terminal, _carry in state.ends]
        if state.bound is not None:
            terminals.append(state.bound[0])
        return terminals
