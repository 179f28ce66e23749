"""Turn an automaton over characters into rows of transitions over the bytes of UTF-8.

A *class* is a set of characters that the automaton does not tell apart. A *place inside a character* is a
state after some, but not all, bytes of a character. For example, "é" is the bytes C3 A9; after C3 the string
is in a place one byte before the end of a character. A *row* has the state after each byte.

What may follow inside a character depends only on the alphabet. So the places are first made once for an
alphabet, with classes as their targets (`_Inside`). Then each class is replaced by the state after it, for
all states of the automaton at once, and places with equal rows are merged (`_inside_rows`).
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
from structgen.automata.strings.formula_automata import OutcomeSets
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
"""The number of bytes that can continue a character: 0x80 to 0xBF."""
_WIDE_SPACES: Final = np.array(
    [code for first, last in SPACE for code in range(first, last + 1) if code > 0x7F]
)
"""White space and line terminators outside ASCII."""
_NUMBERS_OF_A_ROW: Final = WIDTH // 4
"""The work of making one row: numpy takes a fourth of the time of reading its numbers one by one."""


class _Inside(NamedTuple):
    """The places inside the characters of an alphabet. The columns of the tables are the bytes 0x80 to 0xBF;
    -1 where the byte continues no character."""

    last: Table
    """[places one byte before the end of a character, 64]: the class of the character that the byte ends."""
    middle: Table
    """[places two bytes before the end, 64]: the row of `last` for the place after the byte."""
    outer: Table
    """[places three bytes before the end, 64]: the row of `middle` for the place after the byte."""
    leads: tuple[tuple[int, int, int], ...]
    """For each first byte of characters beyond ASCII: (its column, the number of bytes that follow, the row
    of the place after it)."""


class _Places:
    """Makes the tables of `_Inside` for an alphabet."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._starts = alphabet.starts
        self._kinds = alphabet.kinds
        self._points = alphabet.starts.tolist()
        self._classes = alphabet.kinds.tolist()
        self.rows: tuple[dict[bytes, int], ...] = ({}, {}, {})

    def row_of_place(self, remaining: int, low: int, first: int, last: int) -> int:
        """Return the number of the row of a place, which is made if it is new.

        The place is `remaining` bytes before the end of a character. `low` is the least code point whose
        bytes begin as those read so far. Code points outside `first` to `last` are not allowed.
        """
        # Each further byte holds six bits of the code point (RFC 3629, section 3).
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
        # `whole`: all code points after the byte are allowed and in one range of the alphabet, so they have
        # one class and need no search.
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
        """Return the row of the place after which every character is allowed and has the class `kind`."""
        inner = kind if remaining == 1 else self._uniform_place(remaining - 1, kind)
        return self._number_row(remaining, np.full(_TAILS, inner))

    def _number_row(self, remaining: int, row: Longs) -> int:
        """Return the number of a row among the places `remaining` bytes before the end. Equal rows have one
        number."""
        rows = self.rows[remaining - 1]
        content = row.astype(np.int32).tobytes()
        return rows.setdefault(content, len(rows))

    def table_of_places(self, remaining: int) -> Table:
        """Return the rows of all places `remaining` bytes before the end of a character."""
        content = b"".join(self.rows[remaining - 1])
        return np.frombuffer(content, np.int32).reshape(-1, _TAILS)


def _places_inside(alphabet: Alphabet, lone: bool) -> _Inside:
    """Return the places inside the characters of an alphabet (RFC 3629, section 4).

    `lone`: whether lone surrogates are characters too. Cost: some 2 us for each range beyond ASCII. Alphabets
    that divide the characters beyond ASCII in the same way share one answer.
    """
    at = int(np.searchsorted(alphabet.starts, 0x80, "right")) - 1
    starts = alphabet.starts[at:].copy()
    kinds = alphabet.kinds[at:]
    starts[0] = 0x80
    # Number the classes in the order in which they occur beyond ASCII, so that such alphabets have one key.
    distinct_kinds, first, which = np.unique(kinds, return_index=True, return_inverse=True)
    order = np.argsort(first)
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.arange(len(order))
    kinds_as_they_come = numbers[which]
    inside = _inside_of(starts.tobytes(), kinds_as_they_come.tobytes(), len(order), lone)
    # Back to the classes of this alphabet. Index -1 (not a character) reads the -1 at the end.
    own_kinds = np.append(distinct_kinds[order], np.int32(-1))
    return inside._replace(last=own_kinds[inside.last])


@billed_cache(256)
def _inside_of(starts: bytes, kinds: bytes, width: int, lone: bool) -> _Inside:
    """Return the places inside characters for the part of an alphabet beyond ASCII.

    `starts`, `kinds`: the arrays of the alphabet as bytes, such as `alphabet.starts.tobytes()`; bytes can be
    keys of the cache. `width`: the number of classes. `lone`: as in `_places_inside`.
    """
    # `kinds` has four bytes for each range, so this counts four times NUMBERS_OF_A_RANGE.
    THIS_CALL.count_work(NUMBERS_OF_A_RANGE * len(kinds))
    alphabet = Alphabet(np.frombuffer(starts, np.int64), np.frombuffer(kinds, np.int32), width)
    places = _Places(alphabet)
    leads: list[tuple[int, int, int]] = []
    for byte in range(0xC2, 0xE0):  # 0xC0 and 0xC1 would begin longer forms of ASCII
        low = (byte & 31) << 6
        leads.append((byte, 1, places.row_of_place(1, low, 0x80, 0x7FF)))
    for byte in range(0xE0, 0xF0):
        low = (byte & 15) << 12
        high = 0xD7FF if byte == 0xED else 0xFFFF  # 0xED A0 to BF would be surrogates, which have no UTF-8
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
    """The rows of one spec. Its first states are those of the automaton; the others are places inside
    characters."""

    automaton: Automaton
    outcomes: OutcomeSets
    """The sets of demands: outcome number `n` of a state of the automaton is the set `outcomes[n - 1]`."""
    beyond: Table
    """[groups, WIDTH - 0x80]: the columns of a row from byte 0x80 on: the state after the byte, or DEAD; and
    the columns after those of bytes (`decoded_text`). A group is the states that share these columns."""
    groups: Longs
    """[states of the automaton]: the row of the state in `beyond`."""
    tails: Table
    """[states inside characters, 64]: the state after each byte from 0x80 to 0xBF, or DEAD."""
    totals: Longs
    """The states from which every text, however long, goes on. In their rows, TOTAL_COLUMN has the state
    itself."""
    open_bytes: Flags
    """[states]: the number of bytes that the begun character still needs; 0 between two characters."""
    rests: Longs
    """[states]: the fewest characters to the end of a text, without the character that was begun."""
    digest: bytes
    """16 bytes that name the automaton and its outcomes. They are the same in every process."""

    @property
    def nbytes(self) -> int:
        """The size of the arrays, in bytes."""
        parts = (self.automaton, self.beyond, self.groups, self.tails, self.open_bytes, self.rests)
        return sum(part.nbytes for part in parts)

    @property
    def states(self) -> int:
        """The number of states, with those inside characters."""
        return len(self.rests)

    @property
    def is_empty(self) -> bool:
        """Whether no text has an outcome."""
        return self.automaton.is_empty

    def free_places(self, outcome: int) -> tuple[int, ...] | None:
        """Return the states that are equivalent to the free string, or None where there are none.

        `outcome`: the outcome number that the free string has. The first is the state that every character
        leads back to and that has this outcome. The other seven are the places inside a character after the
        bytes of PLACE_BYTES.
        """
        trans = self.automaton.trans
        own_numbers = np.arange(len(trans))[:, None]
        loops = (trans == own_numbers).all(axis=1)
        looping_states = np.flatnonzero(loops & (self.automaton.accept == outcome))
        if not len(looping_states):
            return None
        # The automaton is minimal, so it has at most one such state for an outcome.
        state = int(looping_states[0])
        row = self.beyond[self.groups[state]]
        return (state, *(int(row[byte - 0x80]) for byte in PLACE_BYTES))

    def write_rows(self, chosen: Row, numbers: Row, into: Table) -> None:
        """Write the rows of some states into the table of a pool.

        `chosen`: the states, ascending, so that those inside characters come last. `numbers`: the number of
        each state in the pool, with DEAD as a last entry, which index -1 reads. `into`: the rows to write, of
        WIDTH columns: the state after each byte, or DEAD; and more columns (`decoded_text`).
        """
        of = self.automaton
        kinds = self.automaton.alphabet.classes_of(np.arange(0x80))
        whole_states = chosen[chosen < of.states]
        numbers_beyond = numbers[self.beyond]
        ways = self.groups[whole_states]
        # in portions of 4096 rows: those of a large automaton may take 150 MB
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
"""A first byte that leads to each of the seven places inside a character of UTF-8 (RFC 3629, section 4). The
bytes 0xE0, 0xED, 0xF0 and 0xF4 have places of their own, because not all bytes may follow them."""


def byte_rows(
    of: Automaton,
    outcomes: OutcomeSets,
    lone: bool,
    max_states: int = MOST_STATES,
) -> ByteRows:
    """Return the rows of an automaton.

    `outcomes`: the sets of demands (`ByteRows.outcomes`). `lone`: whether lone surrogates can be written, in
    the column LONE_COLUMN. Cost: 1 KB for each state. Raises `LimitError` past `max_states` states, where
    those inside characters count too.
    """
    alphabet = of.alphabet
    trans = of.trans
    count = of.states
    THIS_CALL.count_work(_NUMBERS_OF_A_ROW * count + NUMBERS_OF_A_RANGE * len(alphabet.starts))
    far = steps_to(of.trans, of.accept > 0)
    run_of_beyond = int(np.searchsorted(alphabet.starts, 0x80, "right")) - 1
    kinds_beyond = np.unique(alphabet.kinds[run_of_beyond:])
    goes_on = bool((trans[:, kinds_beyond] >= 0).any())
    # States with the same transitions beyond ASCII are a group, and share their places.
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
    # An empty table is added, because numpy refuses to join no arrays at all.
    inside = np.concatenate([*tail_tables, np.empty((0, _TAILS), np.int32)])
    if count + len(inside) > max_states:
        raise_limit_error(TOO_MANY_STATES, max_states)
    THIS_CALL.count_work(_NUMBERS_OF_A_ROW * len(inside))
    # A state is total only if all characters may follow it: without such a state, no search is needed.
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


def _digest_of_rows(of: Automaton, outcomes: OutcomeSets, lone: bool) -> bytes:
    """Return the value of `ByteRows.digest`."""
    digest = blake2b(digest_size=16)
    for part in (of.alphabet.starts, of.alphabet.kinds, of.trans, of.accept):
        digest.update(part.tobytes())
    # A frozenset has no order that is the same in every process: it is sorted.
    digest.update(repr(([sorted(true) for true in outcomes], lone)).encode())
    return digest.digest()


def _whole_characters(of: Automaton, first: Longs) -> Table:
    """Return the part of `ByteRows.beyond` that stands for whole characters; all columns of bytes are DEAD.

    `first`: the states whose rows are made, one of each group. OTHERS_COLUMN and SPACES_COLUMN get the state
    that all such characters lead to, if there is one state for all.
    """
    alphabet = of.alphabet
    # `sizes`: how many characters beyond ASCII each range has; `spaces`, `others`: how many each class has
    sizes = np.diff(np.maximum(alphabet.starts, 0x80), append=LAST + 1)
    spaces = np.bincount(alphabet.classes_of(_WIDE_SPACES), minlength=alphabet.width)
    others = np.bincount(alphabet.kinds, sizes, alphabet.width) - spaces
    beyond = np.full((len(first), WIDTH - 0x80), DEAD, np.int32)
    for column, kinds in ((OTHERS_COLUMN, others), (SPACES_COLUMN, spaces)):
        after = of.trans[first][:, kinds > 0]
        # A column gets a state only where all of its characters lead to the same state.
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
    """Yield the rows of the states inside characters: first those one byte before the end, then two, three.

    Each item is (rows of `ByteRows.tails`, bytes before the end, `ByteRows.rests` of these states). At the
    end, the states after the first bytes of characters are written into `beyond`.
    `first`: one state of each group. `far`: the `rests` of the states of the automaton. `lone`, `max_states`:
    as in `byte_rows`.
    """
    inside = _places_inside(of.alphabet, lone)
    if len(first) * sum(map(len, inside[:3])) > MOST_PLACES:
        raise_limit_error(TOO_MANY_STATES, max_states)
    after = of.trans[first]
    distance = np.append(far, FAR)
    total = of.states
    ids: list[Table] = []
    for remaining, places in enumerate(inside[:3], 1):
        # `places` holds columns of `after`: classes in the first turn, later rows of places. Index -1 reads
        # the column of -1 that is appended.
        no_way = np.full((len(first), 1), -1, np.int32)
        flat = np.append(after, no_way, axis=1)[:, places].reshape(-1, _TAILS)
        alive = (flat >= 0).any(axis=1)
        distinct_rows, _, number = _unique_rows(flat[alive])
        row_numbers = np.full(len(flat), -1, np.int32)
        row_numbers[alive] = total + number
        needed_characters = distance[distinct_rows].min(axis=1)
        yield distinct_rows, remaining, needed_characters
        # FAR stays the last entry, which index -1 reads.
        distance = np.concatenate([distance[:-1], needed_characters, distance[-1:]])
        total += len(distinct_rows)
        if total > max_states:
            raise_limit_error(TOO_MANY_STATES, max_states)
        after = row_numbers.reshape(len(first), len(places))
        ids.append(after)
    for column, remaining, place in inside.leads:
        beyond[:, column - 0x80] = ids[remaining - 1][:, place]


def _unique_rows(rows: Table) -> tuple[Table, Longs, Longs]:
    """Return (the distinct rows, the index at which each first occurs, for each row which of them it is)."""
    if len(rows) < 2 or not rows.size:
        first = np.zeros(min(len(rows), 1), np.int64)
        return rows[first], first, np.zeros(len(rows), np.int64)
    # Each row is viewed as one value of bytes: numpy sorts such values faster than rows of numbers.
    whole = np.ascontiguousarray(rows)
    row_bytes = whole.dtype.itemsize * whole.shape[1]
    names = whole.view(np.dtype((np.void, row_bytes))).ravel()
    _, first, which = np.unique(names, return_index=True, return_inverse=True)
    return whole[first], first, which.reshape(-1)
