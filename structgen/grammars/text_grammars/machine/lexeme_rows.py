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

        def grown(name: str, columns: int, filled: int) -> GrownArray:
            return GrownArray(tables.context, [word_of(TextContext, name)], columns, np.int32, filled)

        self._moves = grown("moves", width, UNKNOWN)
        self._like = grown("like", 1, UNKNOWN)
        self._end_at, self._ends = grown("lexeme_end_at", 2, 0), grown("lexeme_ends", 2, 0)
        self._readings = grown("readings", 1, 0)
        self._states = self._end_count = self._reading_count = 0
        # a lexeme owes nothing to those before it: there is one carry
        begins = np.zeros((terminals, width), np.uint8)
        known: dict[tuple[int, ...], Any] = {}
        for terminal in range(terminals):
            states = tuple(self._lexemes.following(terminal))
            if states not in known:
                rows = [self._lexemes.row(state) for state in states]
                known[states] = (np.array(rows or [[-1] * width]) >= 0).any(axis=0)
            begins[terminal] = known[states]
        bits = byte_sets(begins[:, np.frombuffer(language.classes, np.uint8)])
        every = np.repeat(np.array([-1, 0]), 4)
        self._held: dict[str, Any] = {
            "carry_moves": np.ones(width, np.uint8),
            "carry_bytes": every,
            "begins": begins,
            "begin_bytes": bits,
        }
        for name, array in self._held.items():
            tables.context[word_of(TextContext, name)] = address_of(array)
        records.hook(miss=ask_row, read=text_masks.place_behind, begun=text_masks.state_behind)

    def answer(self, kind: int, first: int, second: int, third: int, config: Callable[[int], Config]) -> None:
        """Answer a question of compiled code. `config`: returns the configuration of a state by its number.
        Raises LimitError."""
        if kind == ASK_ROW:
            row = self._lexemes.row(first)
            self._note(max(row))
            self._moves.rows[first] = row
            return
        if first == stepping.READ:
            answer = self._lexemes.after(second, third)
            if answer >= 0:
                self._put(stepping.BEGUN, answer, 0, self._begun(answer))
        elif first == stepping.BEGUN:
            answer = self._begun(second)
        else:
            readings = self._lexemes.readings(config(second))
            self._note(max((state for _place, state in readings), default=-1))
            flat = [len(readings), *(number for reading in readings for number in reading)]
            answer, self._reading_count = self._reading_count, self._reading_count + len(flat)
            self._readings.reserve(self._reading_count)
            self._readings.rows[answer : self._reading_count, 0] = flat
        self._put(first, second, third, answer)

    def _begun(self, place: int) -> int:
        state: int = self._lexemes.begun(place)
        self._note(state)
        return state

    def _put(self, kind: int, first: int, second: int, target: int) -> None:
        self._tables.room(EDGES, 1)
        put_edge(self._tables.address, first, second, kind, target)

    def _note(self, state: int) -> None:
        """Write as what lexemes may end in a state, and in those with smaller numbers."""
        for array in (self._moves, self._like, self._end_at):
            array.reserve(state + 1)
        while self._states <= state:
            ends, first = self._lexemes.ends(self._states), self._end_count
            self._end_count += len(ends)
            self._ends.reserve(self._end_count)
            for at, terminal in enumerate(ends, first):
                self._ends.rows[at] = terminal, 0
            self._end_at.rows[self._states] = first, self._end_count
            self._states += 1

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = self._moves, self._like, self._end_at, self._ends, self._readings
        return sum(int(array.rows.nbytes) for array in arrays)
