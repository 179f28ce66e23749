"""Whole automata over characters: minimal ones, complements, products, words and lengths.

An automaton reads one character at a time. The *outcome* of a text is a number that its last state has; 0
means that the automaton does not accept the text. A *class* is a set of characters that lead from each state
to the same state; a *table* has a row for each state and a column for each class. A state is *live* where
some accepted text goes on from it. For example, the automaton of `^ab` has two classes for "a" and "b", and
a third one for all other characters.

Every `Automaton` that this module returns is minimal, and its states are numbered breadth first. So two
automata of the same texts are equal arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

import numpy as np

from structgen.automata.strings.alphabets import (
    NUMBERS_OF_A_CHARACTER,
    NUMBERS_OF_A_RANGE,
    ONE,
    Alphabet,
    alphabet_of_letters,
    common_alphabet,
)
from structgen.automata.strings.kernels import (
    FAR,
    TOO_MANY_STATES,
    TOO_MUCH_WORK,
    Flags,
    Longs,
    Row,
    StateTable,
    Table,
    find_equivalent,
    nearest_ends,
    order_breadth_first,
    product,
)
from structgen.base.errors import LimitError
from structgen.base.native.array_types import BoolArray
from structgen.base.system.public_calls import THIS_CALL

MOST_STATES: Final = 50_000
"""The most states of one automaton, unless `Limits.automaton_states` is lower."""
MOST_PLACES: Final = 400_000
"""The most threads of one pattern that are followed, and the most places inside characters (`utf8_rows`)
before equal places are merged."""
MOST_WORK: Final = 60_000_000
"""The most numbers that a kernel reads to make one automaton. Reading them takes about a second."""
_READ_TO_MINIMISE: Final = 8
"""About how many times each number of a table is read while the table is made minimal."""
A = TypeVar("A", Row, Flags)


@dataclass(frozen=True, eq=False, slots=True)
class Automaton:
    """The minimal automaton of some texts. State 0 is its start. Every other state is live."""

    alphabet: Alphabet
    trans: Table
    """[states, classes]: the state after a character of a class; -1 where no accepted text goes on."""
    accept: Row
    """[states]: the number of the outcome of a text that ends in the state; 0: it is not accepted."""

    @property
    def states(self) -> int:
        """The number of states."""
        return len(self.trans)

    @property
    def is_empty(self) -> bool:
        """Whether the automaton accepts no text."""
        if self.states != 1 or self.accept[0]:
            return False
        return bool((self.trans < 0).all())

    @property
    def nbytes(self) -> int:
        """The size of the arrays, in bytes."""
        return self.trans.nbytes + self.accept.nbytes + self.alphabet.nbytes

    def outcome_of(self, text: str) -> int:
        """Return the number of a text's outcome; 0 where the text is not accepted."""
        state = 0
        points = np.array(list(map(ord, text)), np.int64)
        for kind in self.alphabet.classes_of(points).tolist():
            state = int(self.trans[state, kind])
            if state < 0:
                return 0
        return int(self.accept[state])


def raise_limit_error(code: int, states: int = MOST_STATES) -> NoReturn:
    """Raise the LimitError of a kernel that gave up.

    `code`: TOO_MANY_STATES or TOO_MUCH_WORK, which the kernel returned in place of the number of states.
    `states`: the limit that the message names.
    """
    if code == TOO_MANY_STATES:
        raise LimitError(
            f"The automaton of a string has more than {states:,} states.",
            limit="automaton_states",
            cure="Reduce the counts in its patterns and its lengths, or remove one of them.",
        )
    raise LimitError(
        "The automaton of a string exceeds the work limit: its patterns multiply.",
        limit="automaton_states",
        cure="Shorten its patterns, or reduce the counts in them.",
    )


def run_bounded(
    kernel: Callable[..., tuple[int, int, Table, A]], max_states: int, *arguments: object
) -> tuple[int, Table, A]:
    """Run a kernel (`subsets` or `product`) with bounded states and work, and return its answer.

    `max_states`: the most states of the table. The work is bounded by MOST_WORK and by what the present
    call has left. Returns (number of states, table, second array of the kernel). Raises LimitError.
    """
    max_work = min(MOST_WORK, THIS_CALL.numbers_left())
    flag = np.frombuffer(THIS_CALL.stop.flag, np.uint8)
    count, work, trans, second_result = kernel(*arguments, max_states, max_work, flag)
    THIS_CALL.count_work(work)
    if count < 0:
        raise_limit_error(count, max_states)
    return count, trans, second_result


def steps_to(trans: Table, ends: BoolArray) -> Longs:
    """Return for each state the fewest characters to a state of `ends`; `FAR` where none is reached."""
    each_costs_one = np.ones(trans.shape[1], np.int64)
    return nearest_ends(trans, each_costs_one, ends.astype(np.uint8))


def trim_table(trans: Table, accept: Row) -> StateTable:
    """Return the table without two kinds of states: those that lead to no outcome, and those that the start
    does not reach. State 0 always stays."""
    THIS_CALL.count_work(_READ_TO_MINIMISE * trans.size)
    live = steps_to(trans, accept > 0) < FAR
    if not live.all():
        # transitions to a state that is not live become -1; those to the start too, if it is not live
        leads_on = (trans >= 0) & live[trans]
        trans = np.where(leads_on, trans, -1).astype(np.int32)
    # Breadth first, with classes ascending: one numbering for all automata of the same texts.
    order = order_breadth_first(trans)
    is_in_order = bool((order[1:] > order[:-1]).all())
    if is_in_order and len(order) == len(trans):
        return trans, accept
    return renumber_states(trans, accept, order)


def renumber_states(trans: Table, accept: Row, order: Row) -> StateTable:
    """Return the table of the states in `order` alone; state `order[i]` becomes state `i`."""
    # One entry more than states: index -1 (nothing follows) reads this last entry, which is -1.
    number = np.full(len(trans) + 1, -1, np.int32)
    number[order] = np.arange(len(order))
    listed_rows = trans[order]
    return number[listed_rows], accept[order]


def minimal_table(trans: Table, accept: Row) -> StateTable:
    """Return the table of the same texts that has the fewest states, and its outcomes. States are numbered
    breadth first."""
    trans, accept = trim_table(trans, accept)
    if len(trans) > 1:
        first, blocks = first_of_blocks(find_equivalent(trans, accept))
        if len(first) < len(trans):
            # A block gets the row of its first state. The -1 at the end is what the index -1 reads.
            block_of = np.append(blocks, -1).astype(np.int32)
            merged_table = block_of[trans[first]]
            trans, accept = renumber_states(merged_table, accept[first], order_breadth_first(merged_table))
    return trans, accept


def first_of_blocks(blocks: Row) -> tuple[Longs, Longs]:
    """Return the first state of each block, ascending; and the block of each state, numbered in that order.

    `blocks`: the block of each state, as `find_equivalent` numbers them. For example,
    [1, 0, 1] -> ([0, 1], [0, 1, 0]).
    """
    first = np.empty(int(blocks.max()) + 1, np.int64)
    # Where an index is assigned several times, numpy keeps the last value. In reverse order that value is
    # the first state of the block.
    first[blocks[::-1]] = np.arange(len(blocks))[::-1]
    order = np.argsort(first)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return first[order], ranks[blocks]


def minimal_automaton(alphabet: Alphabet, trans: Table, accept: Row) -> Automaton:
    """Return the minimal automaton of a table, with as few classes as possible.

    `trans`, `accept`: as the fields of `Automaton`. Cost: that of `find_equivalent`.
    """
    # Fewer columns make the next step faster, and fewer states may make still more columns equal.
    alphabet, trans = _with_few_classes(alphabet, trans)
    trans, accept = minimal_table(trans, accept)
    return Automaton(*_with_few_classes(alphabet, trans), accept)


def _with_few_classes(alphabet: Alphabet, trans: Table) -> tuple[Alphabet, Table]:
    """Merge the classes whose columns in the table are equal; return the alphabet and the table."""
    numbers: dict[bytes, int] = {}
    firsts: list[int] = []
    kinds = np.empty(alphabet.width, np.int32)
    for kind, column in enumerate(np.ascontiguousarray(trans.T)):
        kinds[kind] = number = numbers.setdefault(column.tobytes(), len(numbers))
        if number == len(firsts):
            firsts.append(kind)
    if len(firsts) == alphabet.width:
        return alphabet, np.ascontiguousarray(trans)
    return alphabet.merge_classes(kinds), np.ascontiguousarray(trans[:, firsts])


_NOTHING: Final = np.full((1, 1), -1, np.int32)
_ANYTHING: Final = np.zeros((1, 1), np.int32)
NONE: Final = Automaton(ONE, _NOTHING, np.zeros(1, np.int32))
"""The automaton of no text."""
EVERY: Final = Automaton(ONE, _ANYTHING, np.ones(1, np.int32))
"""The automaton of all texts."""


def complement_table(trans: Table, accept: Row) -> StateTable:
    """Return the table of all other texts, and its outcomes. `accept`: 1 or 0 for each state.

    The new last state (the sink) is reached where no text of the first table goes on; it accepts every text.
    """
    sink = len(trans)
    completed_rows = np.where(trans < 0, sink, trans)
    sink_row = np.full(trans.shape[1], sink)
    other_trans = np.ascontiguousarray(np.vstack([completed_rows, sink_row]), np.int32)
    other_accept = np.append(1 - accept, 1).astype(np.int32)
    return other_trans, other_accept


def closed_states(trans: Table, among: BoolArray) -> BoolArray:
    """Return a flag for each state: every text that starts there stays in states of `among`, for ever.

    `among`: a flag for each state.
    """
    leave = ~among | (trans < 0).any(axis=1)
    return np.asarray(steps_to(trans, leave) == FAR)


def complement(of: Automaton) -> Automaton:
    """Return the automaton of the texts that `of` does not accept. `of` has one outcome."""
    if of.is_empty:
        return EVERY
    # The result is minimal again: no live state of `of` is equivalent to the new state.
    trans, accept = trim_table(*complement_table(of.trans, of.accept))
    return Automaton(*_with_few_classes(of.alphabet, trans), accept)


def multiply_automata(
    parts: Sequence[Automaton],
    all_live: bool,
    max_states: int,
) -> tuple[Alphabet, Table, Table]:
    """Return the product of automata: (alphabet, table, [states, parts] the outcome of each part).

    A state of the product is a tuple with one state of each part. `all_live`: if true, a text goes on while
    it goes on in every part (for intersections); if false, while it goes on in some part (for unions).
    Raises `LimitError` past `max_states` states.
    """
    alphabet, columns = common_alphabet([part.alphabet for part in parts])
    sizes = np.array([part.trans.size for part in parts], np.int64)
    count, trans, rows = run_bounded(
        product,
        max_states,
        np.concatenate([part.trans.ravel() for part in parts]),
        np.cumsum(sizes) - sizes,
        np.array([part.alphabet.width for part in parts], np.int64),
        columns,
        all_live,
    )
    numbers_of_ranges = len(alphabet.starts) * (NUMBERS_OF_A_RANGE + len(parts))
    THIS_CALL.count_work(rows.size + numbers_of_ranges)
    states = rows.reshape(count, len(parts))
    # A part in which the text does not go on has the state -1. Index -1 reads the 0 that is appended.
    outcomes = [np.append(part.accept, 0)[states[:, at]] for at, part in enumerate(parts)]
    return alphabet, trans, np.stack(outcomes, axis=1)


def intersect_automata(parts: Sequence[Automaton], max_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts that all of `parts` accept. Each part has one outcome.

    Raises `LimitError` where the product has more than `max_states` states.
    """
    if any(part.is_empty for part in parts):
        return NONE
    # Parts that every text meets change nothing, and a product with them costs.
    parts = [part for part in parts if not _takes_every_text(part)]
    if len(parts) < 2:
        return parts[0] if parts else EVERY
    alphabet, trans, met = multiply_automata(parts, True, max_states)
    accept = np.asarray(met.all(axis=1), np.int32)
    return minimal_automaton(alphabet, trans, accept)


def _takes_every_text(of: Automaton) -> bool:
    """Return whether an automaton accepts every text: it has one state, which accepts and leads to itself."""
    return of.states == 1 and bool(of.accept[0]) and bool((of.trans >= 0).all())


def unite_automata(parts: Sequence[Automaton], max_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts of one or more of some automata with one outcome each."""
    parts = [part for part in parts if not part.is_empty]
    if len(parts) < 2:
        return parts[0] if parts else NONE
    alphabet, trans, met = multiply_automata(parts, False, max_states)
    accept = np.asarray(met.any(axis=1), np.int32)
    return minimal_automaton(alphabet, trans, accept)


def automaton_of_words(words: Collection[str], max_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of finitely many words. Cost: some microseconds a character."""
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * sum(map(len, words)))
    alphabet, kinds = alphabet_of_letters(set().union(*words))
    below: list[dict[str, int]] = [{}]
    ends: list[int] = []
    for word in words:
        state = 0
        for char in word:
            after = below[state].get(char)
            if after is None:
                after = below[state][char] = len(below)
                below.append({})
                # The minimal automaton may have fewer states than the trie: its states are checked below.
                if len(below) > 4 * max_states:
                    raise_limit_error(TOO_MANY_STATES, max_states)
            state = after
        ends.append(state)
    if len(below) * alphabet.width > MOST_WORK:
        raise_limit_error(TOO_MUCH_WORK)
    trans = np.full((len(below), alphabet.width), -1, np.int32)
    for state, after_chars in enumerate(below):
        for char, after in after_chars.items():
            trans[state, kinds[char]] = after
    accept = np.zeros(len(below), np.int32)
    accept[ends] = 1
    automaton = minimal_automaton(alphabet, trans, accept)
    if automaton.states > max_states:
        raise_limit_error(TOO_MANY_STATES, max_states)
    return automaton


def automaton_of_lengths(min_length: int, max_length: int | None, most_states: int) -> Automaton:
    """Return the automaton of the texts of `min_length` to `max_length` characters (None: no bound)."""
    if max_length is not None and min_length > max_length:
        return NONE
    last = min_length if max_length is None else max_length
    if last >= most_states:
        raise_limit_error(TOO_MANY_STATES, most_states)
    trans = np.arange(1, last + 2, dtype=np.int32)[:, None]
    # One state for each length. Beyond the last bound all lengths are alike, or none is allowed.
    trans[last] = last if max_length is None else -1
    accept = (np.arange(last + 1) >= min_length).astype(np.int32)
    return Automaton(ONE, trans, accept)
