"""Automata over the characters of numerals, drawn state by state.

An automaton of this folder takes the texts that meet one atom of a formula, if they are numerals: one that
compares with a bound reads `1..e` too. `numeral_forms` knows which texts are numerals.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

import numpy as np

from structgen.automata.strings.alphabets import alphabet_of_letters
from structgen.automata.strings.automata import Automaton, minimal_automaton
from structgen.automata.strings.kernels import Row, Table
from structgen.base.errors import LimitError
from structgen.base.language.ir import DEAD

COLUMNS: Final = b"0123456789-+.eE"
WIDTH: Final = 16
"""Columns of a row: the characters of COLUMNS in their order; the last column is unused."""
DIGITS: Final = "0123456789"
MOST_STATES: Final = 1 << 17
"""The most states of one automaton."""
_COLUMN_OF: Final = {chr(char): column for column, char in enumerate(COLUMNS)}
_POINTS: Final = np.array(list(COLUMNS), np.int64)
_ALPHABET: Final = alphabet_of_letters(map(chr, COLUMNS))[0]


class Sketch:
    """An automaton that is drawn state by state; the first is its start."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.label: list[int] = []

    def add_state(self, label: int = 0, *, loops: bool = False) -> int:
        """Return a new state, which no character leaves, or every character leaves to itself."""
        number = len(self.rows)
        target = number if loops else DEAD
        # The last column is unused, also where all characters loop.
        self.rows.append([target] * (WIDTH - 1) + [DEAD])
        self.label.append(label)
        return number

    def add_states(self, count: int, label: int = 0) -> list[int]:
        """Return some new states."""
        return [self.add_state(label) for _ in range(count)]

    def add_edges(self, state: int, chars: Iterable[str], target: int) -> None:
        """Let some characters lead from a state to another."""
        row = self.rows[state]
        for char in chars:
            column = _COLUMN_OF[char]
            row[column] = target

    def build_automaton(self, ends: Container[int]) -> Automaton:
        """Return the automaton of the texts that end in a state with one of some labels."""
        accept = np.array([label in ends for label in self.label], np.int32)
        return automaton_of_rows(np.array(self.rows, np.int32), accept)


def automaton_of_rows(rows: Table, accept: Row) -> Automaton:
    """Return the minimal automaton of rows over COLUMNS; `accept`: 1 where a text may end, else 0."""
    # The alphabet has one more class: the characters that stand in no numeral stay DEAD.
    trans = np.full((len(rows), _ALPHABET.width), DEAD, np.int32)
    columns_of_classes = _ALPHABET.classes_of(_POINTS)
    trans[:, columns_of_classes] = rows[:, : len(COLUMNS)]
    return minimal_automaton(_ALPHABET, trans, accept)


def rows_of(automaton: Automaton) -> Table:
    """Return the rows of an automaton over COLUMNS."""
    rows = np.full((automaton.states, WIDTH), DEAD, np.int32)
    classes_of_columns = automaton.alphabet.classes_of(_POINTS)
    rows[:, : len(COLUMNS)] = automaton.trans[:, classes_of_columns]
    return rows


def too_many_states() -> LimitError:
    """Return the error of an automaton that would be too large."""
    return LimitError(
        f"What the schema asks of one number needs an automaton of more than {MOST_STATES:,} states.",
        limit="automaton_states",
        cure="Write multipleOf with fewer digits, or fewer numbers in one enum.",
    )
