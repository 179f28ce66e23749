"""Whole automata over characters: minimal ones, complements, products, words and lengths.

An automaton reads one character at a time; which outcome a text has that ends in a state is a number, 0 for
none. All that this module returns is minimal and numbered by one rule, so two automata of the same texts are
the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

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
    Table,
    find_equivalent,
    nearest_ends,
    order_breadth_first,
    product,
)
from structgen.base.errors import LimitError
from structgen.base.system.public_calls import THIS_CALL

MOST_STATES: Final = 50_000
"""The most states of one automaton, unless `Limits.automaton_states` is lower."""
MOST_PLACES: Final = 400_000
"""Threads of one pattern that are looked at, and places inside characters before equal ones are one."""
MOST_WORK: Final = 60_000_000
"""The most numbers that a kernel reads to make one automaton: about a second."""
_READ_TO_MINIMISE: Final = 8
"""How often a number of a table is read, about, to make it minimal."""
A = TypeVar("A", Row, Flags)


@dataclass(frozen=True, eq=False, slots=True)
class Automaton:
    """The minimal automaton of some texts; state 0 is its start, and every other state lives."""

    alphabet: Alphabet
    trans: Table
    """[states, classes]: the state after a character, -1 where no text of the automaton goes on."""
    accept: Row
    """[states]: the number of the outcome of a text that ends in the state, 0 for none."""

    @property
    def states(self) -> int:
        return len(self.trans)

    @property
    def is_empty(self) -> bool:
        """Whether there is no text."""
        if self.states != 1 or self.accept[0]:
            return False
        return bool((self.trans < 0).all())

    @property
    def nbytes(self) -> int:
        return self.trans.nbytes + self.accept.nbytes + self.alphabet.nbytes

    def outcome_of(self, text: str) -> int:
        """Return the number of a text's outcome."""
        state = 0
        points = np.array(list(map(ord, text)), np.int64)
        for kind in self.alphabet.classes_of(points).tolist():
            state = int(self.trans[state, kind])
            if state < 0:
                return 0
        return int(self.accept[state])


def raise_limit_error(code: int, states: int = MOST_STATES) -> NoReturn:
    """Raise the LimitError of a kernel that gave up."""
    if code == TOO_MANY_STATES:
        raise LimitError(
            f"The automaton of a string has more than {states:,} states.",
            limit="automaton_states",
            cure="Make the counts in its patterns and its lengths smaller, or leave one of them out.",
        )
    raise LimitError(
        "The automaton of a string takes too much work: its patterns multiply.",
        limit="automaton_states",
        cure="Make its patterns shorter, or the counts in them smaller.",
    )


def run_bounded(
    kernel: Callable[..., tuple[int, int, Table, A]], max_states: int, *arguments: object
) -> tuple[int, Table, A]:
    """Return the answer of a kernel of at most `max_states` states, within the work of one automaton and of
    the call that is under way. Raises LimitError."""
    max_work = min(MOST_WORK, THIS_CALL.numbers_left())
    flag = np.frombuffer(THIS_CALL.stop.flag, np.uint8)
    count, work, trans, second_result = kernel(*arguments, max_states, max_work, flag)
    THIS_CALL.count_work(work)
    if count < 0:
        raise_limit_error(count, max_states)
    return count, trans, second_result


def steps_to(trans: Table, ends: npt.NDArray[np.bool_]) -> Longs:
    """Return how many characters each state needs to the nearest end, `FAR` where none is reached."""
    each_costs_one = np.ones(trans.shape[1], np.int64)
    return nearest_ends(trans, each_costs_one, ends.astype(np.uint8))


def trim_table(trans: Table, accept: Row) -> tuple[Table, Row]:
    """Return a table without the states that lead to no outcome, and those that nothing leads to; state 0
    stays."""
    THIS_CALL.count_work(_READ_TO_MINIMISE * trans.size)
    live = steps_to(trans, accept > 0) < FAR
    if not live.all():
        # a state that does not live has the number -1; so has the start, unless it is all that is left
        leads_on = (trans >= 0) & live[trans]
        trans = np.where(leads_on, trans, -1).astype(np.int32)
    # Breadth first, with classes ascending: one numbering for all automata of the same texts.
    order = order_breadth_first(trans)
    is_in_order = bool((order[1:] > order[:-1]).all())
    if is_in_order and len(order) == len(trans):
        return trans, accept
    return renumber_states(trans, accept, order)


def renumber_states(trans: Table, accept: Row, order: Row) -> tuple[Table, Row]:
    """Return a table with the listed states alone, in their order."""
    # One more than states: the index -1, where nothing follows, reads -1 again.
    number = np.full(len(trans) + 1, -1, np.int32)
    number[order] = np.arange(len(order))
    listed_rows = trans[order]
    return number[listed_rows], accept[order]


def minimal_table(trans: Table, accept: Row) -> tuple[Table, Row]:
    """Return the table of the same texts with the fewest states, numbered breadth first."""
    trans, accept = trim_table(trans, accept)
    if len(trans) > 1:
        first, blocks = first_of_blocks(find_equivalent(trans, accept))
        if len(first) < len(trans):
            # The row of a block is that of its first state; -1 at the end answers the index -1.
            block_of = np.append(blocks, -1).astype(np.int32)
            merged_table = block_of[trans[first]]
            trans, accept = renumber_states(merged_table, accept[first], order_breadth_first(merged_table))
    return trans, accept


def first_of_blocks(blocks: Row) -> tuple[Longs, Longs]:
    """Return the first state of each class, ascending, and the classes renumbered in that order. `blocks`:
    the class of each state, as `find_equivalent` numbers them."""
    first = np.empty(int(blocks.max()) + 1, np.int64)
    # Of several assignments to one index numpy keeps the last, which is the first state here.
    first[blocks[::-1]] = np.arange(len(blocks))[::-1]
    order = np.argsort(first)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return first[order], ranks[blocks]


def minimal_automaton(alphabet: Alphabet, trans: Table, accept: Row) -> Automaton:
    """Return the minimal automaton of a table, over the coarsest alphabet. Cost: that of
    `find_equivalent`."""
    # Fewer columns make the next step faster, and fewer states may make still more columns equal.
    alphabet, trans = _with_few_classes(alphabet, trans)
    trans, accept = minimal_table(trans, accept)
    return Automaton(*_with_few_classes(alphabet, trans), accept)


def _with_few_classes(alphabet: Alphabet, trans: Table) -> tuple[Alphabet, Table]:
    """Return the coarsest alphabet of a table, and the table over it: classes with equal columns are one."""
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


def complement_table(trans: Table, accept: Row) -> tuple[Table, Row]:
    """Return a table of all other texts, with one more state, from which none of the texts goes on. `accept`:
    1 or 0."""
    sink = len(trans)
    completed_rows = np.where(trans < 0, sink, trans)
    sink_row = np.full(trans.shape[1], sink)
    other_trans = np.ascontiguousarray(np.vstack([completed_rows, sink_row]), np.int32)
    other_accept = np.append(1 - accept, 1).astype(np.int32)
    return other_trans, other_accept


def closed_states(trans: Table, among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which of some states no character leads out of, nor out of those that follow."""
    leave = ~among | (trans < 0).any(axis=1)
    return np.asarray(steps_to(trans, leave) == FAR)


def complement(of: Automaton) -> Automaton:
    """Return the automaton of all other texts. `of` has one outcome."""
    if of.is_empty:
        return EVERY
    # what is minimal stays so: no state that lives is equivalent to the new one
    trans, accept = trim_table(*complement_table(of.trans, of.accept))
    return Automaton(*_with_few_classes(of.alphabet, trans), accept)


def multiply_automata(
    parts: Sequence[Automaton],
    all_live: bool,
    max_states: int,
) -> tuple[Alphabet, Table, Table]:
    """Return the product of automata: its alphabet, its table, and the outcome of each part in each state.

    `all_live`: a text goes on while it goes on in each part, else while it does in one. Raises `LimitError`
    past `max_states` states.
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
    # A part that died has the state -1: its index reads the outcome 0 that stands at the end.
    outcomes = [np.append(part.accept, 0)[states[:, at]] for at, part in enumerate(parts)]
    return alphabet, trans, np.stack(outcomes, axis=1)


def intersect_automata(parts: Sequence[Automaton], max_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts of all of some automata with one outcome each."""
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
    """Return whether an automaton is that of all texts: one state that accepts, and that nothing leaves."""
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
                # The minimal automaton may have fewer states than the trie: its own number is checked below.
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
