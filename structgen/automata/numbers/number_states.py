"""The states of number automata, kept for all grammars of the process that spell numbers alike.

A state is interned by its content, and most schemas ask the same few things of their numbers, so a grammar
finds the states that earlier grammars made. Outcomes are plain numbers here: grammars that number the
outcomes of a side alike share its states, whatever the numbers mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers import digit_steps as steps
from structgen.automata.numbers.bound_trie import nodes
from structgen.automata.numbers.interval_split import split
from structgen.automata.numbers.number_plan import (
    ANY,
    BOUNDED,
    PLAIN,
    Caps,
    Side,
    atoms_of,
    caps_of,
    common_core,
    sides_of,
)
from structgen.automata.numbers.shortest_numerals import Asker, alive, has_value, shortest
from structgen.automata.numbers.written_forms import (
    by_value,
    digits_alone,
    has_forms,
    otherwise,
    readable,
)
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits
from structgen.system.fork_locks import STORES, new_lock

WIDTH = 16
"""Columns of a transition row: '0'..'9' are 0..9, '-' 10, '+' 11, '.' 12, 'e' 13, 'E' 14; 15 is unused."""
COLUMNS = b"0123456789-+.eE"
NEIGHBOURHOOD = 256
"""The most states that one call of `expand` fills."""
DEPTH = 4
"""One call of `expand` makes the states within so many characters: most tokenizers cut digits in threes."""
CROWD = 1 << 15
"""Past so many states only the row that is asked for is filled: remainders of ten digits do not recur."""
MOST_STATES, MOST_PLANS = 1 << 16, 1 << 12
"""Past so many states or specs, new grammars begin with a new table; old ones keep theirs."""
WHOLE = 100
"""More characters than an unconstrained numeral has, except under "any"."""
_DIGITS, _MINUS, _MARKS = range(10), 10, (12, 13, 14)
"""The columns of the digits, of "-", and of ".", "e" and "E"."""
_IN_BYTE_ORDER = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)
_NOTHING: frozenset[int] = frozenset()
_FEW_ROWS = 1_000
"""Tables of more rows are not searched for their outcomes."""
_FITS = 1 << 58
"""Remainders are 64-bit integers, so the divisors' least common multiple is below this. 17 digits fit."""

_NO_BOUNDS = [0, *([1] * 9), 0, 0, *([1] * 10), 0, 1]
"""What `nodes` returns for no words."""

Meaning = tuple[tuple[int, frozenset[int]], ...]
"""Outcome numbers, and the demands that each means in one grammar."""


@dataclass(slots=True)
class NumberPlan:
    """A specification as sides, with outcomes numbered by their place in `sets`."""

    sets: tuple[frozenset[int], ...]
    positive: Side
    negative: Side
    digits: tuple[Side, Side] | None = None
    """The sides of numerals that are digits alone, if they differ."""
    starts: dict[tuple[int, ...], int] = field(default_factory=dict)
    """A grammar's numbers of `sets` -> the start state."""


class Numerals:
    """The table of states. To add states, hold `lock`; filled rows may be read without it.

    `trans` (int32 [capacity, 16]) and `outcome` (int32 [capacity], -1: the numeral may not end) are replaced
    by larger arrays when they are full. The smaller ones stay as they are: compiled code of other threads
    may read them.
    """

    def __init__(self, policy: int, caps: Caps | None, limits: Limits) -> None:
        self.lock = new_lock(STORES)  # taken while a grammar's is held, never while a store's is
        self.policy = policy
        self.limits = limits
        self.plans: dict[ir.Spec, NumberPlan] = {}
        self.keys: dict[tuple[int, Meaning], bytes] = {}
        self.finishes: dict[tuple[int, Meaning], ir.Demands] = {}
        self._caps = Caps(0, 0, 0) if policy == ANY else caps
        self.trans: npt.NDArray[np.int32] = np.full((1024, WIDTH), ir.UNKNOWN, np.int32)
        self.outcome: npt.NDArray[np.int32] = np.full(1024, -1, np.int32)
        self._replaced: list[npt.NDArray[np.int32]] = []
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
        self._labels: dict[tuple[int, int], tuple[int, ...]] = {}
        self._offsets: dict[tuple[Side, bool], int] = {}
        self._sides: dict[int, Side] = {}
        self._contents: dict[int, dict[Meaning, bytes]] = {}
        self._pairs = FormPairs(self)

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return int(self._counter[steps.COUNT])

    @property
    def full(self) -> bool:
        """Return whether new grammars should begin with a new table."""
        return self.count > MOST_STATES or len(self.plans) > MOST_PLANS

    # -- starting
    # ----------------------------------------------------------------------------------------------

    def plan(self, spec: ir.Spec) -> NumberPlan:
        """Return the plan of a specification; remembered.

        Raises LimitError (number_chars, alternatives).
        """
        try:
            known = self.plans.get(spec)
        except RecursionError:  # too deep to hash; the sides are interned by what they ask
            return self._plan(spec)
        if known is None:
            known = self._plan(spec)
            self.plans[spec] = known
        return known

    def _plan(self, spec: ir.Spec) -> NumberPlan:
        numbers: dict[frozenset[int], int] = {}

        def number(demands: frozenset[int]) -> int:
            return numbers.setdefault(demands, len(numbers))

        digits, caps = None, self._caps
        if self.policy == BOUNDED:
            if caps is None:
                caps = caps_of(atoms_of(spec.formulas), BOUNDED, self.limits)
            spec = readable(spec, caps, self.limits)
        if has_forms(spec):
            if self.policy == PLAIN:
                spec = by_value(spec)
            else:
                digits = digits_alone(spec, self.policy, self.limits, number, caps)
                spec = otherwise(spec)
        positive, negative = sides_of(spec, self.policy, self.limits, number, caps)
        return NumberPlan(tuple(numbers), positive, negative, digits)

    def start(self, plan: NumberPlan, numbers: tuple[int, ...]) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral has an outcome.

        `numbers` are a grammar's numbers of `plan.sets`. The states within a few characters are made at once.
        Raises LimitError (oracle_steps, alternatives).
        """
        known = plan.starts.get(numbers)
        if known is not None:
            return known
        state = self._start((plan.positive, plan.negative), numbers)
        if plan.digits is not None:
            digits = self._start(plan.digits, numbers)
            state = digits if state < 0 else self._pairs.number(FormPair(digits, state, ir.DEAD))
        plan.starts[numbers] = state
        return state

    def _start(self, sides: tuple[Side, Side], numbers: tuple[int, ...]) -> int:
        if numbers != tuple(range(len(numbers))):
            sides = sides[0].renumbered(numbers), sides[1].renumbered(numbers)
        any_length = sides[0].policy == ANY
        if max(common_core(sides[0].divisors), common_core(sides[1].divisors)) >= _FITS:
            raise LimitError(
                "The multipleOf values of one number have too many digits together: their least common "
                f"multiple is {_FITS:,} or more.",
                limit="alternatives",
                cure="Write each with at most 17 digits, and fewer of them in one place.",
            )
        state = ir.DEAD
        if any(side.zero >= 0 or has_value(side, self.limits) for side in sides):
            ends = [self._side(side) for side in sides]
            left = self.limits.number_chars if any_length else 0
            state = self._intern((ends[0], steps.START, left, ends[1], 0, 0, 0, 0), -1)
            if state >= 0:
                short = self.policy != ANY and sides[0].constant() and sides[1].constant()
                self._fill(state, WHOLE if short else DEPTH)
        return state

    def _side(self, side: Side, *, part: bool = False) -> int:
        """Return the offset of a side's record, written on first use. `part`: it is a part of a split side,
        and is not split again."""
        found = self._offsets.get((side, part))
        if found is not None:
            return found
        follower = side.without_zero()
        nonzero = 0 if follower is side else self._side(follower)
        parts = () if nonzero or part else split(side)
        split_at = [self._side(one, part=one is not parts[0]) for one in parts]
        strict: list[int] = []
        if side.policy == PLAIN and not nonzero and not parts and not side.divisors and side.bounds:
            strict = [
                self._side(Side(side.policy, side.caps, row[0], (), (), ((row[0],),))) for row in side.rows
            ]
        pieces = 2 * (2 * len({bound.e for bound in side.bounds}) + len(side.divisors) + 4)
        at = int(self._counter[steps.USED])
        record = _record(side, at, nonzero, strict, split_at, self._arena)
        self._reserve_arena(len(record))
        self._arena[at : at + len(record)] = record
        self._counter[steps.USED] = at + len(record)
        self._sides[at] = side
        if pieces > len(self._piece):
            self._piece = np.zeros(2 * pieces, np.int64)
        self._offsets[side, part] = at
        return at

    def _intern(self, fields: steps.Fields, origin: int) -> int:
        """Return the number of a state (ir.DEAD if it is not live); a new one is added."""
        found = self._enter(fields, origin, False)
        if found == ir.UNKNOWN:
            found = self._enter(fields, origin, True) if self._asked(fields, origin) else ir.DEAD
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

    def _asked(self, fields: steps.Fields, origin: int) -> bool:
        """Return whether a state is live, by arithmetic on the numeral so far."""
        if origin < 0:
            root, text = fields, ""
        else:
            root, text = self.path(origin // WIDTH)
            text += chr(COLUMNS[origin % WIDTH])
        wanted = frozenset(out for side in (root[0], root[3]) for out in outcomes_of(self._sides[side]))
        asked = [Asker(self._sides[offset], wanted, self.limits) for offset in (root[0], root[3])]
        return alive(asked[0], asked[1], text, root[2] - len(text), asked[0].side.policy == ANY)

    def expand(self, state: int) -> None:
        """Fill the row of a state, and in the same compiled call those of states a few characters on.

        Raises LimitError (oracle_steps).
        """
        if state in self._pairs:
            self._pairs.expand(state)
            return
        self._fill(state, DEPTH if self.count < CROWD else 1)
        open_columns = np.flatnonzero(self.trans[state] == ir.UNKNOWN)
        for column in open_columns.tolist():
            # Digits and points alone can outgrow the search, and their steps write no functions.
            child = steps.step(
                self._arena,
                self._functions,
                self._counter,
                self._piece,
                *self.fields(state),
                column,
            )
            self.trans[state, column] = self._intern(child, WIDTH * state + column)

    def _fill(self, state: int, depth: int) -> None:
        """Fill the row of a state and of those fewer than `depth` characters on.

        An entry of the row stays UNKNOWN where the search for a numeral outgrew its queue.
        """
        while self._mark[state] != 1:
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
                depth,
            )
            if status != steps.FULL:
                break
            self._grow()

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
            self._replaced += (self.trans, self.outcome)
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

    def new_state(self, outcome: int) -> int:
        """Return a new state without content; the caller fills its row."""
        self._grow()
        found = self.count
        self._counter[steps.COUNT] = found + 1
        self.outcome[found] = outcome
        self._parent[found] = -1
        return found

    def at_start(self, state: int) -> bool:
        """Return whether a state is before the first character."""
        return self.fields(state)[1] == steps.START

    def row(self, state: int) -> list[int]:
        """Return the row of a state, filled."""
        if (self.trans[state] == ir.UNKNOWN).any():
            self.expand(state)
        row: list[int] = self.trans[state].tolist()
        return row

    # -- asking
    # ------------------------------------------------------------------------------------------------

    def path(self, state: int) -> tuple[steps.Fields, str]:
        """Return the fields of the start that a state was first reached from, and the text that led there."""
        text: list[str] = []
        while (origin := int(self._parent[state])) >= 0:
            text.append(chr(COLUMNS[origin % WIDTH]))
            state = origin // WIDTH
        return self.fields(state), "".join(reversed(text))

    def fields(self, state: int) -> steps.Fields:
        """Return the fields of a state."""
        a, b, c, d, e, f, g, h = self._states[state].tolist()
        return a, b, c, d, e, f, g, h

    def meaning(self, state: int, demands: Mapping[int, frozenset[int]]) -> Meaning:
        """Return the outcomes that a state may still have, with their demands in one grammar."""
        if state in self._pairs:
            return self._pairs.meaning(state, demands)
        fields = self.fields(state)
        other = fields[3] if fields[1] == steps.START else 0
        place = fields[0], other
        labels = self._labels.get(place)
        if labels is None:
            numbers: set[int] = set()
            if fields[1] >= steps.E:
                arena, at = self._arena, fields[0]
                numbers.update(int(arena[at + 2 * n]) for n in range(1, 1 + int(arena[at])))
                numbers.discard(-1)
            else:
                for at in (fields[0], other) if other else fields[:1]:
                    numbers |= outcomes_of(self._sides[at])
            labels = self._labels[place] = tuple(sorted(numbers))
        return tuple([(number, demands[number]) for number in labels])

    def finish(self, state: int, meaning: Meaning) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it.

        Of the shortest the smallest in byte order (so "E" rather than "e"). Cost: arithmetic on the numeral
        so far, some microseconds for each length that is tried; remembered.
        """
        known = self.finishes.get((state, meaning))
        if known is None:
            with self.lock:
                if state in self._pairs:
                    known = self._pairs.finish(state, dict(meaning))
                else:
                    known = self.rests(state, dict(meaning))
                self.finishes[state, meaning] = known
        return known

    def rests(
        self, state: int, demands: Mapping[int, frozenset[int]], *, marked: bool = False
    ) -> dict[int, bytes]:
        """Return the completions of `finish`; `marked`: only those with ".", "e" or "E"."""
        open_demands = {demand for met in demands.values() for demand in met}
        found: dict[int, bytes] = {}

        def met(at: int, rest: bytes) -> None:
            for demand in demands.get(int(self.outcome[at]), _NOTHING) & open_demands:
                found[demand] = rest
                open_demands.discard(demand)

        # Most numerals may end now or after one more character.
        if not marked:
            met(state, b"")
            if open_demands:
                row = self.row(state)
                for column in _IN_BYTE_ORDER:
                    if row[column] >= 0:
                        met(row[column], COLUMNS[column : column + 1])
        if not open_demands:
            return found
        root, text = self.path(state)
        positive, negative = self._sides[root[0]], self._sides[root[3]]
        left = root[2] - len(text)
        any_length = positive.policy == ANY
        answers: dict[frozenset[int], bytes | None] = {}
        for demand in sorted(open_demands):
            wanted = frozenset(number for number, some in demands.items() if demand in some)
            if wanted not in answers:
                ask, other = (
                    Asker(side, wanted, self.limits, marked=marked) for side in (positive, negative)
                )
                answers[wanted] = (
                    shortest(ask, other, text, left, any_length)
                    if alive(ask, other, text, left, any_length)
                    else None
                )
            rest = answers[wanted]
            if rest is not None:
                found[demand] = rest
        return found

    def key(self, state: int, meaning: Meaning) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        known = self.keys.get((state, meaning))
        if known is None:
            if state in self._pairs:
                known = self._pairs.key(state, meaning)
            else:
                known = self._key(state, dict(meaning))
            self.keys[state, meaning] = known
        return known

    def _key(self, state: int, demands: Mapping[int, frozenset[int]]) -> bytes:
        fields = self.fields(state)
        parts: list[object]
        if fields[1] >= steps.E:
            arena, at, names = self._arena, fields[0], _Names(demands)
            parts = ["exponent"]
            for n in range(int(arena[at])):
                parts += (int(arena[at + 1 + 2 * n]), names.number(int(arena[at + 2 + 2 * n])))
            parts.append(names.sets)
        else:
            parts = [self._content(fields[0], demands)]
            if fields[1] == steps.START:
                parts.append(self._content(fields[3], demands))
                fields = (0, steps.START, fields[2], 0, 0, 0, 0, 0)
        return blake2b(repr((parts, fields[1:])).encode(), digest_size=16, person=b"sg-numeral-4").digest()

    def _content(self, at: int, demands: Mapping[int, frozenset[int]]) -> bytes:
        """Return a digest of a side; made once for each meaning of its outcomes."""
        side = self._sides[at]
        known = self._contents.setdefault(at, {})
        numbers = outcomes_of(side) if len(side.rows) <= _FEW_ROWS else demands
        meaning = tuple((number, demands[number]) for number in sorted(numbers))
        found = known.get(meaning)
        if found is None:
            found = known[meaning] = _content(side, demands)
        return found


class _Names:
    """Numbers outcomes in the order in which they are met, independent of the grammar's numbers."""

    def __init__(self, demands: Mapping[int, frozenset[int]]) -> None:
        self.sets: list[list[int]] = []
        self._demands = demands
        self._known = {-1: -1}

    def number(self, outcome: int) -> int:
        """Return the number of an outcome."""
        known = self._known.get(outcome)
        if known is None:
            known = len(self.sets)
            self.sets.append(sorted(self._demands[outcome]))
            self._known[outcome] = known
        return known


def _content(side: Side, demands: Mapping[int, frozenset[int]]) -> bytes:
    """Return a digest of a side that is the same in every process. Linear in its bounds."""
    names = _Names(demands)
    caps = side.caps
    digest = blake2b(digest_size=16, person=b"sg-side")
    head = side.policy, tuple(caps), names.number(side.zero)
    digest.update(repr((head, [(hex(by.core), by.shift) for by in side.divisors])).encode())
    digest.update("".join([f"{bound.e} {bound.digits}\n" for bound in side.bounds]).encode())
    outs = [out for row in side.rows for out in row]
    numbers = {out: f"{names.number(out)} " for out in dict.fromkeys(outs)}
    digest.update("".join([numbers[out] for out in outs]).encode())
    digest.update(repr(names.sets).encode())
    return digest.digest()


class _SharedTable:
    """The table that new grammars share."""

    def __init__(self, policy: int, caps: Caps | None, limits: Limits) -> None:
        self._lock = new_lock(STORES)
        self._made = policy, caps, limits
        self._now: Numerals | None = None

    def take(self) -> Numerals:
        """Return the table; a new one once it is full."""
        now = self._now
        if now is None or now.full:
            with self._lock:
                now = self._now
                if now is None or now.full:
                    now = self._now = Numerals(*self._made)
        return now


@lru_cache(maxsize=16)
def _shared_table(policy: int, caps: Caps | None, number_chars: int, oracle_steps: int) -> _SharedTable:
    return _SharedTable(policy, caps, Limits(number_chars=number_chars, oracle_steps=oracle_steps))


def shared(policy: int, caps: Caps | None, limits: Limits) -> Numerals:
    """Return the table that grammars with this policy and these limits share.

    A grammar with a small limit on states has a table of its own, so that other grammars' states do not
    count.
    """
    if limits.automaton_states < MOST_STATES:
        return Numerals(policy, caps, limits)
    return _shared_table(policy, caps, limits.number_chars, limits.oracle_steps).take()


class FormPair(NamedTuple):
    """A numeral of digits alone so far, where a formula judges how a numeral is written (`written_forms`).

    The first automaton writes digits alone, the second is the usual one. Digits move both; the outcome is the
    first one's; the first ".", "e" or "E" leaves the second automaton alone.
    """

    digits: int
    """The state of the automaton that writes digits alone, or ir.DEAD."""
    other: int
    """The state of the usual automaton, or ir.DEAD."""
    zero: int
    """After a minus sign: the state after 0, which is the one after -0; else ir.DEAD."""


class FormPairs:
    """The pairs among the states of one table of numerals."""

    def __init__(self, numerals: Numerals) -> None:
        self._numerals = numerals
        self._of: dict[int, FormPair] = {}
        self._numbers: dict[FormPair, int] = {}
        self._marked: dict[int, bool] = {}

    def __contains__(self, state: int) -> bool:
        return state in self._of

    def number(self, pair: FormPair) -> int:
        """Return the state of a pair, or ir.DEAD if it is not live."""
        known = self._numbers.get(pair)
        if known is not None:
            return known
        numerals = self._numerals
        other = pair.other if pair.other >= 0 and self._may_have_mark(pair.other) else ir.DEAD
        if pair.digits < 0 and other < 0 and pair.zero < 0:
            found = ir.DEAD
        else:
            found = numerals.new_state(int(numerals.outcome[pair.digits]) if pair.digits >= 0 else -1)
            self._of[found] = FormPair(pair.digits, other, pair.zero)
        self._numbers[pair] = found
        return found

    def expand(self, state: int) -> None:
        """Fill the row of a pair."""
        digits, other, zero = self._of[state]
        numerals = self._numerals
        mine = numerals.row(digits) if digits >= 0 else None
        its = numerals.row(other) if other >= 0 else None
        row = [ir.DEAD] * numerals.trans.shape[1]
        start = digits >= 0 and numerals.at_start(digits)
        for column in (*_DIGITS, _MINUS):
            after = FormPair(
                mine[column] if mine is not None else ir.DEAD,
                its[column] if its is not None else ir.DEAD,
                mine[0] if mine is not None and start and column == _MINUS else ir.DEAD,
            )
            if column == 0 and zero >= 0:
                after = after._replace(digits=zero)
            if after != (ir.DEAD, ir.DEAD, ir.DEAD):
                row[column] = self.number(after)
        if its is not None:
            for column in _MARKS:
                row[column] = its[column]
        numerals.trans[state] = row

    def meaning(self, state: int, demands: Mapping[int, frozenset[int]]) -> Meaning:
        """Return what `Numerals.meaning` does."""
        parts = {part for at in self._of[state] if at >= 0 for part in self._numerals.meaning(at, demands)}
        return tuple(sorted(parts, key=lambda part: part[0]))

    def finish(self, state: int, demands: Mapping[int, frozenset[int]]) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest that meets it."""
        digits, other, zero = self._of[state]
        numerals = self._numerals
        found: dict[int, bytes] = {}
        options = [(b"", digits, False), (b"0", zero, False), (b"", other, True)]
        for head, at, marked in options:
            if at < 0:
                continue
            for demand, rest in numerals.rests(at, demands, marked=marked).items():
                text = head + rest
                best = found.get(demand)
                if best is None or (len(text), text) < (len(best), best):
                    found[demand] = text
        return found

    def key(self, state: int, meaning: Meaning) -> bytes:
        """Return 16 bytes that say what may follow, in any process and grammar."""
        demands = dict(meaning)
        numerals = self._numerals
        parts = [
            numerals.key(at, numerals.meaning(at, demands)).hex() if at >= 0 else "" for at in self._of[state]
        ]
        return blake2b("|".join(parts).encode(), digest_size=16, person=b"sg-numeral-pair").digest()

    def _may_have_mark(self, start: int) -> bool:
        """Return whether a state of the usual automaton can still write ".", "e" or "E".

        Nearly always at once; digits that only go on as digits end at the longest numeral.
        """
        seen = {start}
        todo = [start]
        while todo:
            state = todo.pop()
            known = self._marked.get(state)
            row = self._numerals.row(state) if known is None else []
            if known or any(row[column] >= 0 for column in _MARKS if row):
                self._marked[start] = self._marked[state] = True
                return True
            for column in (*_DIGITS, _MINUS) if row else ():
                after = row[column]
                if after >= 0 and after not in seen:
                    seen.add(after)
                    todo.append(after)
        for state in seen:
            self._marked[state] = False
        return False


def outcomes_of(side: Side) -> set[int]:
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
    side: Side,
    at: int,
    nonzero: int,
    strict: list[int],
    split_at: list[int],
    arena: npt.NDArray[np.int64],
) -> list[int]:
    """Return a side as a record for the arena from offset `at`.

    `nonzero` is the offset of the same side without its own outcome for zero (0: it is this one); both share
    its tables. `split_at`: the offsets of the sides by first digit, if the side is split; it has no tables
    then.
    """
    if nonzero:
        record = [int(field) for field in arena[nonzero : nonzero + steps.RECORD]]
        record[steps.ZERO_OUT] = side.zero
        record[steps.NONZERO] = nonzero
        record[steps.FREE] = 0
        return record
    bounds, divisors, rows = side.bounds, side.divisors, side.rows
    words = [] if split_at else sorted({bound.digits for bound in bounds})
    decades = sorted({bound.e for bound in bounds})
    caps, core, reach, saturate, hopeless = side.caps, 1, 0, 0, 0
    if divisors:
        core = common_core(divisors)
        reach = max([abs(by.shift) + by.tens for by in divisors])
        saturate = max(0, *[by.tens - by.shift for by in divisors])
        hopeless = -max([by.shift for by in divisors])
    if decades:
        reach = max(reach, -decades[0], decades[-1])
    total = caps.integer + caps.fraction
    parts: list[int] = []
    places: list[int] = []
    start = at + steps.RECORD
    ranks = {word: 2 * rank + 1 for rank, word in enumerate(words)}
    for part in (
        [] if split_at else [bound.e * steps.RANKS + ranks[bound.digits] for bound in bounds],
        [] if split_at else [out for row in rows for out in row],
        [number for by in divisors for number in (by.core, by.shift, by.odd, by.tens)],
        nodes(words) if words else _NO_BOUNDS,
        decades,
        strict,
        split_at,
    ):
        places.append(start + len(parts) if part else 0)
        parts += part
    record = [0] * steps.RECORD
    record[steps.POLICY] = side.policy
    record[steps.CAP_WHOLE] = caps.integer
    record[steps.CAP_FRACTION] = caps.fraction
    record[steps.CAP_EXPONENT] = caps.exponent
    record[steps.ZERO_OUT] = side.zero
    record[steps.NONZERO] = at
    record[steps.BOUNDS] = len(bounds)
    record[steps.DIVISORS] = len(divisors)
    record[steps.CORE] = core
    positive = bool(divisors) and all(row[0] < 0 for row in rows[::2])
    record[steps.POSITIVE] = int(positive)
    if positive and hopeless >= 0:
        # Only bounds can be broken numbers.
        record[steps.INTEGERS] = int(
            all(
                bound.e + 1 >= len(bound.digits) or row[0] < 0
                for bound, row in zip(bounds, rows[1::2], strict=True)
            )
        )
    record[steps.MOST_EXPONENT] = caps.most_exponent
    exponents = min(10 ** min(caps.exponent, 16), caps.most_exponent + 1)
    record[steps.WIDE] = int(exponents > reach + total + 2)
    record[steps.FREE] = int(not bounds and not divisors and rows[0][0] == side.zero)
    record[steps.CONST] = rows[0][0]
    record[steps.SATURATE] = saturate
    record[steps.HOPELESS_BELOW] = hopeless
    record[steps.TOP_DEAD] = int(max(rows[-1]) < 0)
    record[steps.CODES_AT], record[steps.ROWS_AT], record[steps.DIVISORS_AT] = places[:3]
    record[steps.NODES_AT], record[steps.DECADES_AT], record[steps.STRICT_AT] = places[3:6]
    record[steps.SPLIT_AT] = places[6]
    record[steps.DECADES] = len(decades)
    return record + parts
