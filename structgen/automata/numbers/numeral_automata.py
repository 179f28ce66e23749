"""Whole automata over the characters of numerals, and their products.

What comes in: rows of two automata. What goes out: the automaton that reads a text with both side by side;
which states lead on to a label, and by how few characters. `pair_up` and `shorten` are compiled; they cost
some 50 ns for each state and character.

An automaton says of a text only what its labels say: one that compares with a bound reads `1..e` too.
`numeral_forms` knows which texts are numerals, and each product has one of its automata.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from structgen.errors import LimitError
from structgen.language.ir import DEAD
from structgen.native.jit import entry

COLUMNS: Final = b"0123456789-+.eE"
WIDTH: Final = 16
"""Columns of a row: the characters of COLUMNS in their order; the last column is unused."""
DIGITS: Final = "0123456789"
MOST_STATES: Final = 1 << 17
"""The most states of one automaton."""
FAR: Final = 1 << 30
"""More characters than the shortest rest of any numeral has."""

Rows = npt.NDArray[np.int32]
Row = npt.NDArray[np.int32]
Pairs = npt.NDArray[np.int64]
L = TypeVar("L", bound=Hashable)
M = TypeVar("M", bound=Hashable)


class Automaton(NamedTuple, Generic[L]):
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
            row[COLUMNS.index(char.encode())] = target

    def done(self, labels: tuple[L, ...]) -> Automaton[L]:
        """Return the automaton."""
        return Automaton(np.array(self.rows, np.int32), np.array(self.label, np.int32), labels)


@entry("int64(int32[:, ::1], int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1])")
def pair_up(one: Rows, other: Rows, trans: Rows, pairs: Pairs, slots: Pairs) -> int:
    """Write the row of each pair of states that a text reaches, in the order of a breadth-first search;
    return how many there are, or -1 where `trans` and `pairs` are too short.

    `slots`: a hash table of the pairs' numbers, twice as long at least as `pairs`, a power of two, all -1.
    """
    mask = len(slots) - 1
    pairs[0, 0] = pairs[0, 1] = 0
    slots[0] = 0
    count, at = 1, 0
    while at < count:
        for column in range(WIDTH - 1):
            first, second = one[pairs[at, 0], column], other[pairs[at, 1], column]
            if first < 0 or second < 0:
                trans[at, column] = DEAD
                continue
            slot = (first * 40_503 + second * 30_011) & mask
            while slots[slot] >= 0 and (pairs[slots[slot], 0] != first or pairs[slots[slot], 1] != second):
                slot = (slot + 1) & mask
            if slots[slot] < 0:
                if count == len(trans):
                    return -1
                pairs[count, 0], pairs[count, 1] = first, second
                slots[slot] = count
                count += 1
            trans[at, column] = slots[slot]
        trans[at, WIDTH - 1] = DEAD
        at += 1
    return count


@entry("int64(int32[:, ::1], int32[::1])")
def shorten(trans: Rows, least: Row) -> int:
    """Lower `least` to how few characters lead from each state to one where it is 0; return 0.

    It is 0 where a text may end, and FAR elsewhere, where it stays if no such state is reached. States are
    numbered as a breadth-first search meets them, so that few passes from the last to the first suffice.
    """
    changed = True
    while changed:
        changed = False
        for state in range(len(trans) - 1, -1, -1):
            best = least[state]
            for column in range(WIDTH - 1):
                after = trans[state, column]
                if after >= 0 and least[after] + 1 < best:
                    best = least[after] + 1
            if best < least[state]:
                least[state] = best
                changed = True
    return 0


def product(one: Automaton[L], other: Automaton[M]) -> Automaton[tuple[L, M]]:
    """Return the automaton that reads a text with both; its labels are pairs.

    Cost: some 50 ns for each reached pair of states and character. Raises LimitError (automaton_states).
    """
    room = min(len(one.trans) + len(other.trans) + 256, MOST_STATES)
    while True:
        trans, pairs = np.empty((room, WIDTH), np.int32), np.empty((room, 2), np.int64)
        slots = np.full(1 << (2 * room).bit_length(), -1, np.int64)
        count = int(pair_up(one.trans, other.trans, trans, pairs, slots))
        if count >= 0:
            break
        if room == MOST_STATES:
            raise too_many_states()
        room = min(4 * room, MOST_STATES)
    both = one.label[pairs[:count, 0]].astype(np.int64) * len(other.labels) + other.label[pairs[:count, 1]]
    found, label = np.unique(both, return_inverse=True)
    labels = [divmod(pair, len(other.labels)) for pair in found.tolist()]
    named = tuple([(one.labels[first], other.labels[second]) for first, second in labels])
    return Automaton(trans[:count], label.astype(np.int32), named)


def relabelled(one: Automaton[L], name: Callable[[L], M]) -> Automaton[M]:
    """Return an automaton with other labels; equal ones become one."""
    names = list(map(name, one.labels))
    numbers = {label: at for at, label in enumerate(dict.fromkeys(names))}
    table = np.array([numbers[label] for label in names], np.int32)
    return Automaton(one.trans, table[one.label], tuple(numbers))


def rest_lengths(one: Automaton[L], wanted: Callable[[L], bool]) -> Row:
    """Return of each state how few characters lead on to a wanted label; FAR where none do."""
    ends = np.array(list(map(wanted, one.labels)), bool)
    least = np.where(ends[one.label], np.int32(0), np.int32(FAR)).astype(np.int32)
    shorten(one.trans, least)
    return least


def trimmed(one: Automaton[L], wanted: Callable[[L], bool]) -> Automaton[L] | None:
    """Return an automaton without the states from which no wanted label is reached; None where its start is
    one of them."""
    kept = rest_lengths(one, wanted) < FAR
    if not kept[0]:
        return None
    number = np.append(np.where(kept, np.cumsum(kept) - 1, DEAD), DEAD).astype(np.int32)
    return Automaton(number[one.trans[kept]], one.label[kept], one.labels)


def without_columns(one: Automaton[L], missing: Collection[int]) -> Automaton[L]:
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
