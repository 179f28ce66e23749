"""Tools to make automata over the characters of numerals, state by state.

A *numeral* is the text of a JSON number; an *atom* is a condition on its value. An automaton of an atom need
not check that a text is a numeral: one that compares with a bound may accept `1..e`, too. The automaton of
`numeral_forms`, which accepts numerals alone, is intersected with it later.
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
"""The number of columns of a row: one for each character of COLUMNS, in their order, and one unused."""
DIGITS: Final = "0123456789"
MOST_STATES: Final = 1 << 17
"""The most states of one automaton."""
_COLUMN_OF: Final = {chr(char): column for column, char in enumerate(COLUMNS)}
_POINTS: Final = np.array(list(COLUMNS), np.int64)
_ALPHABET: Final = alphabet_of_letters(map(chr, COLUMNS))[0]


class Sketch:
    """An automaton that is made state by state. State 0 is its start."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        """[state][column]: the next state, or DEAD."""
        self.label: list[int] = []
        """The label of each state, such as 1 where a text may end."""

    def add_state(self, label: int = 0, *, loops: bool = False) -> int:
        """Add a state without edges, and return its number. `loops`: every character leads back to it."""
        number = len(self.rows)
        target = number if loops else DEAD
        # The last column is unused, also where all characters loop.
        self.rows.append([target] * (WIDTH - 1) + [DEAD])
        self.label.append(label)
        return number

    def add_states(self, count: int, label: int = 0) -> list[int]:
        """Add `count` states without edges, and return their numbers."""
        return [self.add_state(label) for _ in range(count)]

    def add_edges(self, state: int, chars: Iterable[str], target: int) -> None:
        """Add an edge from `state` to `target` for each character of `chars`."""
        row = self.rows[state]
        for char in chars:
            column = _COLUMN_OF[char]
            row[column] = target

    def build_automaton(self, ends: Container[int]) -> Automaton:
        """Return the minimal automaton of the texts that end in a state whose label is in `ends`."""
        accept = np.array([label in ends for label in self.label], np.int32)
        return automaton_of_rows(np.array(self.rows, np.int32), accept)


def automaton_of_rows(rows: Table, accept: Row) -> Automaton:
    """Return the minimal automaton of a table with rows over COLUMNS. `accept`: 1 where a text may end, else
    0."""
    # The alphabet has one more class, for characters that no numeral contains: they stay DEAD.
    trans = np.full((len(rows), _ALPHABET.width), DEAD, np.int32)
    columns_of_classes = _ALPHABET.classes_of(_POINTS)
    trans[:, columns_of_classes] = rows[:, : len(COLUMNS)]
    return minimal_automaton(_ALPHABET, trans, accept)


def rows_of(automaton: Automaton) -> Table:
    """Return the table of an automaton, with rows over COLUMNS."""
    rows = np.full((automaton.states, WIDTH), DEAD, np.int32)
    classes_of_columns = automaton.alphabet.classes_of(_POINTS)
    rows[:, : len(COLUMNS)] = automaton.trans[:, classes_of_columns]
    return rows


def too_many_states() -> LimitError:
    """Return the error for a numeral automaton that would be too large."""
    return LimitError(
        f"The constraints on one number need an automaton of more than {MOST_STATES:,} states.",
        limit="automaton_states",
        cure="Use fewer digits in multipleOf, or fewer numbers in one enum.",
    )
