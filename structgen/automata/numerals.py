"""Numeral automata: exactly the RFC 8259 numbers whose value meets a formula, spelled as a policy allows.

Values are exact decimals and compare as values: 1, 1.0, 10e-1 and 0.1e1 are one number. The policies:

bounded
    At most N digits before the point, F after it and X in the exponent (leading zeros of the exponent count).
    N is 20, or the digits before the point of the longest number that the specification names (an interval's
    end, a divisor) when that is written without an exponent; F is 20, or the most digits after the point
    likewise; X is 3, or as many digits as 4 * (N + F) has. So whatever number is asked for can be written
    plainly, and an exponent can move any digits to any place where a bound or a divisor tells numbers apart.
    Once X is known, N and F are cut to `Limits.number_chars`.
plain
    No exponent; no minus sign before zero; a value that is an integer has no fraction (so not 1.0); N and F
    as above. A fraction may end in zeros (1.50).
any
    Every RFC 8259 number of at most `Limits.number_chars` characters.

A state of the automaton holds what the rest of the numeral depends on: how many digits may follow, where the
digits so far lie among the bounds, what they leave modulo the divisors. It is live: every entry of `trans`
that is not DEAD or UNKNOWN leads on to some numeral that meets a demand.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from structgen import ir
from structgen.automata import numeral_steps as steps
from structgen.automata.numeral_oracle import Asker, alive, shortest
from structgen.automata.numeral_plan import ANY, PLAIN, POLICY, Caps, Side, common_core, sides_of
from structgen.errors import LimitError, OptionError
from structgen.limits import Limits

WIDTH = 16
"""Columns of a transition row: '0'..'9' are 0..9, '-' 10, '+' 11, '.' 12, 'e' 13, 'E' 14; 15 is unused."""
COLUMNS = b"0123456789-+.eE"
_IN_BYTE_ORDER = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)
NEIGHBOURHOOD = 256
"""States that one call of `expand` fills at most."""
DEPTH = 3
"""One call of `expand` makes what so many characters can reach: most tokenizers cut digits in threes."""
_FITS = 1 << 58
"""Divisors from here on are counted with unbounded integers."""

Outcome = Callable[[frozenset[int]], int]


class NumberPool:
    """All numeral automata of one compiled grammar, expanded on demand. Not thread-safe.

    `trans` (int32 [capacity, 16]) and `outcome` (int32 [capacity], -1 where the numeral may not end) are
    replaced by larger arrays when they are full; `count` states are in use.
    """

    def __init__(self, numbers: str, limits: Limits, *, caps: Caps | None = None) -> None:
        if numbers not in POLICY:
            raise OptionError(
                f"numbers={numbers!r} is not a policy.",
                where="numbers",
                cure=f"Use one of {', '.join(POLICY)}.",
            )
        self.policy = POLICY[numbers]
        self.limits = limits
        self._caps = Caps(0, 0, 0) if self.policy == ANY else caps
        self.trans: npt.NDArray[np.int32] = np.full((1024, WIDTH), ir.UNKNOWN, np.int32)
        self.outcome: npt.NDArray[np.int32] = np.full(1024, -1, np.int32)
        self._parent: npt.NDArray[np.int64] = np.full(1024, -1, np.int64)
        self._mark: npt.NDArray[np.int8] = np.zeros(1024, np.int8)
        self._states: npt.NDArray[np.int64] = np.zeros((1024, steps.FIELDS), np.int64)
        self._table: npt.NDArray[np.int32] = np.full(4096, -1, np.int32)
        self._arena: npt.NDArray[np.int64] = np.zeros(1 << 14, np.int64)
        self._functions: npt.NDArray[np.int64] = np.full(1024, -1, np.int64)
        self._counter: npt.NDArray[np.int64] = np.zeros(3, np.int64)
        self._counter[steps.USED] = 1
        self._piece: npt.NDArray[np.int64] = np.zeros(64, np.int64)
        self._queue: npt.NDArray[np.int64] = np.zeros((steps.QUEUE, steps.FIELDS), np.int64)
        self._work: npt.NDArray[np.int64] = np.zeros(4 * NEIGHBOURHOOD, np.int64)
        self._row: npt.NDArray[np.int64] = np.zeros(steps.FIELDS, np.int64)
        self._started: dict[ir.Spec, int] = {}
        self._offsets: dict[Side, int] = {}
        self._sides: dict[int, Side] = {}
        self._digests: dict[int, bytes] = {}
        self._demands: dict[int, frozenset[int]] = {}
        self._finish: dict[int, ir.Demands] = {}
        self._large: _Large | None = None

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return int(self._counter[steps.COUNT])

    # -- starting
    # ----------------------------------------------------------------------------------------------

    def start(self, spec: ir.Spec, outcome: Outcome) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral meets any demand.

        `outcome` numbers a non-empty set of demand indices; it must be the same function for the whole pool.
        Specs that ask the same of numerals share their states. Raises LimitError (automaton_states,
        oracle_steps, number_chars, alternatives).
        """
        try:
            known = self._started.get(spec)
        except RecursionError:  # too deep to hash; the sides below are interned by what they ask
            return self._start(spec, outcome)
        if known is None:
            known = self._started[spec] = self._start(spec, outcome)
        return known

    def _start(self, spec: ir.Spec, outcome: Outcome) -> int:
        def note(demands: frozenset[int]) -> int:
            number = outcome(demands)
            self._demands[number] = demands
            return number

        positive, negative = sides_of(spec, self.policy, self.limits, note, self._caps)
        large: _Large | None = None
        if max(common_core(positive.divisors), common_core(negative.divisors)) >= _FITS:
            if self._large is None:
                self._large = _Large()
            large = self._large
        ends = [self._side(side, large) for side in (positive, negative)]
        left = self.limits.number_chars if self.policy == ANY else 0
        return self._intern((ends[0], steps.START, left, ends[1], 0, 0, 0, 0), -1, large)

    def _side(self, side: Side, large: _Large | None) -> int:
        """Return the offset of a side's record, written on first use."""
        offsets = self._offsets if large is None else large.offsets
        found = offsets.get(side)
        if found is not None:
            return found
        follower = side.without_zero()
        nonzero = 0 if follower is side else self._side(follower, large)
        strict: list[int] = []
        if side.policy == PLAIN and not nonzero and not side.divisors and side.bounds:
            strict = [
                self._side(Side(side.policy, side.caps, row[0], (), (), ((row[0],),)), large)
                for row in side.rows
            ]
        pieces = 2 * (2 * len({bound.e for bound in side.bounds}) + len(side.divisors) + 4)
        if large is not None:
            at = len(large.arena)
            large.arena += _record(side, at, nonzero, strict, large.arena)
            large.sides[at] = side
            large.room = max(large.room, 4 * pieces)
        else:
            at = int(self._counter[steps.USED])
            record = _record(side, at, nonzero, strict, self._arena)
            self._reserve_arena(len(record))
            self._arena[at : at + len(record)] = record
            self._counter[steps.USED] = at + len(record)
            self._sides[at] = side
            if pieces > len(self._piece):
                self._piece = np.zeros(2 * pieces, np.int64)
        offsets[side] = at
        return at

    def _intern(self, fields: steps.Fields, origin: int, large: _Large | None) -> int:
        """Return the number of a state (ir.DEAD where it is not live), added where it is new."""
        if large is not None:
            found = large.numbers.get(fields)
            if found is not None:
                return found
            verdict = large.live(fields)
            if verdict == steps.LIFELESS or (
                verdict == steps.LOST and not self._asked(fields, origin, large)
            ):
                return ir.DEAD
            self._grow()
            found = self.count
            self._counter[steps.COUNT] = found + 1
            large.numbers[fields] = found
            large.fields[found] = fields
            self.outcome[found] = large.outcome(fields)
            self._parent[found] = origin
        else:
            found = self._enter(fields, origin, False)
            if found == ir.UNKNOWN:
                found = self._enter(fields, origin, True) if self._asked(fields, origin, None) else ir.DEAD
        self._check()
        return found

    def _enter(self, fields: steps.Fields, origin: int, known_live: bool) -> int:
        self._grow()
        self._row[:] = fields
        return int(
            steps.enter(
                self._arena,
                self._functions,
                self._counter,
                self._states,
                self._table,
                self.outcome,
                self._parent,
                self._piece,
                self._queue,
                self._row,
                origin,
                known_live,
            )
        )

    def _check(self) -> None:
        if self.count > self.limits.automaton_states:
            raise LimitError(
                f"The numbers of the grammar need more than {self.limits.automaton_states} states.",
                limit="automaton_states",
            )

    def _asked(self, fields: steps.Fields, origin: int, large: _Large | None) -> bool:
        """Return whether a state is live, by arithmetic."""
        if origin < 0:
            root, text = fields, ""
        else:
            root, text = self._path(origin // WIDTH)
            text += chr(COLUMNS[origin % WIDTH])
        sides = self._sides if large is None else large.sides
        wanted = frozenset(out for side in (root[0], root[3]) for out in _outcomes(sides[side]))
        asked = [Asker(sides[offset], wanted, self.limits) for offset in (root[0], root[3])]
        return alive(asked[0], asked[1], text, root[2] - len(text), self.policy == ANY)

    # -- expanding
    # ---------------------------------------------------------------------------------------------

    def expand(self, state: int) -> None:
        """Fill the row of a state, and in the same compiled call those of states up to two characters on.

        Raises LimitError (automaton_states, oracle_steps).
        """
        if self._large is not None and state in self._large.fields:
            self._expand_large(self._large, state)
            return
        if self._mark[state] != 1:
            while True:
                status = steps.expand(
                    self._arena,
                    self._functions,
                    self._counter,
                    self._states,
                    self._table,
                    self.trans,
                    self.outcome,
                    self._parent,
                    self._mark,
                    self._piece,
                    self._queue,
                    self._work,
                    self._row,
                    state,
                    NEIGHBOURHOOD,
                    DEPTH,
                )
                if status != steps.FULL:
                    break
                self._grow()
                if self._mark[state] == 1:
                    break
            self._check()
        open_columns = np.flatnonzero(self.trans[state] == ir.UNKNOWN)
        for column in open_columns.tolist():
            # Digits and points alone can outgrow the search, and their steps write no functions.
            child = steps.step(
                self._arena,
                self._functions,
                self._counter,
                self._piece,
                *self._fields(state),
                column,
            )
            self.trans[state, column] = self._intern(child, WIDTH * state + column, None)

    def _expand_large(self, large: _Large, state: int) -> None:
        fields = large.fields[state]
        row: list[int] = []
        for column in range(len(COLUMNS)):
            child = large.step(fields, column)
            row.append(ir.DEAD if child[1] < 0 else self._intern(child, WIDTH * state + column, large))
        self.trans[state, : len(row)] = row
        self.trans[state, len(row) :] = ir.DEAD

    def _reserve_arena(self, room: int) -> None:
        need = int(self._counter[steps.USED]) + room
        if need > len(self._arena):
            larger = np.zeros(max(2 * len(self._arena), 2 * need), np.int64)
            larger[: len(self._arena)] = self._arena
            self._arena = larger

    def _grow(self) -> None:
        """Make room for one more expansion in every array."""
        room = steps.ROOM_STATES
        self._reserve_arena(room * (len(self._piece) + 1))
        if self.count + room > len(self.outcome):
            size = 2 * len(self.outcome)
            self.trans = _longer(self.trans, size, ir.UNKNOWN)
            self.outcome = _longer(self.outcome, size, -1)
            self._parent = _longer(self._parent, size, -1)
            self._mark = _longer(self._mark, size, 0)
            self._states = _longer(self._states, size, 0)
        states = 2 * (self.count + room) > len(self._table)
        functions = 2 * (int(self._counter[steps.FUNCTIONS]) + room) > len(self._functions)
        if states or functions:
            old = self._functions
            self._table = np.full(len(self._table) * (2 if states else 1), -1, np.int32)
            self._functions = np.full(len(old) * (2 if functions else 1), -1, np.int64)
            steps.rehash(self._arena, self._states, self.count, self._table, old, self._functions, self._row)

    # -- asking
    # ------------------------------------------------------------------------------------------------

    def _path(self, state: int) -> tuple[steps.Fields, str]:
        """Return the fields of the start that a state was first reached from, and the text that led there."""
        text: list[str] = []
        while (origin := int(self._parent[state])) >= 0:
            text.append(chr(COLUMNS[origin % WIDTH]))
            state = origin // WIDTH
        return self._fields(state), "".join(reversed(text))

    def _fields(self, state: int) -> steps.Fields:
        if self._large is not None and state in self._large.fields:
            return self._large.fields[state]
        a, b, c, d, e, f, g, h = self._states[state].tolist()
        return a, b, c, d, e, f, g, h

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it.

        Of the shortest the smallest in byte order (so "E" rather than "e"). Cost: arithmetic on the numeral
        so far, some microseconds for each length that is tried; remembered by state.
        """
        known = self._finish.get(state)
        if known is not None:
            return known
        root, text = self._path(state)
        large = self._large if self._large is not None and state in self._large.fields else None
        sides = self._sides if large is None else large.sides
        positive, negative = sides[root[0]], sides[root[3]]
        outcomes = _outcomes(positive) | _outcomes(negative)
        open_demands = {demand for number in outcomes for demand in self._demands[number]}
        found: dict[int, bytes] = {}

        def met(at: int, rest: bytes) -> None:
            number = int(self.outcome[at])
            if number >= 0:
                for demand in self._demands[number] & open_demands:
                    found[demand] = rest
                    open_demands.discard(demand)

        # Most numerals may end now or after one more character.
        met(state, b"")
        if open_demands:
            if (self.trans[state] == ir.UNKNOWN).any():
                self.expand(state)
            row = self.trans[state].tolist()
            for column in _IN_BYTE_ORDER:
                if row[column] >= 0:
                    met(row[column], COLUMNS[column : column + 1])
        left = root[2] - len(text)
        any_length = self.policy == ANY
        answers: dict[frozenset[int], bytes | None] = {}
        for demand in sorted(open_demands):
            wanted = frozenset(number for number in outcomes if demand in self._demands[number])
            if wanted not in answers:
                ask, other = Asker(positive, wanted, self.limits), Asker(negative, wanted, self.limits)
                answers[wanted] = (
                    shortest(ask, other, text, left, any_length)
                    if alive(ask, other, text, left, any_length)
                    else None
                )
            rest = answers[wanted]
            if rest is not None:
                found[demand] = rest
        self._finish[state] = found
        return found

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and with which outcomes, in any process and grammar."""
        fields = self._fields(state)
        large = self._large if self._large is not None and state in self._large.fields else None
        parts: list[object]
        if fields[1] >= steps.E:
            arena = large.arena if large is not None else self._arena
            at = fields[0]
            parts = ["exponent", *(int(arena[at + n]) for n in range(1 + 2 * int(arena[at])))]
        else:
            sides = large.sides if large is not None else self._sides
            parts = [self._digest(sides[fields[0]]).hex()]
            if fields[1] == steps.START:
                parts.append(self._digest(sides[fields[3]]).hex())
                fields = (0, steps.START, fields[2], 0, 0, 0, 0, 0)
        return blake2b(repr((parts, fields[1:])).encode(), digest_size=16, person=b"sg-numeral-1").digest()

    def _digest(self, side: Side) -> bytes:
        at = id(side)
        known = self._digests.get(at)
        if known is None:
            caps = side.caps
            content = (
                side.policy,
                (caps.integer, caps.fraction, caps.exponent),
                side.zero,
                [(bound.e, bound.digits) for bound in side.bounds],
                [(hex(by.core), by.shift) for by in side.divisors],
                side.rows,
            )
            known = self._digests[at] = blake2b(repr(content).encode(), digest_size=16).digest()
        return known


class _Large:
    """The same automata over lists of unbounded integers, for divisors that 64 bits cannot count."""

    def __init__(self) -> None:
        self.arena: list[int] = [0]
        self.offsets: dict[Side, int] = {}
        self.sides: dict[int, Side] = {}
        self.numbers: dict[steps.Fields, int] = {}
        self.fields: dict[int, steps.Fields] = {}
        self.room = 64
        self._interned: dict[tuple[int, ...], int] = {}

    def step(self, fields: steps.Fields, column: int) -> steps.Fields:
        """Return the fields after one character; the phase is -1 where none follows."""
        arena, end = self.arena, len(self.arena)
        arena += [0] * self.room
        new = steps.step(arena, [-1] * 8, [end, 0, 0], [0] * self.room, *fields, column)
        content = tuple(arena[new[0] : new[0] + 1 + 2 * arena[new[0]]]) if new[1] >= steps.E else ()
        del arena[end:]
        if not content:
            return new
        at = self._interned.get(content)
        if at is None:
            at = self._interned[content] = end
            arena += content
        return (at, *new[1:])

    def live(self, fields: steps.Fields) -> int:
        """Return LIVE, LIFELESS or LOST."""
        queue = np.zeros((steps.QUEUE, steps.FIELDS), object)
        end = len(self.arena)
        verdict = steps.live(self.arena, [-1] * 8, [end, 0, 0], [0] * self.room, queue, *fields)
        return int(verdict)

    def outcome(self, fields: steps.Fields) -> int:
        """Return the outcome of ending in a state, or -1."""
        return int(steps.outcome_of(self.arena, *fields[:3], *fields[4:]))


def _outcomes(side: Side) -> set[int]:
    """Return the outcomes that a side can have."""
    found = {out for row in side.rows for out in row}
    found.add(side.zero)
    found.discard(-1)
    return found


def _longer(array: npt.NDArray, size: int, fill: int) -> npt.NDArray:  # type: ignore[type-arg]
    """Return a copy with more rows."""
    larger = np.full((size, *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger


def _record(
    side: Side, at: int, nonzero: int, strict: list[int], arena: list[int] | npt.NDArray[np.int64]
) -> list[int]:
    """Return a side as the compiled loop reads it, for the arena from offset `at`.

    `nonzero` is the offset of the same side without its own outcome for zero (0: it is this one); its tables
    serve for both.
    """
    if nonzero:
        record = [int(field) for field in arena[nonzero : nonzero + steps.RECORD]]
        record[steps.ZERO_OUT] = side.zero
        record[steps.NONZERO] = nonzero
        record[steps.FREE] = 0
        return record
    record = [0] * steps.RECORD
    words = sorted({bound.digits for bound in side.bounds})
    ranks = {word: 2 * rank + 1 for rank, word in enumerate(words)}
    decades = sorted({bound.e for bound in side.bounds})
    record[steps.POLICY] = side.policy
    record[steps.CAP_WHOLE] = side.caps.integer
    record[steps.CAP_FRACTION] = side.caps.fraction
    record[steps.CAP_EXPONENT] = side.caps.exponent
    record[steps.ZERO_OUT] = side.zero
    record[steps.NONZERO] = at
    record[steps.BOUNDS] = len(side.bounds)
    record[steps.DIVISORS] = len(side.divisors)
    record[steps.CORE] = common_core(side.divisors)
    gaps = side.rows[::2]
    record[steps.POSITIVE] = int(bool(side.divisors) and all(row[0] < 0 for row in gaps))
    reach = max((abs(e) for e in decades), default=0)
    reach = max([reach, *(abs(by.shift) + by.tens for by in side.divisors)])
    total = side.caps.integer + side.caps.fraction
    record[steps.WIDE] = int(side.caps.exponent > 15 or 10**side.caps.exponent > reach + total + 2)
    record[steps.FREE] = int(side.constant() and side.rows[0][0] == side.zero)
    record[steps.CONST] = side.rows[0][0]
    record[steps.SATURATE] = max([0, *(by.tens - by.shift for by in side.divisors)])
    record[steps.HOPELESS_BELOW] = -max((by.shift for by in side.divisors), default=0)
    record[steps.TOP_DEAD] = int(all(out < 0 for out in side.rows[-1]))
    for field, part in (
        (steps.CODES_AT, [bound.e * steps.RANKS + ranks[bound.digits] for bound in side.bounds]),
        (steps.ROWS_AT, [out for row in side.rows for out in row]),
        (steps.DIVISORS_AT, [n for by in side.divisors for n in (by.core, by.shift, by.odd, by.tens)]),
        (steps.NODES_AT, _nodes(words)),
        (steps.DECADES_AT, decades),
        (steps.STRICT_AT, strict),
    ):
        if part:
            record[field] = at + len(record)
            record += part
    record[steps.DECADES] = len(decades)
    return record


def _nodes(words: list[str]) -> list[int]:
    """Return the tree of the bounds' significands: for each node ten successors, its rank, 1 for a gap.

    Node 0 stands before the first digit that is not 0. A gap is strictly between two bounds, whatever
    follows.
    """
    below: dict[str, int] = {"": len(words)}  # how many words begin so
    for word in words:
        for end in range(1, len(word) + 1):
            prefix = word[:end]
            below[prefix] = below.get(prefix, 0) + 1
    numbers = {prefix: node for node, prefix in enumerate(below)}
    children: dict[str, list[int]] = {}
    for prefix in below:
        if prefix:
            children.setdefault(prefix[:-1], []).append(int(prefix[-1]))
    rank_of = {word: 2 * at + 1 for at, word in enumerate(words)}
    count = len(below)
    flat: list[int] = []
    more: list[int] = []  # the nodes after those of `numbers`
    gaps: dict[int, int] = {}
    tails: dict[str, int] = {}

    def gap(rank: int) -> int:
        """Return the node strictly between two neighbouring words."""
        node = gaps.get(rank, -1)
        if node < 0:
            node = gaps[rank] = count + len(more) // steps.NODE_SIZE
            more.extend((node, node, node, node, node, node, node, node, node, node, rank, 1))
        return node

    def tail(word: str) -> int:
        """Return the node of a word followed by zeros for good."""
        if word not in children:
            return numbers[word]
        above = gap(rank_of[word] + 1)
        node = tails.get(word, -1)
        if node < 0:
            node = tails[word] = count + len(more) // steps.NODE_SIZE
            more.extend((node, *([above] * 9), rank_of[word], 0))
        return node

    for prefix in numbers:
        smaller = bisect_left(words, prefix + "0") if prefix else 0
        row: list[int] = []
        for digit in children.get(prefix, ()):
            if digit > len(row):
                row += [gap(2 * smaller)] * (digit - len(row))
            longer = prefix + str(digit)
            row.append(numbers[longer])
            smaller += below[longer]
        if len(row) < 10:
            row += [gap(2 * smaller)] * (10 - len(row))
        bare = prefix.rstrip("0")
        rank = rank_of.get(bare, -1)
        if not bare:
            row[0], rank = 0, 0
        elif rank >= 0 and prefix + "0" not in numbers:
            row[0] = tail(bare)
        flat += row
        flat += (rank if rank >= 0 else 2 * bisect_left(words, bare), 0)
    return flat + more
