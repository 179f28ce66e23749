"""The product automaton of a `NumberPool` and a form of spelling (`python_spelling`).

A pair is live if a numeral of the form completes it and its value meets a demand. That is searched for,
because each part may be live while the pair is not (`1.50` under `multipleOf: 0.5`). It is plain Python for
rare policies: some 10 us a transition, remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.number_pool import COLUMNS, WIDTH, NumberPool
from structgen.automata.numbers.python_spelling import START_FORM, NumeralForm, after, is_whole
from structgen.errors import LimitError
from structgen.language import ir
from structgen.limits import Limits

_CHARACTERS = COLUMNS.decode("ascii")
_IN_BYTE_ORDER = sorted(range(len(COLUMNS)), key=COLUMNS.__getitem__)

_Pair = tuple[int, NumeralForm]
_Way = dict[_Pair, "tuple[_Pair, int] | None"]


class PrintedPool:
    """The numerals that Python prints, and whose value meets a specification: a `NumberPool` for
    numbers="python". The digits before the point, and those after it, are bounded as by "bounded"."""

    __slots__ = ("_demands", "_ids", "_inner", "_limits", "_live", "_pairs", "outcome", "trans")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inner = NumberPool("python", limits)
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

        state = self._inner.start(spec, noted)
        pair = (state, START_FORM)
        return self._state(pair) if state >= 0 and self._lives(pair) else ir.DEAD

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
        wanted = self._inner.finish(start[0]).keys()
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
        inner, form = self._pairs[state]
        return blake2b(self._inner.key(inner) + repr(tuple(form)).encode(), digest_size=16).digest()

    def _outcome(self, pair: _Pair) -> int:
        return int(self._inner.outcome[pair[0]]) if is_whole(pair[1]) else -1

    def _steps(self, pair: _Pair) -> list[tuple[int, _Pair]]:
        """Return the columns that both parts take, in byte order, with the pairs after them."""
        state, form = pair
        found = []
        for column in _IN_BYTE_ORDER:
            following = after(form, _CHARACTERS[column])
            if following is None:
                continue
            target = int(self._inner.trans[state, column])
            if target == ir.UNKNOWN:
                self._inner.expand(state)
                target = int(self._inner.trans[state, column])
            if target >= 0:
                found.append((column, (target, following)))
        return found

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


def number_pool(numbers: str, limits: Limits) -> AnyPool:
    """Return the pool of a policy for numbers."""
    return PrintedPool(limits) if numbers == "python" else NumberPool(numbers, limits)
