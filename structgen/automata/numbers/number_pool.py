"""Numeral automata: exactly the RFC 8259 numbers whose value meets a formula, spelled as a policy allows.

Values are exact decimals and compare as values: 1, 1.0, 10e-1 and 0.1e1 are one number. The policies:

bounded
    At most N digits before the point, F after it and X in the exponent (leading zeros of the exponent count).
    N is 20, or the digits before the point of the longest number that the specification names (an interval's
    end, a divisor) when that is written without an exponent; F is 20, or the most digits after the point
    likewise; X is 3, or as many digits as 4 * (N + F) has. So whatever number is asked for can be written
    plainly, and an exponent can move any digits to any place where a bound or a divisor tells numbers apart.
    Once X is known, N and F are cut to `Limits.number_chars`. Where only integers may stand, numerals are
    digits alone; elsewhere no numeral is read as an infinite float (`written_forms`): exponents are
    at most 287, or the value is bounded where the specification names numbers of more than 20 digits.
plain
    No exponent; no minus sign before zero; a value that is an integer has no fraction (so not 1.0); N and F
    as above, and a digit more where the specification names a number of 20 digits. A fraction may end in
    zeros (1.50).
python
    As "bounded", in every spelling: the numerals among which `printed_numerals` chooses.
any
    Every RFC 8259 number of at most `Limits.number_chars` characters.

A state of the automaton holds what the rest of the numeral depends on (`digit_steps.Numeral`). It is live:
every entry of `trans` that is not DEAD or UNKNOWN leads on to some numeral that meets a demand. A state is
interned by its content, and most schemas ask the same few things of their numbers, so the states are kept for
all grammars of the process that spell numbers alike (`Numerals`). Outcomes are plain numbers there: grammars
that number the outcomes of a side alike share its states, whatever the numbers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers import digit_steps as steps
from structgen.automata.numbers import numeral_rows as table
from structgen.automata.numbers.number_plan import Divisor, Side, common_core, parts_of, sides_of
from structgen.automata.numbers.numeral_values import LONGEST
from structgen.automata.numbers.written_forms import ANY, POLICY, Caps
from structgen.errors import LimitError, OptionError
from structgen.language import ir
from structgen.limits import Limits
from structgen.system.fork_locks import STORES, new_lock

WIDTH = 16
"""Columns of a transition row: '0'..'9' are 0..9, '-' 10, '+' 11, '.' 12, 'e' 13, 'E' 14; 15 is unused."""
COLUMNS = b"0123456789-+.eE"
DEPTH = 4
"""One call of `expand` makes the states within so many characters: most tokenizers cut digits in threes."""
CROWD = 1 << 15
"""Past so many states only the row that is asked for is filled: remainders of ten digits do not recur."""
MOST_STATES, MOST_PLANS = 1 << 16, 1 << 12
"""Past so many states or specs, new grammars begin with a new table; old ones keep theirs."""
WHOLE = 100
"""More characters than an unconstrained numeral has, except under "any"."""
_IN_BYTE_ORDER = sorted(range(len(COLUMNS) - 1), key=b"0123456789-+.E".__getitem__)
"""The columns, but for "E" instead of "e": they are the same."""
_FITS = 1 << 58
"""Remainders are 64-bit integers, so the divisors' least common multiple is below this. 17 digits fit."""

_FOLLOWED: Final = 1 << 7
"""States whose rests are looked at, each, for the farthest: an integer of any value has 23, a number 52."""

Outcome = Callable[[frozenset[int]], int]
Meaning = tuple[tuple[int, frozenset[int]], ...]
"""Outcome numbers, and the demands that each means in one grammar."""


class NumberPool:
    """The numeral automata of one compiled grammar, expanded on demand. One thread at a time may use it.

    `trans` (int32 [capacity, 16]) and `outcome` (int32 [capacity], -1 where the numeral may not end) belong
    to all pools of the process that spell numbers alike: rows are filled in place by whoever asks first, and
    a row that is filled never changes. A call of this pool may replace both by larger arrays; what was read
    from the smaller ones stays true.
    """

    __slots__ = ("_demands", "_limits", "_made", "_numerals", "outcome", "trans")

    def __init__(self, numbers: str, limits: Limits, *, caps: Caps | None = None) -> None:
        if numbers not in POLICY:
            raise OptionError(
                f"numbers={numbers!r} is not a policy.",
                where="numbers",
                cure=f"Use one of {', '.join(POLICY)}.",
            )
        self._limits = limits
        self._numerals = shared(POLICY[numbers], caps, limits)
        self.trans: npt.NDArray[np.int32] = self._numerals.trans
        self.outcome: npt.NDArray[np.int32] = self._numerals.outcome
        self._demands: dict[int, frozenset[int]] = {}
        self._made = 0

    @property
    def count(self) -> int:
        """Return how many states there are, those of other grammars included."""
        return self._numerals.count

    @property
    def made(self) -> int:
        """Return how many states were made for this pool."""
        return self._made

    def start(self, spec: ir.Spec, outcome: Outcome) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral meets any demand.

        `outcome` numbers a non-empty set of demand indices; it must be the same function for the whole pool.
        Specs that ask the same of numerals share their states. Cost: 2 us where some grammar asked the same
        before, else some 100 us, and what four characters can reach is known then. Raises LimitError
        (automaton_states, number_chars, alternatives).
        """
        plan = self._numerals.plan(spec)
        numbers = []
        for demands in plan.sets:
            number = outcome(demands)
            self._demands[number] = demands
            numbers.append(number)
        state = plan.starts.get(tuple(numbers))
        if state is None or state >= len(self.trans):
            with self._numerals.lock:
                before = self._numerals.count
                state = self._numerals.start(plan, tuple(numbers))
                self._take(before)
        return state

    def expand(self, state: int) -> None:
        """Fill the row of a state, and with it the rows of states a few characters on.

        Raises LimitError (automaton_states).
        """
        with self._numerals.lock:
            before = self._numerals.count
            self._numerals.expand(state)
            self._take(before)

    def _take(self, before: int) -> None:
        """Look at the arrays as they are now; count the states that this pool has made."""
        numerals = self._numerals
        self.trans, self.outcome = numerals.trans, numerals.outcome
        self._made += numerals.count - before
        if self._made > self._limits.automaton_states:
            raise LimitError(
                f"The numbers of the grammar need more than {self._limits.automaton_states} states.",
                limit="automaton_states",
            )

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it.

        Of the shortest the smallest in byte order (so "E" rather than "e"). Cost: 3 us where it is known,
        else some microseconds a character.
        """
        return self._numerals.finish(state, self._numerals.meaning(state, self._demands))

    def least(self, state: int) -> int:
        """Return how many characters the shortest rest has that meets any demand. Cost: some microseconds."""
        return self._numerals.least(state)

    def farthest(self, start: int) -> int | None:
        """Return how many characters the shortest rest of a numeral has at most, in whichever state that
        follows the start of a specification; None where these are many. Cost: 10 us for each of them; from
        the second time on 3 us, in whichever grammar.
        """
        known, mark = self._numerals.farthest, (start, self._numerals.meaning(start, self._demands))
        if mark not in known:
            known[mark] = self._farthest(start)
        return known[mark]

    def _farthest(self, start: int) -> int | None:
        found, pending, most = {start}, [start], 0
        while pending:
            state = pending.pop()
            if ir.UNKNOWN in self.trans[state].tolist():
                self.expand(state)
            most = max(most, *map(len, self.finish(state).values()))
            new = {target for target in self.trans[state].tolist() if target >= 0} - found
            found |= new
            pending += new
            if len(found) > _FOLLOWED:
                return None
        return most

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        return self._numerals.key(state, self._numerals.meaning(state, self._demands))


@dataclass(slots=True)
class NumberPlan:
    """A specification as sides, with outcomes numbered by their place in `sets`."""

    sets: tuple[frozenset[int], ...]
    sides: tuple[Side, Side]
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
        self.farthest: dict[tuple[int, Meaning], int | None] = {}
        """As `finishes`: characters of the longest of the shortest rests (`NumberPool.farthest`)."""
        self._caps = caps
        self.trans: npt.NDArray[np.int32] = np.full((1024, WIDTH), ir.UNKNOWN, np.int32)
        self.outcome: npt.NDArray[np.int32] = np.full(1024, -1, np.int32)
        self._replaced: list[npt.NDArray[np.int32]] = []
        self._states: npt.NDArray[np.int64] = np.zeros((1024, steps.FIELDS), np.int64)
        self._slots: npt.NDArray[np.int64] = np.full(4096, -1, np.int64)
        self._arena: npt.NDArray[np.int64] = np.zeros(1 << 14, np.int64)
        self._arena[steps.USED] = steps.FIRST_RECORD
        self._offsets: dict[tuple[Side, bool], int] = {}
        self._sides: dict[int, Side] = {}
        self._labels: dict[tuple[int, int], tuple[int, ...]] = {}
        self._contents: dict[tuple[int, tuple[tuple[int, int], ...]], bytes] = {}

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return int(self._arena[steps.COUNT])

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
        sides = sides_of(
            spec,
            self.policy,
            self.limits,
            lambda demands: numbers.setdefault(demands, len(numbers)),
            self._caps,
        )
        if any(_too_long(common_core(side.divisors), len(side.divisors)) for side in sides):
            raise LimitError(
                "The multipleOf values of one number have too many digits together: their least common "
                f"multiple is {_FITS:,} or more.",
                limit="alternatives",
                cure="Write each with at most 17 digits, and fewer of them in one place.",
            )
        return NumberPlan(tuple(numbers), sides)

    def start(self, plan: NumberPlan, numbers: tuple[int, ...]) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral has an outcome.

        `numbers` are a grammar's numbers of `plan.sets`. The states within a few characters are made at once.
        """
        known = plan.starts.get(numbers)
        if known is not None:
            return known
        sides = plan.sides
        if numbers != tuple(range(len(numbers))):
            names = dict(enumerate(numbers))
            sides = sides[0].renumbered(names), sides[1].renumbered(names)
        left = self.limits.number_chars if self.policy == ANY else 0
        positive, negative = self._side(sides[0]), self._side(sides[1])
        state = self._enter(steps.Numeral(positive, steps.START, left, negative, 0, 0, 0, 0))
        if state >= 0:
            short = self.policy != ANY and not any(side.words for side in sides)
            self._fill(state, WHOLE if short and not _remainders(sides) else DEPTH)
        plan.starts[numbers] = state
        return state

    def _side(self, side: Side, *, part: bool = False) -> int:
        """Return the offset of a side's record, written on first use. `part`: it is a part of a split side,
        and is not split again."""
        found = self._offsets.get((side, part))
        if found is not None:
            return found
        follower = side.without_zero()
        nonzero = 0 if follower is side else self._side(follower)
        parts = () if nonzero or part else parts_of(side)
        split_at = [self._side(one, part=one != parts[0]) for one in parts]
        if nonzero:
            record = self._arena[nonzero : nonzero + steps.RECORD].copy()
            record[steps.ZERO_OUT : steps.ZERO_OUT + 2] = side.zero
            record[steps.FREE] = 0
        else:
            record = _record(side, split_at, int(self._arena[steps.USED]))
        at = int(self._arena[steps.USED])
        record[steps.NONZERO] = nonzero or at
        pieces = 2 * (2 * int(record[steps.DECADES]) + len(side.divisors) + 4) + 1
        self._reserve(len(record))
        self._arena[at : at + len(record)] = record
        self._arena[steps.USED] = at + len(record)
        self._arena[steps.PIECE_ROOM] = max(int(self._arena[steps.PIECE_ROOM]), pieces)
        self._sides[at] = side
        self._offsets[side, part] = at
        return at

    def _enter(self, n: steps.Numeral) -> int:
        """Return the number of a numeral (ir.DEAD if it is not live); a new one is added."""
        self._grow()
        self._states[self.count, : steps.FIELDS] = n
        return int(table.enter(self._arena, self._states, self._slots, self.outcome, self.count))

    def expand(self, state: int) -> None:
        """Fill the row of a state, and in the same compiled call those of states a few characters on."""
        self._fill(state, DEPTH if self.count < CROWD else 1)

    def _fill(self, state: int, depth: int) -> None:
        self._arena[steps.DEPTH] = depth
        while self.trans[state, WIDTH - 1] == ir.UNKNOWN:
            if not table.expand(self._arena, self._states, self._slots, self.trans, self.outcome, state):
                self._grow()

    def _reserve(self, room: int) -> None:
        need = int(self._arena[steps.USED]) + room
        if need > len(self._arena):
            self._arena = _longer(self._arena, max(2 * len(self._arena), 2 * need), 0)

    def _grow(self) -> None:
        """Make room for one more row in every array."""
        room = table.ROOM
        self._reserve(room * int(self._arena[steps.PIECE_ROOM]) + room)
        if self.count + room >= len(self.outcome):
            size = 2 * len(self.outcome)
            self._replaced += (self.trans, self.outcome)
            self.trans = _longer(self.trans, size, ir.UNKNOWN)
            self.outcome = _longer(self.outcome, size, -1)
            self._states = _longer(self._states, size, 0)
        if 2 * (self.count + int(self._arena[steps.FUNCTIONS]) + 2 * room) > len(self._slots):
            old = self._slots
            self._slots = np.full(2 * len(old), -1, np.int64)
            table.rehash(self._arena, self._states, self._slots, old)

    # -- asking
    # ------------------------------------------------------------------------------------------------

    def numeral(self, state: int) -> steps.Numeral:
        """Return a state's numeral."""
        return steps.Numeral(*self._states[state, : steps.FIELDS].tolist())

    def meaning(self, state: int, demands: Mapping[int, frozenset[int]]) -> Meaning:
        """Return the outcomes that a state may still have, with their demands in one grammar."""
        n = self.numeral(state)
        other = n.seen if n.phase == steps.START else 0
        place = n.side, other
        labels = self._labels.get(place)
        if labels is None:
            if n.phase >= steps.E:
                numbers = set(self._pieces(n.side)[1::2]) - {-1}
            else:
                numbers = self._sides[n.side].outcomes() | (self._sides[other].outcomes() if other else set())
            labels = self._labels[place] = tuple(sorted(numbers))
        return tuple([(number, demands[number]) for number in labels])

    def _pieces(self, function: int) -> list[int]:
        """Return the starts and the outcomes of a function's pieces, in turn."""
        first = function + 1
        pieces: list[int] = self._arena[first : first + 2 * int(self._arena[function])].tolist()
        return pieces

    def finish(self, state: int, meaning: Meaning) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it.

        Of the shortest the smallest in byte order (so "E" rather than "e"). Cost: some microseconds a
        character and demand; remembered.
        """
        known = self.finishes.get((state, meaning))
        if known is None:
            with self.lock:
                known = self.finishes[state, meaning] = self._finish(state, meaning)
        return known

    def _finish(self, state: int, meaning: Meaning) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        rests: dict[frozenset[int], bytes | None] = {}
        for demand in sorted({demand for _, met in meaning for demand in met}):
            wanted = frozenset(number for number, met in meaning if demand in met)
            if wanted not in rests:
                rests[wanted] = self._shortest(state, wanted if len(wanted) < len(meaning) else None)
            rest = rests[wanted]
            if rest is not None:
                found[demand] = rest
        return found

    def _shortest(self, state: int, wanted: frozenset[int] | None) -> bytes | None:
        """Return the shortest rest with a wanted outcome (None: with any), or None."""
        if wanted is not None:
            state = self._with_outcomes(state, wanted)
            if state < 0:
                return None
        rest = bytearray()
        for left in range(self.least(state) - 1, -1, -1):
            self._fill(state, 1)
            for column in _IN_BYTE_ORDER:
                after = int(self.trans[state, column])
                if after >= 0 and self._reaches(after, left):
                    state = after
                    rest += b"0123456789-+.E"[column : column + 1]
                    break
        return bytes(rest)

    def least(self, state: int) -> int:
        """Return how many characters the shortest rest with an outcome has."""
        most = 0
        while not self._reaches(state, most):
            most = 2 * most + 1
        few = most >> 1
        while most - few > 1:
            middle = (few + most) >> 1
            few, most = (few, middle) if self._reaches(state, middle) else (middle, most)
        return most

    def _reaches(self, state: int, chars: int) -> bool:
        return bool(table.reaches(self._arena, self._states, state, chars))

    def _with_outcomes(self, state: int, wanted: frozenset[int]) -> int:
        """Return the state of the same numeral where only some outcomes count; or ir.DEAD."""
        n = self.numeral(state)
        same = {number: number for number in wanted}
        if n.phase >= steps.E:
            pieces = self._pieces(n.side)
            pieces[1::2] = [same.get(out, -1) for out in pieces[1::2]]
            self._grow()
            made = int(self._arena[steps.USED])
            self._arena[made + 1 : made + 1 + len(pieces)] = pieces
            side = int(table.enter_function(self._arena, self._slots, len(pieces) >> 1))
            return self._enter(n._replace(side=side))
        n = n._replace(side=self._same_side(n.side, same))
        if n.phase == steps.START:
            n = n._replace(seen=self._same_side(n.seen, same))
        return self._enter(n)

    def _same_side(self, at: int, same: dict[int, int]) -> int:
        """Return the offset of a side with the same bounds and divisors, without the other outcomes."""
        side = self._sides[at]
        return self._side(side.renumbered(same), part=not self._arena[at + steps.SPLIT_AT])

    def key(self, state: int, meaning: Meaning) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        known = self.keys.get((state, meaning))
        if known is None:
            known = self.keys[state, meaning] = self._key(self.numeral(state), dict(meaning))
        return known

    def _key(self, n: steps.Numeral, demands: Mapping[int, frozenset[int]]) -> bytes:
        sets = sorted({tuple(sorted(met)) for met in demands.values()})
        names = {number: sets.index(tuple(sorted(met))) for number, met in demands.items()}
        parts: list[object] = [sets]
        if n.phase >= steps.E:
            pieces = self._pieces(n.side)
            parts += [*pieces[::2], *[names.get(out, -1) for out in pieces[1::2]]]
        else:
            parts.append(self._content(n.side, names))
            if n.phase == steps.START:
                parts.append(self._content(n.seen, names))
                n = n._replace(seen=0)
        text = repr((parts, tuple(n[1:])))
        return blake2b(text.encode(), digest_size=16, person=b"sg-numeral-6").digest()

    def _content(self, at: int, names: dict[int, int]) -> bytes:
        """Return a digest of a side that is the same in every process; made once for each meaning of its
        outcomes."""
        asked = at, tuple(names.items())
        found = self._contents.get(asked)
        if found is None:
            side = self._sides[at].renumbered(names)
            divisors = [(hex(by.core), by.shift) for by in side.divisors]
            head = repr((side.any_length, tuple(side.caps), side.zero, divisors, side.words))
            digest = blake2b(head.encode(), digest_size=16, person=b"sg-side")
            digest.update(side.codes)
            digest.update(side.rows)
            found = self._contents[asked] = digest.digest()
        return found


def _too_long(core: int, divisors: int) -> bool:
    """Return whether residues need more than 64 bits (`numeral_values.LONGEST`)."""
    return core >= _FITS or core * (1 + (1 << divisors) // 2) > LONGEST


_tables: dict[tuple[int, Caps | None, int], Numerals] = {}
"""The tables that new grammars share, by policy and limits."""
_lock = new_lock(STORES)


def shared(policy: int, caps: Caps | None, limits: Limits) -> Numerals:
    """Return the table that grammars with this policy and these limits share.

    A grammar with a small limit on states has a table of its own, so that other grammars' states do not
    count.
    """
    if limits.automaton_states < MOST_STATES:
        return Numerals(policy, caps, limits)
    asked = policy, caps, limits.number_chars
    with _lock:
        now = _tables.get(asked)
        if now is None or now.full:
            now = _tables[asked] = Numerals(policy, caps, Limits(number_chars=limits.number_chars))
    return now


def _longer(array: npt.NDArray, size: int, fill: int) -> npt.NDArray:  # type: ignore[type-arg]
    """Return a copy with more rows."""
    larger = np.zeros((size, *array.shape[1:]), array.dtype)  # of pages that no one has touched
    larger[: len(array)] = array
    if fill:
        larger[len(array) :] = fill
    return larger


def _remainders(sides: tuple[Side, Side]) -> bool:
    """Return whether remainders are told apart."""
    return any(by != Divisor(1, 0, 1, 0) for side in sides for by in side.divisors)


def _record(side: Side, split_at: list[int], start: int) -> npt.NDArray[np.int64]:
    """Return a side as a record for the arena, where it begins at `start`.

    `split_at`: the offsets of the sides by first digit, if the side is split; it has no tables then.
    """
    record = np.zeros(steps.RECORD, np.int64)
    caps, divisors, table = side.caps, side.divisors, side.table
    bounds, words = (side.bounds, side.words) if not split_at else (side.bounds[:0], ())
    record[steps.ANY_LENGTH] = side.any_length
    record[steps.CAP_WHOLE] = max(caps.integer, caps.alone)
    record[steps.SPARE] = 0 if side.any_length else max(0, caps.alone - caps.integer)
    record[steps.CAP_FRACTION : steps.MOST_EXPONENT + 1] = caps.fraction, caps.exponent, caps.most_exponent
    record[steps.ZERO_OUT : steps.ZERO_OUT + 2] = side.zero
    record[steps.BOUNDS], record[steps.WORDS], record[steps.DIVISORS] = len(bounds), len(words), len(divisors)
    record[steps.CORE] = common_core(divisors)
    record[steps.FREE] = side.constant() and side.zero == tuple(table[0].tolist())
    decades = np.unique(bounds // steps.RANKS)
    record[steps.DECADES] = len(decades)
    if divisors:
        record[steps.SATURATE] = max(0, *[by.tens - by.shift for by in divisors])
        record[steps.HOPELESS_BELOW] = -max([by.shift for by in divisors])
    lengths = np.array(list(map(len, words)), np.int64)
    ends = np.cumsum((lengths + steps.PACKED - 1) // steps.PACKED)
    padding = ["0" * count for count in range(steps.PACKED)]
    packed = "".join([word + padding[-len(word) % steps.PACKED] for word in words]).encode()
    columns = 1 << len(divisors)
    entries = np.zeros((len(words), 2), np.int64)
    parts: dict[int, npt.NDArray[np.integer[Any]]] = {
        steps.CODES_AT: bounds,
        steps.ROWS_AT: table.ravel(),
        steps.HOPE_AT: _hopes(table[:, :columns]),
        steps.HOPE_AT + 1: _hopes(table[:, columns:]),
        steps.DIVISORS_AT: np.array(divisors, np.int64).ravel(),
        steps.DECADES_AT: decades,
        steps.WORDS_AT: entries,
        0: np.frombuffer(packed, "<i8"),
        steps.SPLIT_AT: np.array(split_at, np.int64),
    }
    at = start + steps.RECORD
    for where, part in parts.items():
        if where == 0:
            entries[:, 0], entries[:, 1] = at + np.append(0, ends)[:-1], lengths
        elif part.size or where != steps.SPLIT_AT:
            record[where] = at
        at += part.size
    return np.concatenate([record, *[part.ravel() for part in parts.values()]])


def _hopes(table: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return for each cell the first one from it on that has an outcome in some column; and an end."""
    cells = np.where(table.max(1) >= 0, np.arange(len(table)), 2 * len(table))
    return np.append(np.minimum.accumulate(cells[::-1])[::-1], 2 * len(table))
