"""Automata over characters as rows of bytes: the states of a string between two bytes of its UTF-8.

A state is a state of the automaton, or a place inside a character. What may follow inside a character depends
on the classes of characters alone, so the places are made once for an alphabet; then the states after each
class are put in their stead, for all states of the automaton at once, and equal places become one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np

from structgen.automata.strings.alphabets import NUMBERS_OF_A_RANGE, Alphabet
from structgen.automata.strings.automata import (
    MOST_PLACES,
    MOST_STATES,
    Automaton,
    closed_states,
    raise_limit_error,
    steps_to,
)
from structgen.automata.strings.kernels import FAR, TOO_MANY_STATES, Flags, Longs, Row, Table
from structgen.automata.unicode.charsets import LAST, SPACE
from structgen.automata.unicode.decoded_text import (
    LONE_COLUMN,
    OTHERS_COLUMN,
    SPACES_COLUMN,
    TOTAL_COLUMN,
    WIDTH,
)
from structgen.base.language.ir import DEAD
from structgen.base.language.remembering import remember_answers
from structgen.base.system.public_calls import THIS_CALL, billed_cache

_TAILS: Final = 64
"""The bytes that go on with a character."""
_WIDE_SPACES: Final = np.array(
    [code for first, last in SPACE for code in range(first, last + 1) if code > 0x7F]
)
"""White space and line terminators outside ASCII."""
_NUMBERS_OF_A_ROW: Final = WIDTH // 4
"""A row takes a fourth of the time in which its numbers could be read one by one."""


class _Inside(NamedTuple):
    """The bytes that follow inside characters, by classes; -1 where no character is."""

    last: Table
    """[places one byte before the end of a character, 64]: its class."""
    middle: Table
    """[places two bytes before the end, 64]: rows of `last`."""
    outer: Table
    """[places three bytes before the end, 64]: rows of `middle`."""
    leads: tuple[tuple[int, int, int], ...]
    """The first bytes of characters beyond ASCII: the column, how many bytes follow, the row of the place."""


class _Places:
    """The places inside the characters of an alphabet, under construction."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._starts = alphabet.starts
        self._kinds = alphabet.kinds
        self._points = alphabet.starts.tolist()
        self._classes = alphabet.kinds.tolist()
        self.rows: tuple[dict[bytes, int], ...] = ({}, {}, {})

    def row_of_place(self, remaining: int, low: int, first: int, last: int) -> int:
        """Return the row of the place `remaining` bytes before the end of a character at which the code
        points from `low` on follow, but for those outside `first` to `last`."""
        # A byte that goes on with a character has six of its bits (RFC 3629, section 3).
        size = 1 << 6 * (remaining - 1)
        high = low + (1 << 6 * remaining) - 1
        run = bisect_right(self._points, low)
        if low >= first and high <= last and run == bisect_right(self._points, high):
            return self._uniform_place(remaining, self._classes[run - 1])
        lows = low + size * np.arange(_TAILS)
        if remaining == 1:
            is_allowed = (lows >= first) & (lows <= last)
            row = np.where(is_allowed, self._alphabet.classes_of(lows), -1)
            return self._number_row(1, row)
        row = np.full(_TAILS, -1, np.int64)
        highs = lows + size - 1
        begin = np.searchsorted(self._starts, lows, "right") - 1
        end = np.searchsorted(self._starts, highs, "right") - 1
        # Below a byte whose code points are all allowed and in one run there is one class: no search there.
        whole = (lows >= first) & (highs <= last) & (begin == end)
        some = (lows <= last) & (highs >= first)
        for at in np.flatnonzero(some).tolist():
            row[at] = (
                self._uniform_place(remaining - 1, int(self._kinds[begin[at]]))
                if whole[at]
                else self.row_of_place(remaining - 1, int(lows[at]), first, last)
            )
        return self._number_row(remaining, row)

    @remember_answers
    def _uniform_place(self, remaining: int, kind: int) -> int:
        """Return the place after which every character is of one class."""
        inner = kind if remaining == 1 else self._uniform_place(remaining - 1, kind)
        return self._number_row(remaining, np.full(_TAILS, inner))

    def _number_row(self, remaining: int, row: Longs) -> int:
        """Return the number of a row among those of places as far from the end; equal rows have one."""
        rows = self.rows[remaining - 1]
        content = row.astype(np.int32).tobytes()
        return rows.setdefault(content, len(rows))

    def table_of_places(self, remaining: int) -> Table:
        """Return the rows of all places `remaining` bytes before the end of a character."""
        content = b"".join(self.rows[remaining - 1])
        return np.frombuffer(content, np.int32).reshape(-1, _TAILS)


def _places_inside(alphabet: Alphabet, lone: bool) -> _Inside:
    """Return the places inside the characters of an alphabet (RFC 3629, section 4). `lone`: with surrogates.

    Cost: some 2 us for each range beyond ASCII; alphabets that divide what is beyond ASCII alike share them.
    """
    at = int(np.searchsorted(alphabet.starts, 0x80, "right")) - 1
    starts = alphabet.starts[at:].copy()
    kinds = alphabet.kinds[at:]
    starts[0] = 0x80
    # Classes are numbered as they come beyond ASCII: alphabets that divide it alike have one key.
    distinct_kinds, first, which = np.unique(kinds, return_index=True, return_inverse=True)
    order = np.argsort(first)
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.arange(len(order))
    kinds_as_they_come = numbers[which]
    inside = _inside_of(starts.tobytes(), kinds_as_they_come.tobytes(), len(order), lone)
    # Back to the classes of this alphabet; index -1 reads the -1 at the end, which is no character.
    own_kinds = np.append(distinct_kinds[order], np.int32(-1))
    return inside._replace(last=own_kinds[inside.last])


@billed_cache(256)
def _inside_of(starts: bytes, kinds: bytes, width: int, lone: bool) -> _Inside:
    """Return the places inside characters for an alphabet beyond ASCII. `starts`, `kinds`: its arrays, as
    bytes, such as `alphabet.starts.tobytes()`, so that they can be looked up; `width`: how many classes it
    has. `lone`: as of `_places_inside`."""
    THIS_CALL.count_work(NUMBERS_OF_A_RANGE * len(kinds))  # `kinds` has four bytes a range
    alphabet = Alphabet(np.frombuffer(starts, np.int64), np.frombuffer(kinds, np.int32), width)
    places = _Places(alphabet)
    leads: list[tuple[int, int, int]] = []
    for byte in range(0xC2, 0xE0):  # 0xC0 and 0xC1 would begin longer forms of ASCII
        low = (byte & 31) << 6
        leads.append((byte, 1, places.row_of_place(1, low, 0x80, 0x7FF)))
    for byte in range(0xE0, 0xF0):
        low = (byte & 15) << 12
        high = 0xD7FF if byte == 0xED else 0xFFFF  # behind 0xED the surrogates begin, which have no UTF-8
        leads.append((byte, 2, places.row_of_place(2, low, 0x800, high)))
    for byte in range(0xF0, 0xF5):
        low = (byte & 7) << 18
        leads.append((byte, 3, places.row_of_place(3, low, 0x10000, 0x10FFFF)))
    if lone:
        leads.append((LONE_COLUMN, 2, places.row_of_place(2, 0xD000, 0xD800, 0xDFFF)))
    return _Inside(
        places.table_of_places(1),
        places.table_of_places(2),
        places.table_of_places(3),
        tuple(leads),
    )


@dataclass(frozen=True, eq=False, slots=True)
class ByteRows:
    """The rows of one spec; its first states are those of the automaton, the others are inside characters."""

    automaton: Automaton
    outcomes: tuple[frozenset[int], ...]
    """Outcome `n` of a state of the automaton is `outcomes[n - 1]`."""
    beyond: Table
    """[groups, WIDTH - 0x80]: what follows in states of the automaton that are alike beyond ASCII: the state
    after a byte, or DEAD; and more columns (`decoded_text`)."""
    groups: Longs
    """Of each state of the automaton its row in `beyond`."""
    tails: Table
    """[states inside characters, 64]: the state after each byte that goes on with a character, or DEAD."""
    totals: Longs
    """The states that every text goes on from, however long: TOTAL_COLUMN has the state itself."""
    open_bytes: Flags
    """[states]: how many bytes the character still takes that a text has begun."""
    rests: Longs
    """[states]: how many characters a text still needs; one that was begun is not counted."""
    digest: bytes
    """16 bytes that name the automaton and its outcomes, the same in every process."""

    @property
    def nbytes(self) -> int:
        parts = (self.automaton, self.beyond, self.groups, self.tails, self.open_bytes, self.rests)
        return sum(part.nbytes for part in parts)

    @property
    def states(self) -> int:
        """How many states there are, those inside characters too."""
        return len(self.rests)

    @property
    def is_empty(self) -> bool:
        """Whether no text has an outcome."""
        return self.automaton.is_empty

    def free_places(self, outcome: int) -> tuple[int, ...] | None:
        """Return the state that every text leads back to and whose outcome has a number, with the seven
        places inside a character that follow it; None where there is none."""
        trans = self.automaton.trans
        own_numbers = np.arange(len(trans))[:, None]
        loops = (trans == own_numbers).all(axis=1)
        looping_states = np.flatnonzero(loops & (self.automaton.accept == outcome))
        if not len(looping_states):
            return None
        # The automaton is minimal: there is at most one such state for an outcome.
        state = int(looping_states[0])
        row = self.beyond[self.groups[state]]
        return (state, *(int(row[byte - 0x80]) for byte in PLACE_BYTES))

    def write_rows(self, chosen: Row, numbers: Row, into: Table) -> None:
        """Write the rows of some states, those inside characters last. A row has WIDTH columns: the state
        after a byte, or DEAD; and more (`decoded_text`). `numbers`: what each state is called there, and DEAD
        as the last."""
        of = self.automaton
        kinds = self.automaton.alphabet.classes_of(np.arange(0x80))
        whole_states = chosen[chosen < of.states]
        numbers_beyond = numbers[self.beyond]
        ways = self.groups[whole_states]
        # in parts: the rows of an automaton may take 150 MB
        for at in range(0, len(whole_states), 1 << 12):
            some = slice(at, min(at + (1 << 12), len(whole_states)))
            rows_of_classes = numbers[of.trans[whole_states[some]]]
            into[some, :0x80] = rows_of_classes[:, kinds]
            into[some, 0x80:] = numbers_beyond[ways[some]]
        totals = self.totals  # mostly there are none
        if len(totals):
            totals = np.flatnonzero(np.isin(whole_states, totals))
        into[totals, TOTAL_COLUMN] = numbers[whole_states[totals]]
        inside = into[len(whole_states) :]
        inside[:] = DEAD
        inside_states = chosen[len(whole_states) :]
        inside[:, 0x80 : 0x80 + _TAILS] = numbers[self.tails[inside_states - of.states]]


PLACE_BYTES: Final = (0xC2, 0xE1, 0xE0, 0xED, 0xF0, 0xF1, 0xF4)
"""Of each of the seven places inside a character in UTF-8 (RFC 3629, section 4), a first byte that leads to
it."""


def byte_rows(
    of: Automaton,
    outcomes: tuple[frozenset[int], ...],
    lone: bool,
    max_states: int = MOST_STATES,
) -> ByteRows:
    """Return the rows of an automaton. `lone`: lone surrogates have the column LONE_COLUMN.

    Cost: 1 KB a state. Raises `LimitError` past `max_states` states, those inside characters counted.
    """
    alphabet = of.alphabet
    trans = of.trans
    count = of.states
    THIS_CALL.count_work(_NUMBERS_OF_A_ROW * count + NUMBERS_OF_A_RANGE * len(alphabet.starts))
    far = steps_to(of.trans, of.accept > 0)
    run_of_beyond = int(np.searchsorted(alphabet.starts, 0x80, "right")) - 1
    kinds_beyond = np.unique(alphabet.kinds[run_of_beyond:])
    goes_on = bool((trans[:, kinds_beyond] >= 0).any())
    # States with the same ways beyond ASCII are a group, and share their places.
    if goes_on:
        _, first_states, groups = _unique_rows(trans[:, kinds_beyond])
    else:
        first_states = np.zeros(1, int)
        groups = np.zeros(count, int)
    beyond = _whole_characters(of, first_states)
    tail_tables: list[Table] = []
    open_bytes = [np.zeros(count, np.uint8)]
    rests = [far]
    if goes_on:
        inside_rows = _inside_rows(of, first_states, beyond, far, lone, max_states)
        for tails, remaining, needed_characters in inside_rows:
            tail_tables.append(tails)
            open_bytes.append(np.full(len(tails), remaining, np.uint8))
            rests.append(needed_characters)
    # An empty table is among them: numpy joins one array at least.
    inside = np.concatenate([*tail_tables, np.empty((0, _TAILS), np.int32)])
    if count + len(inside) > max_states:
        raise_limit_error(TOO_MANY_STATES, max_states)
    THIS_CALL.count_work(_NUMBERS_OF_A_ROW * len(inside))
    # nothing follows everywhere unless all characters do
    endless = bool((trans >= 0).all(axis=1).any())
    totals = np.zeros(0, int)
    if endless:
        totals = np.flatnonzero(closed_states(trans, np.ones(count, np.bool_)))
    return ByteRows(
        of,
        outcomes,
        beyond,
        groups,
        inside,
        totals,
        np.concatenate(open_bytes),
        np.concatenate(rests),
        _digest_of_rows(of, outcomes, lone),
    )


def _digest_of_rows(of: Automaton, outcomes: tuple[frozenset[int], ...], lone: bool) -> bytes:
    """Return the digest of the rows of an automaton; `ByteRows.digest` says what it names."""
    digest = blake2b(digest_size=16)
    for part in (of.alphabet.starts, of.alphabet.kinds, of.trans, of.accept):
        digest.update(part.tobytes())
    # A frozenset has no order that is the same in every process: it is sorted.
    digest.update(repr(([sorted(true) for true in outcomes], lone)).encode())
    return digest.digest()


def _whole_characters(of: Automaton, first: Longs) -> Table:
    """Return the rows beyond ASCII of some states: the columns of whole characters; no byte goes on."""
    alphabet = of.alphabet
    # how many characters beyond ASCII each run has, and below how many of each class
    sizes = np.diff(np.maximum(alphabet.starts, 0x80), append=LAST + 1)
    spaces = np.bincount(alphabet.classes_of(_WIDE_SPACES), minlength=alphabet.width)
    others = np.bincount(alphabet.kinds, sizes, alphabet.width) - spaces
    beyond = np.full((len(first), WIDTH - 0x80), DEAD, np.int32)
    for column, kinds in ((OTHERS_COLUMN, others), (SPACES_COLUMN, spaces)):
        after = of.trans[first][:, kinds > 0]
        # A column says a state only where all of its characters lead to that one.
        is_one = (after == after[:, :1]).all(axis=1)
        beyond[is_one, column - 0x80] = after[is_one, 0]
    return beyond


def _inside_rows(
    of: Automaton,
    first: Longs,
    beyond: Table,
    far: Longs,
    lone: bool,
    max_states: int,
) -> Iterator[tuple[Table, int, Longs]]:
    """Yield the rows of the states inside characters, those one, two and three bytes before the end of one:
    (what follows each byte that goes on, how many bytes, how many characters each still needs). The first
    bytes of characters are written into `beyond`, the rows of the states `first`. `far`: what the states
    between characters need."""
    inside = _places_inside(of.alphabet, lone)
    if len(first) * sum(map(len, inside[:3])) > MOST_PLACES:
        raise_limit_error(TOO_MANY_STATES, max_states)
    after = of.trans[first]
    distance = np.append(far, FAR)
    total = of.states
    ids: list[Table] = []
    for remaining, places in enumerate(inside[:3], 1):
        # `places` has classes (later places), or -1: a column of -1 at the end answers that index.
        no_way = np.full((len(first), 1), -1, np.int32)
        flat = np.append(after, no_way, axis=1)[:, places].reshape(-1, _TAILS)
        alive = (flat >= 0).any(axis=1)
        distinct_rows, _, number = _unique_rows(flat[alive])
        row_numbers = np.full(len(flat), -1, np.int32)
        row_numbers[alive] = total + number
        needed_characters = distance[distinct_rows].min(axis=1)
        yield distinct_rows, remaining, needed_characters
        # FAR stays the last one: it answers the index -1.
        distance = np.concatenate([distance[:-1], needed_characters, distance[-1:]])
        total += len(distinct_rows)
        if total > max_states:
            raise_limit_error(TOO_MANY_STATES, max_states)
        after = row_numbers.reshape(len(first), len(places))
        ids.append(after)
    for column, remaining, place in inside.leads:
        beyond[:, column - 0x80] = ids[remaining - 1][:, place]


def _unique_rows(rows: Table) -> tuple[Table, Longs, Longs]:
    """Return the different rows, where each is first, and which of them each row is."""
    if len(rows) < 2 or not rows.size:
        first = np.zeros(min(len(rows), 1), np.int64)
        return rows[first], first, np.zeros(len(rows), np.int64)
    # A row as one value of so many bytes: numpy sorts these faster than rows of numbers.
    whole = np.ascontiguousarray(rows)
    row_bytes = whole.dtype.itemsize * whole.shape[1]
    names = whole.view(np.dtype((np.void, row_bytes))).ravel()
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    return whole[first], first, which.reshape(-1)
