"""The product automaton of a `NumberPool` and a form of spelling (`python_spelling`).

A pair is live if a numeral of the form completes it and its value meets a demand. That is searched for,
because each part may be live while the pair is not (`1.50` under `multipleOf: 0.5`). It is plain Python for
rare policies: some 10 us a transition, remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
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
        wanted = set(self._inner.finish(start[0]))
        found: dict[int, bytes] = {}
        queue: deque[tuple[_Pair, bytes]] = deque([(start, b"")])
        seen = {start}
        while queue and wanted - found.keys():
            pair, text = queue.popleft()
            for demand in self._demands.get(self._outcome(pair), ()):
                found.setdefault(demand, text)
            for column, following in self._steps(pair):
                if following not in seen and self._lives(following):
                    seen.add(following)
                    queue.append((following, text + COLUMNS[column : column + 1]))
            if len(seen) > self._limits.oracle_steps:
                raise self._too_long()
        return found

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

    def _lives(self, pair: _Pair) -> bool:
        """Return whether a pair is live: depth first, and every visited pair is remembered."""
        known = self._live.get(pair)
        if known is not None:
            return known
        way: list[tuple[_Pair, list[tuple[int, _Pair]]]] = []
        met: dict[_Pair, None] = {}
        following: _Pair | None = pair
        while True:
            if following is not None:
                met[following] = None
                if len(met) > self._limits.oracle_steps:
                    raise self._too_long()
                if self._live.get(following) or self._outcome(following) >= 0:
                    self._live[following] = True
                    self._live.update(dict.fromkeys([one for one, _ in way], True))
                    return True
                way.append((following, self._steps(following)))
            if not way:
                self._live.update(dict.fromkeys(met, False))
                return False
            rest = way[-1][1]
            following = None
            while rest and following is None:
                _, candidate = rest.pop()
                if candidate not in met and self._live.get(candidate) is not False:
                    following = candidate
            if following is None:
                way.pop()

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

    def _too_long(self) -> LimitError:
        return LimitError("a numeral as Python prints it was looked for too long.", limit="oracle_steps")


AnyPool: TypeAlias = NumberPool | PrintedPool


def number_pool(numbers: str, limits: Limits) -> AnyPool:
    """Return the pool of a policy for numbers."""
    return PrintedPool(limits) if numbers == "python" else NumberPool(numbers, limits)
