"""Numerals as Python prints them: `str` of an int, `repr` of a float; what `json.dumps` writes.

An int is all its digits. A float is the shortest text that reads as it: at most 17 significant digits; from
1e-04 up to 1e16 with a point and a digit on both sides of it (`5.0`, `0.0001`), else one digit before the
point, none that is needless after it, and an exponent of a sign and at least two digits (`1e+16`,
`1.5e-07`). Source: CPython's `float.__repr__` (format code "r"), Objects/floatobject.c and
Python/pystrtod.c.

The form is regular, but for one thing: of the texts of 16 and 17 digits that agree with it, those that are
not the shortest text of their float are let in as well. Every text of at most 15 significant digits whose
value is at least 2.3e-308 is what `repr` writes for it (IEEE 754 binary64 keeps 15 digits).

`PrintedPool` is the product of a `NumberPool` and the automaton of that form. A pair of states is live if a
numeral of the form completes it and its value meets a demand. That is searched for, because each part may be
live while the pair is not (`1.50` under `multipleOf: 0.5`). It is plain Python for rare policies: some 10 us
a transition, remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.number_pool import COLUMNS, WIDTH, NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits

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


_IN_BYTE_ORDER: Final = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)

_Pair: TypeAlias = tuple[int, int]
_Way: TypeAlias = dict[_Pair, "tuple[_Pair, int] | None"]


class PrintedPool:
    """The numerals of a `NumberPool` without some characters; under numbers="python" those that Python
    prints, with the digits before the point, and those after it, bounded as by "bounded"."""

    __slots__ = (
        *("_columns", "_demands", "_ends", "_forms", "_ids", "_limits", "_live", "_numbers", "_pairs"),
        *("outcome", "trans"),
    )

    def __init__(
        self, limits: Limits, numbers: str = "python", missing: frozenset[int] = frozenset()
    ) -> None:
        """`numbers`: the policy; `missing`: characters, as bytes, that no numeral has."""
        self._limits = limits
        self._numbers = NumberPool(numbers, limits)
        self._forms, self._ends = form_table() if numbers == "python" else ([[0] * len(COLUMNS)], [True])
        self._columns = [column for column in _IN_BYTE_ORDER if COLUMNS[column] not in missing]
        self._pairs: list[_Pair] = []
        self._ids: dict[_Pair, int] = {}
        self._live: dict[_Pair, bool] = {}
        self._demands: dict[int, frozenset[int]] = {}
        self.trans: npt.NDArray[np.int32] = np.full((256, WIDTH), ir.UNKNOWN, np.int32)
        self.outcome: npt.NDArray[np.int32] = np.full(256, -1, np.int32)

    @property
    def count(self) -> int:
        """Return how many states there are."""
        return len(self._pairs)

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

        pair = self._numbers.start(spec, noted), 0
        return self._state(pair) if pair[0] >= 0 and self._lives(pair) else ir.DEAD

    def expand(self, state: int) -> None:
        """Fill the row of a state."""
        targets = [ir.DEAD] * WIDTH
        for column, pair in self._steps(self._pairs[state]):
            if self._lives(pair):
                targets[column] = self._state(pair)
        self.trans[state] = targets  # last: making states may have moved the rows

    def finish(self, state: int) -> ir.Demands:
        """Return for each demand that can still be met the shortest rest of the numeral that meets it,
        of those the smallest in byte order. Raises LimitError (oracle_steps)."""
        start = self._pairs[state]
        wanted = self._numbers.finish(start[0]).keys()
        found: dict[int, bytes] = {}
        way: _Way = {}
        for pair in self._following(start, way):
            for demand in self._demands.get(self._outcome(pair), ()):
                found.setdefault(demand, bytes([COLUMNS[column] for _, column in _path(way, pair)]))
            if wanted <= found.keys():
                break
        return found

    def farthest(self, start: int) -> int | None:
        """As `NumberPool.farthest`: here there are many states, and few in more than one grammar."""
        return None

    def key(self, state: int) -> bytes:
        """Return 16 bytes that say what may follow and which demands it meets, in any process and grammar."""
        number, form = self._pairs[state]
        return blake2b(b"%b%d%r" % (self._numbers.key(number), form, self._columns), digest_size=16).digest()

    def _outcome(self, pair: _Pair) -> int:
        return int(self._numbers.outcome[pair[0]]) if self._ends[pair[1]] else -1

    def _steps(self, pair: _Pair) -> list[tuple[int, _Pair]]:
        """Return the columns that both parts take, in byte order, with the pairs after them."""
        number, form = pair
        if self._numbers.trans[number, WIDTH - 1] == ir.UNKNOWN:
            self._numbers.expand(number)
        numbers, forms = self._numbers.trans[number].tolist(), self._forms[form]
        both = [(column, (numbers[column], forms[column])) for column in self._columns]
        return [step for step in both if min(step[1]) >= 0]

    def _following(self, start: _Pair, way: _Way, *, deep: bool = False) -> Iterator[_Pair]:
        """Yield the pairs to which more characters lead, each once, and note the way to each: those after
        fewer characters first, or else (`deep`) depth first, and those known to be dead left out.
        Raises LimitError (oracle_steps)."""
        way[start] = None
        queue = deque([start])
        while queue:
            pair = queue.pop() if deep else queue.popleft()
            yield pair
            for column, following in self._steps(pair):
                live = self._live.get(following) is not False if deep else self._lives(following)
                if following not in way and live:
                    way[following] = pair, column
                    queue.append(following)
            if len(way) > self._limits.oracle_steps:
                raise LimitError(
                    "a numeral as Python prints it was looked for too long.", limit="oracle_steps"
                )

    def _lives(self, pair: _Pair) -> bool:
        """Return whether a pair is live; every visited pair is remembered."""
        if pair not in self._live:
            way: _Way = {}
            for one in self._following(pair, way, deep=True):
                if self._live.get(one) or self._outcome(one) >= 0:
                    self._live.update(
                        dict.fromkeys([pair, one, *[before for before, _ in _path(way, one)]], True)
                    )
                    break
            else:
                self._live.update(dict.fromkeys(way, False))
        return self._live[pair]

    def _state(self, pair: _Pair) -> int:
        found = self._ids.get(pair)
        if found is None:
            found = self._ids[pair] = len(self._pairs)
            self._pairs.append(pair)
            if found >= len(self.outcome):
                more = np.full((len(self.outcome), WIDTH), ir.UNKNOWN, np.int32)
                self.trans = np.concatenate((self.trans, more))
                self.outcome = np.concatenate((self.outcome, np.full(len(self.outcome), -1, np.int32)))
            if found >= self._limits.automaton_states:
                raise LimitError(
                    f"The numbers of the grammar need more than {self._limits.automaton_states} states.",
                    limit="automaton_states",
                )
            self.outcome[found] = self._outcome(pair)
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
