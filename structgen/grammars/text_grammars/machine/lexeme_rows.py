"""`LexemeRows`: answers the questions of compiled code about a language with lexemes, and holds the arrays.

A *lexeme* is the text of one terminal; the *lexer* reads inside lexemes. A *place* is the parser between two
lexemes. The questions are: the lexer's state after a byte, the terminals that may end there, the place after
a terminal, and the lexer's state at a place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from structgen.base.native.array_types import ByteArray
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.text_grammars.machine import stepping, text_masks
from structgen.grammars.text_grammars.machine.language import Config, Language
from structgen.grammars.text_grammars.machine.stepping import TextContext
from structgen.machines.machine_core.growing_tables import EDGES, GrowingTables
from structgen.machines.machine_core.lexeme_layout import ASK_ROW, UNKNOWN
from structgen.machines.machine_core.lexeme_records import ask_row
from structgen.machines.machine_core.lexeme_tables import GrownArray, RecordTables, byte_sets
from structgen.machines.machine_core.token_steps import put_edge


class LexemeRows:
    """The rows of the states of a lexer. Callers hold the lock of the grammar."""

    def __init__(self, language: Language, tables: GrowingTables, records: RecordTables) -> None:
        """`language`: a language with lexemes. `tables`: the arrays that grow. `records`: the tables of the
        records of what tokens do inside a lexeme."""
        assert language.lexemes is not None
        self._lexemes = language.lexemes
        self._tables = tables
        width = len(set(language.classes))

        def new_array(name: str, columns: int, initial: int) -> GrownArray:
            return GrownArray(tables.context, [word_of(TextContext, name)], columns, np.int32, initial)

        self._moves = new_array("moves", width, UNKNOWN)
        self._like = new_array("like", 1, UNKNOWN)
        self._end_at = new_array("lexeme_end_at", 2, 0)
        self._ends = new_array("lexeme_ends", 2, 0)
        self._readings = new_array("readings", 1, 0)
        begins = self._lexeme_beginnings(width)
        begin_bytes = byte_sets(begins[:, np.frombuffer(language.classes, np.uint8)])
        # A *carry* is a demand that a lexeme passes on to the next one. Lexemes here pass on none, so there
        # is one carry, and every byte may follow it.
        all_bytes = np.repeat(np.array([-1, 0]), 4)
        self._arrays: dict[str, Any] = {
            "carry_moves": np.ones(width, np.uint8),
            "carry_bytes": all_bytes,
            "begins": begins,
            "begin_bytes": begin_bytes,
        }
        for name, array in self._arrays.items():
            tables.context[word_of(TextContext, name)] = address_of(array)
        records.hook(miss=ask_row, read_bytes=text_masks.place_behind, begin_lexeme=text_masks.state_behind)

    def _lexeme_beginnings(self, width: int) -> ByteArray:
        """Return for each terminal and each class of bytes whether the next lexeme may begin with such a
        byte. `width`: the number of classes."""
        terminals = self._lexemes.terminals
        begins = np.zeros((terminals, width), np.uint8)
        known_rows: dict[tuple[int, ...], Any] = {}
        """Many terminals are followed by the same states."""
        for terminal in range(terminals):
            states = tuple(self._lexemes.states_after_terminal(terminal))
            if states not in known_rows:
                rows = [self._lexemes.states_by_class(state) for state in states]
                states_after = np.array(rows or [[-1] * width])
                known_rows[states] = (states_after >= 0).any(axis=0)
            begins[terminal] = known_rows[states]
        return begins

    def answer(self, kind: int, first: int, second: int, third: int, config: Callable[[int], Config]) -> None:
        """Answer a question of compiled code. `config`: returns the configuration of a state by its number.
        Raises LimitError. For example, the kind ASK_ROW asks for the row of the lexer's state `first`; of the
        others, which are ASK_START, `first` says what is asked (READ, BEGUN, READINGS)."""
        if kind == ASK_ROW:
            row = self._lexemes.states_by_class(first)
            self._note_ends(max(row))
            self._moves.rows[first] = row
            return
        if first == stepping.READ:
            answer = self._lexemes.place_after(second, third)
            if answer >= 0:
                # the lexer's state there is asked next: it saves one question
                self._write_edge(stepping.BEGUN, answer, 0, self._begin_lexeme(answer))
        elif first == stepping.BEGUN:
            answer = self._begin_lexeme(second)
        else:
            readings = self._lexemes.readings(config(second))
            self._note_ends(max((state for _, state in readings), default=-1))
            numbers = [len(readings)]
            for reading in readings:
                numbers += reading
            answer, _ = self._readings.append(numbers)
        self._write_edge(first, second, third, answer)

    def _begin_lexeme(self, place: int) -> int:
        """Return the lexer's state before the first byte at a place, with its ends written."""
        state: int = self._lexemes.lexer_state_at(place)
        self._note_ends(state)
        return state

    def _write_edge(self, kind: int, first: int, second: int, target: int) -> None:
        """Write an answer where compiled code looks for it, such as `READ, place, terminal, place_after`."""
        self._tables.make_room(EDGES, 1)
        put_edge(self._tables.address, first, second, kind, target)

    def _note_ends(self, state: int) -> None:
        """Write the terminals that may end in a state, and in those with smaller numbers."""
        self._moves.reserve(state + 1)
        self._like.reserve(state + 1)
        # states are numbered from 0 on, so that a row of each follows the rows before it
        while self._end_at.count <= state:
            terminals = self._lexemes.ended_terminals(self._end_at.count)
            bounds = self._ends.append([(terminal, 0) for terminal in terminals])
            self._end_at.append([bounds])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = self._moves, self._like, self._end_at, self._ends, self._readings
        return sum(int(array.rows.nbytes) for array in arrays)
