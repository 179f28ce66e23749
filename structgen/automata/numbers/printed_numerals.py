"""Numerals as Python prints them: `str` of an int, `repr` of a float; what `json.dumps` writes.

An int is all its digits. A float is the shortest text that reads as it: at most 17 significant digits; from
1e-04 up to 1e16 with a point and a digit on both sides of it (`5.0`, `0.0001`), else one digit before the
point, none that is needless after it, and an exponent of a sign and at least two digits (`1e+16`,
`1.5e-07`). Source: CPython's `float.__repr__` (format code "r"), Objects/floatobject.c and
Python/pystrtod.c.

The form is regular, but for one thing: of the texts of 16 and 17 digits that agree with it, those that are
not the shortest text of their float are let in as well. Every text of at most 15 significant digits whose
value is at least 2.3e-308 is what `repr` writes for it (IEEE 754 binary64 keeps 15 digits).

`PrintedPool` reads a numeral as each of three kinds side by side: an int; a float without an exponent; one
with an exponent. Each kind is an automaton of values in step with the automaton of its form. Whether a
numeral comes of a pair of states is searched for, because each may be live while the pair is not (`1.50`
under `multipleOf: 0.5`): the search ends soon, since digits alone are an int of any length and a float has at
most 24 characters. It is plain Python for rare policies: some 10 us a transition, remembered.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.number_pool import COLUMNS, WIDTH, NumberPool
from structgen.automata.numbers.written_forms import LARGEST_FLOAT, Caps
from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import PLAIN
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits
from structgen.system.public_calls import THIS_CALL

SIGNIFICANT = 17
"""Digits of the longest text of a float."""


def _forms() -> tuple[ir.Formula, ir.Formula, ir.Formula]:
    """Return the numerals of the form of an int, of a finite float without an exponent, and with one."""
    small = rf"0\.(?:0|0{{0,3}}[1-9](?:\d{{0,{SIGNIFICANT - 2}}}[1-9])?)"
    fixed = [
        rf"[1-9]\d{{{whole - 1}}}\.(?:0|\d{{0,{SIGNIFICANT - 1 - whole}}}[1-9])"
        for whole in range(1, SIGNIFICANT)
    ]
    exponent = r"e(?:\+(?:1[6-9]|[2-9]\d|[12]\d\d|30[0-8])|-(?:0[5-9]|[1-9]\d|[12]\d\d|3[01]\d|32[0-3]))"
    scientific = (
        rf"[1-9](?:\.\d{{0,{SIGNIFICANT - 2}}}[1-9])?{exponent}|5e-324"  # the last is the least of all
    )
    larger = ""  # the digits behind the first of a number above the largest float, 1.7976931348623157e+308
    for digit in reversed("7976931348623157"):
        more = rf"[{int(digit) + 1}-9]\d*|" if digit < "9" else ""
        larger = f"{more}{digit}(?:{larger})" if larger else more[:-1]
    infinite = ir.Pattern(rf"^-?(?:[2-9][\d.]*|1\.(?:{larger}))e\+308$")
    return (
        ir.Pattern(r"^(?:0|-?[1-9]\d*)$"),
        ir.Pattern(rf"^-?(?:{'|'.join((small, *fixed))})$"),
        ir.All((ir.Pattern(rf"^-?(?:{scientific})$"), ir.Not(infinite))),
    )


@lru_cache(maxsize=3)
def form_table(kind: int) -> tuple[list[list[int]], list[bool]]:
    """Return the automaton of a kind's form: by state, the states after each character of COLUMNS, or
    ir.DEAD; and whether a numeral may end there. State 0 is the start. Cost: some 20 ms, once."""
    pool = StringPool(Limits(), spelling=PLAIN)
    states = [pool.start(ir.Spec((_forms()[kind],)), lambda demands: 0)]
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


_IN_BYTE_ORDER: Final = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)
_ANY_FORM: Final = ([[0] * len(COLUMNS)], [True])
"""The form of numerals that may have any: one state, at which each may end."""
_NUMERAL: Final = "How a numeral goes on as Python prints it"
_FIXED: Final = Caps(16, 20, 0)
"""The digits before and after the point of a float without an exponent."""
_SCIENTIFIC: Final = ir.Any_(
    tuple(
        ir.Interval(min(sign * low, sign * high), max(sign * low, sign * high))
        for sign in (-1, 1)
        for low, high in ((Decimal("5e-324"), Decimal("1e-4")), (Decimal("1e16"), LARGEST_FLOAT))
    )
)
"""The values of floats with an exponent, and two more."""

_Pair: TypeAlias = tuple[int, int, int]
"""A kind, the state of its automaton of values, and that of its form."""
_Place: TypeAlias = "tuple[_Pair, ...]"
"""A pair of each kind of which a numeral may come; kinds ascend."""
_Way: TypeAlias = dict[_Pair, "tuple[_Pair, int] | None"]


class PrintedPool:
    """The numerals of a `NumberPool` without some characters; under numbers="python" those that Python
    prints, with the digits before the point, and those after it, bounded as by "bounded"."""

    __slots__ = (
        *("_columns", "_demands", "_forms", "_ids", "_kinds", "_limits", "_live", "_pools"),
        *("_places", "outcome", "trans"),
    )

    def __init__(
        self, limits: Limits, numbers: str = "python", missing: frozenset[int] = frozenset()
    ) -> None:
        """`numbers`: the policy; `missing`: characters, as bytes, that no numeral has."""
        self._limits = limits
        pool = NumberPool(numbers, limits)
        self._columns = [column for column in _IN_BYTE_ORDER if COLUMNS[column] not in missing]
        whole = ir.PlainInteger()
        self._pools: tuple[NumberPool, ...] = (pool,)
        self._forms: tuple[tuple[list[list[int]], list[bool]], ...] = (_ANY_FORM,)
        self._kinds: tuple[ir.Formula, ...] = (ir.TRUE,)
        if numbers == "python":
            self._pools = pool, NumberPool("python", limits, caps=_FIXED), pool
            self._forms = tuple(map(form_table, range(3)))
            self._kinds = whole, ir.Not(whole), ir.All((ir.Not(whole), _SCIENTIFIC))
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

        starts = [
            pool.start(
                spec
                if asked == ir.TRUE
                else ir.Spec(tuple(ir.All((formula, asked)) for formula in spec.formulas)),
                noted,
            )
            for pool, asked in zip(self._pools, self._kinds, strict=True)
        ]
        place = self._lively([(kind, number, 0) for kind, number in enumerate(starts)])
        return self._state(place) if place else ir.DEAD

    def expand(self, state: int) -> None:
        """Fill the row of a state."""
        following: dict[int, list[_Pair]] = {}
        for pair in self._places[state]:
            for column, after in self._steps(pair):
                following.setdefault(column, []).append(after)
        targets = [ir.DEAD] * WIDTH
        for column in _IN_BYTE_ORDER:
            place = self._lively(following.get(column, []))
            if place:
                targets[column] = self._state(place)
        self.trans[state] = targets  # last: making states may have moved the rows

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it,
        of those the smallest in byte order. Raises LimitError (oracle_steps)."""
        found: dict[int, bytes] = {}
        # A* on what the value's own automaton needs at least; of texts as long, the smallest is met first
        heap: list[tuple[int, bytes, _Pair]] = []
        wanted: set[int] = set()
        for pair in self._places[state]:
            kind, number, _form = pair
            if kind == 0 and self._is_whole:
                found = self._shortest_ints(pair)
            else:
                wanted |= self._pools[kind].finish(number).keys()
                heap.append((self._pools[kind].least(number), b"", pair))
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

    def _shortest_ints(self, pair: _Pair) -> dict[int, bytes]:
        """As `finish`, of an int."""
        _kind, alone, form = pair
        row = self._forms[0][0][form]
        if row[0] >= 0 or row[1] < 0:
            return dict(self._pools[0].finish(alone))
        found: dict[int, bytes] = {}  # behind a minus sign: -0 is none
        for column, (_, after, _form) in self._steps(pair):
            for demand, rest in self._pools[0].finish(after).items():
                if demand not in found or len(rest) + 1 < len(found[demand]):
                    found[demand] = COLUMNS[column : column + 1] + rest
        return found

    def farthest(self, start: int) -> int | None:
        """As `NumberPool.farthest`: here there are many states, and few in more than one grammar."""
        return None

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        parts = [
            b"%d/%d/%b" % (kind, form, self._pools[kind].key(number))
            for kind, number, form in self._places[state]
        ]
        return blake2b(b"%b%r" % (b"/".join(parts), self._columns), digest_size=16).digest()

    @property
    def _is_whole(self) -> bool:
        """Whether all characters can be written, in all kinds of numerals that Python prints."""
        return len(self._columns) == len(COLUMNS)

    def _outcome(self, pair: _Pair) -> int:
        kind, number, form = pair
        return int(self._pools[kind].outcome[number]) if self._forms[kind][1][form] else -1

    def _steps(self, pair: _Pair) -> list[tuple[int, _Pair]]:
        """Return the columns that an automaton of values and that of the form both take, in byte order, with
        the pairs after them."""
        kind, number, form = pair
        pool, forms = self._pools[kind], self._forms[kind][0][form]
        if pool.trans[number, WIDTH - 1] == ir.UNKNOWN:
            pool.expand(number)
        numbers = pool.trans[number].tolist()
        return [
            (column, (kind, numbers[column], forms[column]))
            for column in self._columns
            if numbers[column] >= 0 and forms[column] >= 0
        ]

    def _lively(self, pairs: list[_Pair]) -> _Place:
        """Return those pairs of which a numeral comes."""
        return tuple([pair for pair in pairs if pair[1] >= 0 and self._lives(pair)])

    def _lives(self, pair: _Pair) -> bool:
        """Return whether a numeral comes of a pair; every visited pair is remembered. Raises
        LimitError (oracle_steps)."""
        if (
            pair[0] == 0 and self._is_whole
        ):  # of a digit other than a needless zero all comes that the values' automaton says
            return self._outcome(pair) >= 0 or bool(self._steps(pair))
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
                steps = self._steps(one)
                if len(self._pools) > 1:
                    steps.reverse()  # of numerals that Python prints a point first, of others a large digit
                for column, following in steps:
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
            self.outcome[found] = max(map(self._outcome, place))
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


def number_pool(numbers: str, limits: Limits, missing: frozenset[int] = frozenset()) -> AnyPool:
    """Return the pool of a policy for numbers, of the numerals without some bytes."""
    if numbers == "python" or not missing.isdisjoint(COLUMNS):
        return PrintedPool(limits, numbers, missing)
    return NumberPool(numbers, limits)
