"""Numerals as Python prints them: `str` of an int, `repr` of a float; what `json.dumps` writes.

An int is all its digits. A float is the shortest text that reads as it: at most 17 significant digits; from
1e-04 up to 1e16 with a point and a digit on both sides of it (`5.0`, `0.0001`), else one digit before the
point, none that is needless after it, and an exponent of a sign and at least two digits (`1e+16`,
`1.5e-07`). Source: CPython's `float.__repr__` (format code "r"), Objects/floatobject.c and
Python/pystrtod.c.

The form is regular, but for one thing: of the texts of 16 and 17 digits that agree with it, those that are
not the shortest text of their float are let in as well. Every text of at most 15 significant digits whose
value is at least 2.3e-308 is what `repr` writes for it (IEEE 754 binary64 keeps 15 digits).

`PrintedPool` reads a numeral in three automata of values side by side, each in step with the automaton of
that form: digits alone; a point and no exponent; an exponent. Ints may have any number of digits, and their
own automaton tells whether one goes on. A float has at most 24 characters; whether one comes of a pair of
states is searched for, because each may be live while the pair is not (`1.50` under `multipleOf: 0.5`). It is
plain Python for rare policies: some 10 us a transition, remembered.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.number_pool import COLUMNS, WIDTH, NumberPool
from structgen.automata.numbers.written_forms import LARGEST_FLOAT, Caps
from structgen.automata.strings.string_pool import StringPool
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits
from structgen.system.public_calls import THIS_CALL

SIGNIFICANT = 17
"""Digits of the longest text of a float."""


def _form() -> ir.Formula:
    """Return the numerals that have the form of an int or of a finite float."""
    small = rf"0\.(?:0|0{{0,3}}[1-9](?:\d{{0,{SIGNIFICANT - 2}}}[1-9])?)"
    fixed = [
        rf"[1-9]\d{{{whole - 1}}}\.(?:0|\d{{0,{SIGNIFICANT - 1 - whole}}}[1-9])"
        for whole in range(1, SIGNIFICANT)
    ]
    exponent = r"e(?:\+(?:1[6-9]|[2-9]\d|[12]\d\d|30[0-8])|-(?:0[5-9]|[1-9]\d|[12]\d\d|3[01]\d|32[0-3]))"
    scientific = rf"[1-9](?:\.\d{{0,{SIGNIFICANT - 2}}}[1-9])?{exponent}"
    floats = "|".join((small, *fixed, scientific, "5e-324"))  # the last is the least of all
    larger = ""  # the digits behind the first of a number above the largest float, 1.7976931348623157e+308
    for digit in reversed("7976931348623157"):
        more = rf"[{int(digit) + 1}-9]\d*|" if digit < "9" else ""
        larger = f"{more}{digit}(?:{larger})" if larger else more[:-1]
    infinite = ir.Pattern(rf"^-?(?:[2-9][\d.]*|1\.(?:{larger}))e\+308$")
    return ir.All((ir.Pattern(rf"^(?:0|-?(?:[1-9]\d*|{floats}))$"), ir.Not(infinite)))


@lru_cache(maxsize=1)
def form_table() -> tuple[list[list[int]], list[bool]]:
    """Return the automaton of the form: by state, the states after each character of COLUMNS, or ir.DEAD; and
    whether a numeral may end there. State 0 is the start. Cost: some 50 ms, once."""
    pool = StringPool(Limits(), plain=True)
    states = [pool.start(ir.Spec((_form(),)), lambda demands: 0)]
    numbers = {ir.DEAD: ir.DEAD, states[0]: 0}
    rows = []
    for state in states:
        pool.expand(state)
        following = pool.trans[state, list(COLUMNS)].tolist()
        for one in following:
            if one not in numbers:
                numbers[one] = len(states)
                states.append(one)
        rows.append([numbers[one] for one in following])
    return rows, (pool.outcome[states] >= 0).tolist()


@lru_cache(maxsize=1)
def form_ends() -> tuple[list[bool], list[bool]]:
    """Return for each state of the form whether an int may come of it by digits alone, and whether a float
    may."""
    rows, ends = form_table()
    marked, pending = [False] * len(rows), [row[column] for row in rows for column in _MARKS]
    while pending:
        state = pending.pop()
        if state >= 0 and not marked[state]:
            marked[state] = True
            pending += rows[state]
    ints = [end and not mark for end, mark in zip(ends, marked, strict=True)]
    floats = list(marked)
    for _ in range(len(rows)):  # as often as digits follow one another
        before = sum(ints) + sum(floats)
        for state, row in enumerate(rows):
            after = [one for one in row[:_MINUS] if one >= 0]
            ints[state] |= not marked[state] and any(ints[one] for one in after)
            floats[state] |= any(floats[one] for one in row if one >= 0)
        if sum(ints) + sum(floats) == before:
            break
    return ints, floats


_MINUS: Final = COLUMNS.index(b"-")
"""The column of the minus sign; those before it are the digits."""
_MARKS: Final = tuple(map(COLUMNS.index, b".eE"))
_IN_BYTE_ORDER: Final = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)
_NUMERAL: Final = "How a numeral goes on as Python prints it"
_FIXED: Final = Caps(16, 20, 0)
"""The digits before and after the point of a float without an exponent."""
_SCIENTIFIC: Final = ir.Any_(
    tuple(
        ir.Interval(*sorted((sign * low, sign * high)))
        for sign in (-1, 1)
        for low, high in ((Decimal("5e-324"), Decimal("1e-4")), (Decimal("1e16"), LARGEST_FLOAT))
    )
)
"""The values of floats with an exponent, and two more."""

_Place: TypeAlias = tuple[int, int, int, int]
"""The states of the automata of values (ir.DEAD: none comes of it), and that of the form."""
_Pair: TypeAlias = tuple[int, int, int]
"""An automaton of values, its state, and that of the form."""
_Way: TypeAlias = dict[_Pair, "tuple[_Pair, int] | None"]


class PrintedPool:
    """The numerals that Python prints, and whose value meets a specification: a `NumberPool` for
    numbers="python". The digits before the point, and those after it, are bounded as by "bounded"."""

    __slots__ = (
        *("_demands", "_ends", "_forms", "_ids", "_ints", "_floats", "_limits", "_live", "_pools"),
        *("_places", "outcome", "trans"),
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        numbers = NumberPool("python", limits)
        self._pools = numbers, NumberPool("python", limits, caps=_FIXED), numbers
        self._forms, self._ends = form_table()
        self._ints, self._floats = form_ends()
        self._places: list[_Place] = []
        self._ids: dict[_Place, int] = {}
        self._live: dict[_Pair, bool] = {}
        self._demands: dict[int, frozenset[int]] = {}
        self.trans: npt.NDArray[np.int32] = np.full((256, WIDTH), ir.UNKNOWN, np.int32)
        self.outcome: npt.NDArray[np.int32] = np.full(256, -1, np.int32)

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return len(self._places)

    @property
    def made(self) -> int:
        """Return how many states there are."""
        return self.count

    def start(self, spec: ir.Spec, outcome: Callable[[frozenset[int]], int]) -> int:
        """Return the state before the first character, or ir.DEAD where no numeral meets any demand.

        As `NumberPool.start`; raises LimitError for what that raises it.
        """

        def noted(demands: frozenset[int]) -> int:
            number = outcome(demands)
            self._demands[number] = demands
            return number

        whole = ir.PlainInteger()
        starts = [
            pool.start(ir.Spec(tuple(ir.All((formula, *asked)) for formula in spec.formulas)), noted)
            for pool, asked in zip(
                self._pools, ((whole,), (ir.Not(whole),), (ir.Not(whole), _SCIENTIFIC)), strict=True
            )
        ]
        place = self._lively((starts[0], starts[1], starts[2], 0))
        return self._state(place) if max(place[:3]) >= 0 else ir.DEAD

    def expand(self, state: int) -> None:
        """Fill the row of a state."""
        targets = [ir.DEAD] * WIDTH
        *numbers, form = self._places[state]
        rows = [self._row(which, number) for which, number in enumerate(numbers)]
        for column in _IN_BYTE_ORDER:
            after = self._forms[form][column]
            if after >= 0:
                place = self._lively((rows[0][column], rows[1][column], rows[2][column], after))
                if max(place[:3]) >= 0:
                    targets[column] = self._state(place)
        self.trans[state] = targets  # last: making states may have moved the rows

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it,
        of those the smallest in byte order. Raises LimitError (oracle_steps)."""
        alone, *marked, form = self._places[state]
        found = self._shortest_ints(alone, form) if alone >= 0 else {}
        # A* on what the value's own automaton needs at least; of texts as long, the smallest is met first
        heap: list[tuple[int, bytes, _Pair]] = []
        wanted: set[int] = set()
        for which, number in enumerate(marked, 1):
            if number >= 0:
                wanted |= self._pools[which].finish(number).keys()
                heap.append((self._pools[which].least(number), b"", (which, number, form)))
        heapq.heapify(heap)
        met: set[_Pair] = set()
        while heap and wanted:
            length, rest, pair = heapq.heappop(heap)
            wanted = {
                one for one in wanted if one not in found or (length, rest) <= (len(found[one]), found[one])
            }
            if pair in met:
                continue
            met.add(pair)
            THIS_CALL.spend(1, self._limits, _NUMERAL)
            for demand in wanted & self._demands.get(self._outcome(pair), frozenset()):
                found[demand] = rest
            for column, after in self._steps(pair):
                if after not in met and self._live.get(after) is not False:
                    ahead = len(rest) + 1 + self._pools[pair[0]].least(after[1])
                    heapq.heappush(heap, (ahead, rest + COLUMNS[column : column + 1], after))
        return found

    def _shortest_ints(self, alone: int, form: int) -> dict[int, bytes]:
        """As `finish`, of digits alone."""
        if self._forms[form][0] < 0 or self._ints[self._forms[form][0]]:
            return dict(self._pools[0].finish(alone))
        found: dict[int, bytes] = {}  # behind a minus sign: -0 is none
        for digit, after in enumerate(self._row(0, alone)[1:_MINUS], 1):
            for demand, rest in self._pools[0].finish(after).items() if after >= 0 else ():
                if demand not in found or len(rest) + 1 < len(found[demand]):
                    found[demand] = COLUMNS[digit : digit + 1] + rest
        return found

    def farthest(self, start: int) -> int | None:
        """As `NumberPool.farthest`: here there are many states, and few in more than one grammar."""
        return None

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        *numbers, form = self._places[state]
        parts = [
            pool.key(number) if number >= 0 else b""
            for pool, number in zip(self._pools, numbers, strict=True)
        ]
        return blake2b(b"%b/%b/%b/%d" % (*parts, form), digest_size=16).digest()

    def _outcome(self, pair: _Pair) -> int:
        which, number, form = pair
        return int(self._pools[which].outcome[number]) if number >= 0 and self._ends[form] else -1

    def _row(self, which: int, number: int) -> list[int]:
        """Return the states of an automaton of values after each column."""
        if number < 0:
            return [ir.DEAD] * WIDTH
        pool = self._pools[which]
        if pool.trans[number, WIDTH - 1] == ir.UNKNOWN:
            pool.expand(number)
        return cast("list[int]", pool.trans[number].tolist())

    def _steps(self, pair: _Pair) -> list[tuple[int, _Pair]]:
        """Return the columns that an automaton of values and the form both take on the way to a float, in
        byte order, with the pairs after them."""
        which, number, form = pair
        numbers, forms = self._row(which, number), self._forms[form]
        return [
            (column, (which, numbers[column], forms[column]))
            for column in _IN_BYTE_ORDER
            if min(numbers[column], forms[column]) >= 0 and self._floats[forms[column]]
        ]

    def _lively(self, place: _Place) -> _Place:
        """Return a place with ir.DEAD for an automaton of which no numeral of the form comes."""
        alone, fixed, scientific, form = place
        if alone >= 0 and self._outcome((0, alone, form)) < 0:
            after = zip(self._row(0, alone)[: _MINUS + 1], self._forms[form][: _MINUS + 1], strict=True)
            if not any(number >= 0 and to >= 0 and self._ints[to] for number, to in after):
                alone = ir.DEAD
        fixed, scientific = (
            number if number >= 0 and self._floats[form] and self._lives((which, number, form)) else ir.DEAD
            for which, number in ((1, fixed), (2, scientific))
        )
        return alone, fixed, scientific, form

    def _lives(self, pair: _Pair) -> bool:
        """Return whether a float of the form comes of a pair; every visited pair is remembered. Raises
        LimitError (oracle_steps)."""
        if pair not in self._live:
            way: _Way = {pair: None}
            pending = [pair]
            while pending:
                one = pending.pop()
                if self._live.get(one) or self._outcome(one) >= 0:
                    self._live.update(
                        dict.fromkeys([pair, one, *[before for before, _ in _path(way, one)]], True)
                    )
                    break
                THIS_CALL.spend(1, self._limits, _NUMERAL)
                for column, following in reversed(self._steps(one)):  # a point first
                    if following not in way and self._live.get(following) is not False:
                        way[following] = one, column
                        pending.append(following)
            else:
                self._live.update(dict.fromkeys(way, False))
        return self._live[pair]

    def _state(self, place: _Place) -> int:
        found = self._ids.get(place)
        if found is None:
            found = self._ids[place] = len(self._places)
            self._places.append(place)
            if found >= len(self.outcome):
                more = np.full((len(self.outcome), WIDTH), ir.UNKNOWN, np.int32)
                self.trans = np.concatenate((self.trans, more))
                self.outcome = np.concatenate((self.outcome, np.full(len(self.outcome), -1, np.int32)))
            if found >= self._limits.automaton_states:
                raise LimitError(
                    f"The numbers of the grammar need more than {self._limits.automaton_states} states.",
                    limit="automaton_states",
                )
            *numbers, form = place
            self.outcome[found] = max(
                self._outcome((which, number, form)) for which, number in enumerate(numbers)
            )
        return found


def _path(way: _Way, pair: _Pair) -> list[tuple[_Pair, int]]:
    """Return the pairs on the way to one, each with the column that follows it."""
    found = []
    step = way[pair]
    while step is not None:
        found.append(step)
        step = way[step[0]]
    return found[::-1]


AnyPool: TypeAlias = NumberPool | PrintedPool


def number_pool(numbers: str, limits: Limits) -> AnyPool:
    """Return the pool of a policy for numbers."""
    return PrintedPool(limits) if numbers == "python" else NumberPool(numbers, limits)
