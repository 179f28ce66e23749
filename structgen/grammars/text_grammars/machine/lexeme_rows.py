"""`LexemeRows`: what compiled code asks of a language that has lexemes, and the arrays with the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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
    """The rows of the states of a lexer. Under the lock of the grammar."""

    def __init__(self, language: Language, tables: GrowingTables, records: RecordTables) -> None:
        assert language.lexemes is not None
        self._lexemes = language.lexemes
        self._tables = tables
        width, terminals = len(set(language.classes)), self._lexemes.terminals

        def new_array(name: str, columns: int, initial: int) -> GrownArray:
            return GrownArray(tables.context, [word_of(TextContext, name)], columns, np.int32, initial)

        self._moves = new_array("moves", width, UNKNOWN)
        self._like = new_array("like", 1, UNKNOWN)
        self._end_at, self._ends = new_array("lexeme_end_at", 2, 0), new_array("lexeme_ends", 2, 0)
        self._readings = new_array("readings", 1, 0)
        # a lexeme owes nothing to those before it: there is one carry
        begins = np.zeros((terminals, width), np.uint8)
        numbers: dict[tuple[int, ...], Any] = {}
        for terminal in range(terminals):
            states = tuple(self._lexemes.states_after_terminal(terminal))
            if states not in numbers:
                rows = [self._lexemes.states_by_class(state) for state in states]
                numbers[states] = (np.array(rows or [[-1] * width]) >= 0).any(axis=0)
            begins[terminal] = numbers[states]
        bits = byte_sets(begins[:, np.frombuffer(language.classes, np.uint8)])
        every = np.repeat(np.array([-1, 0]), 4)
        self._arrays: dict[str, Any] = {
            "carry_moves": np.ones(width, np.uint8),
            "carry_bytes": every,
            "begins": begins,
            "begin_bytes": bits,
        }
        for name, array in self._arrays.items():
            tables.context[word_of(TextContext, name)] = address_of(array)
        records.hook(miss=ask_row, read_bytes=text_masks.place_behind, begin_lexeme=text_masks.state_behind)

    def answer(self, kind: int, first: int, second: int, third: int, config: Callable[[int], Config]) -> None:
        """Answer a question of compiled code. `config`: returns the configuration of a state by its number.
        Raises LimitError."""
        if kind == ASK_ROW:
            row = self._lexemes.states_by_class(first)
            self._note_ends(max(row))
            self._moves.rows[first] = row
            return
        if first == stepping.READ:
            answer = self._lexemes.place_after(second, third)
            if answer >= 0:
                self._write_row(stepping.BEGUN, answer, 0, self._begin_row(answer))
        elif first == stepping.BEGUN:
            answer = self._begin_row(second)
        else:
            readings = self._lexemes.readings(config(second))
            self._note_ends(max((state for _place, state in readings), default=-1))
            flat = [len(readings), *(number for reading in readings for number in reading)]
            answer, _last = self._readings.append(flat)
        self._write_row(first, second, third, answer)

    def _begin_row(self, place: int) -> int:
        state: int = self._lexemes.lexer_state_at(place)
        self._note_ends(state)
        return state

    def _write_row(self, kind: int, first: int, second: int, target: int) -> None:
        self._tables.make_room(EDGES, 1)
        put_edge(self._tables.address, first, second, kind, target)

    def _note_ends(self, state: int) -> None:
        """Write as what lexemes may end in a state, and in those with smaller numbers."""
        self._moves.reserve(state + 1)
        self._like.reserve(state + 1)
        while self._end_at.count <= state:
            ends = self._lexemes.ended_terminals(self._end_at.count)
            self._end_at.append([self._ends.append([(terminal, 0) for terminal in ends])])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = self._moves, self._like, self._end_at, self._ends, self._readings
        return sum(int(array.rows.nbytes) for array in arrays)
