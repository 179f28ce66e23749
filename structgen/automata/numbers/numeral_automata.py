"""Whole automata over the characters of numerals, and their products.

What comes in: rows of two automata. What goes out: the automaton that reads a text with both side by side;
which states lead on to a label, and by how few characters. The compiled loops are those of string automata.

An automaton says of a text only what its labels say: one that compares with a bound reads `1..e` too.
`numeral_forms` knows which texts are numerals, and each product has one of its automata.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from structgen.automata.strings import kernels
from structgen.errors import LimitError
from structgen.language.ir import DEAD
from structgen.system.public_calls import THIS_CALL

COLUMNS: Final = b"0123456789-+.eE"
WIDTH: Final = 16
"""Columns of a row: the characters of COLUMNS in their order; the last column is unused."""
_COLUMN_OF: Final = {chr(char): column for column, char in enumerate(COLUMNS)}
DIGITS: Final = "0123456789"
MOST_STATES: Final = 1 << 17
"""The most states of one automaton."""
FAR: Final = kernels.FAR
"""More characters than the shortest rest of any numeral has."""
_MOST_WORK: Final = 4 * WIDTH * MOST_STATES
_SAME_COLUMNS: Final = np.tile(np.arange(WIDTH, dtype=np.int32), (2, 1))
"""Both automata of a product have the same columns."""
_ONE_EACH: Final = np.ones(WIDTH, np.int64)

Rows = npt.NDArray[np.int32]
Row = npt.NDArray[np.int32]
L = TypeVar("L", bound=Hashable)
M = TypeVar("M", bound=Hashable)


class NumeralAutomaton(NamedTuple, Generic[L]):
    """A deterministic automaton; state 0 is the start."""

    trans: Rows
    """int32 [states, WIDTH]: the state after a character, or DEAD."""
    label: Row
    """int32 [states]: an index into `labels`."""
    labels: tuple[L, ...]


class Sketch:
    """An automaton that is drawn state by state."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.label: list[int] = []

    def state(self, label: int = 0, *, loops: bool = False) -> int:
        """Return a new state, which no character leaves, or every character leaves to itself."""
        self.rows.append([len(self.rows) if loops else DEAD] * (WIDTH - 1) + [DEAD])
        self.label.append(label)
        return len(self.rows) - 1

    def states(self, count: int, label: int = 0) -> list[int]:
        """Return some new states."""
        return [self.state(label) for _ in range(count)]

    def go(self, state: int, chars: Iterable[str], target: int) -> None:
        """Let some characters lead from a state to another."""
        row = self.rows[state]
        for char in chars:
            row[_COLUMN_OF[char]] = target

    def done(self, labels: tuple[L, ...]) -> NumeralAutomaton[L]:
        """Return the automaton."""
        return NumeralAutomaton(np.array(self.rows, np.int32), np.array(self.label, np.int32), labels)


def product(one: NumeralAutomaton[L], other: NumeralAutomaton[M]) -> NumeralAutomaton[tuple[L, M]]:
    """Return the automaton that reads a text with both; its labels are pairs.

    Cost: some 50 ns for each reached pair of states and character. Raises LimitError (automaton_states).
    """
    count, work, trans, pairs = kernels.product(
        np.concatenate([one.trans.ravel(), other.trans.ravel()]),
        np.array([0, one.trans.size]),
        np.array([WIDTH, WIDTH]),
        _SAME_COLUMNS,
        True,
        MOST_STATES,
        min(_MOST_WORK, THIS_CALL.numbers_left()),
        np.frombuffer(THIS_CALL.stop.flag, np.uint8),
    )
    THIS_CALL.work(2 * work)
    if count < 0:
        raise too_many_states()
    first, second = pairs.reshape(count, 2).T
    both = one.label[first].astype(np.int64) * len(other.labels) + other.label[second]
    found, label = np.unique(both, return_inverse=True)
    labels = [divmod(pair, len(other.labels)) for pair in found.tolist()]
    named = tuple([(one.labels[first], other.labels[second]) for first, second in labels])
    return NumeralAutomaton(trans, label.astype(np.int32), named)


def relabelled(one: NumeralAutomaton[L], name: Callable[[L], M]) -> NumeralAutomaton[M]:
    """Return an automaton with other labels; equal ones become one."""
    names = list(map(name, one.labels))
    numbers = {label: at for at, label in enumerate(dict.fromkeys(names))}
    table = np.array([numbers[label] for label in names], np.int32)
    return NumeralAutomaton(one.trans, table[one.label], tuple(numbers))


def rest_lengths(one: NumeralAutomaton[L], wanted: Callable[[L], bool]) -> kernels.Longs:
    """Return of each state how few characters lead on to a wanted label; FAR where none do."""
    ends = np.array(list(map(wanted, one.labels)), np.uint8)
    return kernels.nearest(one.trans, _ONE_EACH, ends[one.label])


def trimmed(one: NumeralAutomaton[L], wanted: Callable[[L], bool]) -> NumeralAutomaton[L] | None:
    """Return an automaton without the states from which no wanted label is reached; None where its start is
    one of them."""
    kept = rest_lengths(one, wanted) < FAR
    if not kept[0]:
        return None
    number = np.append(np.where(kept, np.cumsum(kept) - 1, DEAD), DEAD).astype(np.int32)
    return NumeralAutomaton(number[one.trans[kept]], one.label[kept], one.labels)


def without_columns(one: NumeralAutomaton[L], missing: Collection[int]) -> NumeralAutomaton[L]:
    """Return an automaton of the texts without some characters, which are given as bytes."""
    trans = one.trans.copy()
    trans[:, [column for column, char in enumerate(COLUMNS) if char in missing]] = DEAD
    return one._replace(trans=trans)


def too_many_states() -> LimitError:
    """Return the error of an automaton that would be too large."""
    return LimitError(
        f"What the schema asks of one number needs an automaton of more than {MOST_STATES:,} states.",
        limit="automaton_states",
        cure="Write multipleOf with fewer digits, or fewer numbers in one enum.",
    )
