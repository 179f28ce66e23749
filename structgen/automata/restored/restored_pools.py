"""Pools restored from a file: stored states under their stored numbers, and a pool that continues from them.

A pool numbers its states in the order in which it meets them, and all grammars of a process share the
numeral automata, so numbers differ between processes. A restored pool keeps the stored numbers. A stored row
answers at once. The pool is made when a row is missing; from then on a stored state is matched with a state
of the pool by a text that leads there from a start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.form_product import AnyPool
from structgen.automata.restored.reachable_states import reached
from structgen.automata.strings.implicit_states import ImplicitStates
from structgen.automata.strings.string_pool import StringPool
from structgen.errors import StructgenError
from structgen.language.ir import DEAD, UNKNOWN, Demands, Spec

Outcome: TypeAlias = Callable[[frozenset[int]], int]
Array: TypeAlias = npt.NDArray[np.int32]

FREE_STATES = 8
"""The states of the free string, which have the same numbers in all string pools."""
_MOST = 20_000
"""The most states of a grammar's numeral automata that are stored."""
_TOGETHER = 64
"""The most rows that one call copies from the pool: it fills rows of neighbours too."""


class KeptPool(NamedTuple):
    """The stored part of a pool."""

    outcome: Array
    """Of each state; its length is the number of states."""
    known: Array
    """The states whose rows are stored, ascending."""
    rows: Array
    """Their rows."""


class Disagrees(StructgenError):
    """An automaton differs from the stored one."""


class Pool(Protocol):
    """The common interface of string pools and number pools."""

    trans: Array
    outcome: Array

    @property
    def count(self) -> int: ...

    def start(self, spec: Spec, outcome: Outcome) -> int: ...

    def expand(self, state: int) -> None: ...

    def finish(self, state: int) -> Demands: ...

    def key(self, state: int) -> bytes | None: ...


class RestoredPool:
    """A pool that begins with stored states; states 0 to `fixed` - 1 have the same numbers in every pool.

    `trans` and `outcome` are like the pool's, and are replaced when they grow. `name` names a start alike in
    every process, `wake` makes the pool. Not thread-safe.
    """

    FREE = StringPool.FREE

    def __init__(
        self,
        kept: KeptPool,
        fixed: int,
        starts: Callable[[], Mapping[bytes, int]],
        name: Callable[[Spec, Outcome], bytes],
        wake: Callable[[], Pool],
        width: int,
    ) -> None:
        """`starts` reads the names of the stored starts when the first start is asked for."""
        self._read_starts, self._name, self._wake = starts, name, wake
        self._fixed = fixed
        # compiled code reads these until it is told of others
        self._first: Array = np.full((max(len(kept.outcome), 1), width), UNKNOWN, np.int32)
        self._first[kept.known] = kept.rows
        self._first_outcome: Array = kept.outcome.copy()  # what comes from a file cannot be written
        self.reset()

    def reset(self) -> None:
        """Forget everything that was made since the file was read. Compiled code must know stored states
        alone."""
        self.count = len(self._first_outcome)
        self.outcome: Array = self._first_outcome
        self.trans: Array = self._first
        self._starts: dict[bytes, int] | None = None
        self._pool: Pool | None = None
        self._theirs: dict[int, int] = {state: state for state in range(self._fixed)}
        self._ours: dict[int, int] = dict(self._theirs)
        self._ways: dict[int, tuple[int, int]] = {}

    @property
    def starts(self) -> dict[bytes, int]:
        """The starts by their names."""
        if self._starts is None:
            self._starts = dict(self._read_starts())
        return self._starts

    def start(self, spec: Spec, outcome: Outcome) -> int:
        """Return the state before the first character, as the pool's `start` does; it makes the pool."""
        pool = self._awake()
        theirs = pool.start(spec, outcome)
        if spec.judge is not None:
            return DEAD if theirs < 0 else self._ours_of(theirs)  # a judge has no name
        name = self._name(spec, outcome)
        found = self.starts.get(name)
        if found is None:
            found = self.starts[name] = DEAD if theirs < 0 else self._ours_of(theirs)
        elif (found < 0) != (theirs < 0):
            raise Disagrees("an automaton that was kept has another start now.")
        elif found >= 0 and found not in self._theirs:
            self._take(found, theirs)
            self._find_ways(found)
        return found

    def expand(self, state: int, column: int = -1) -> None:
        """Fill the row of a state (or one column, for rows that are filled by columns), and copy the rows of
        neighbours that the pool filled with it."""
        if not (self.trans[state] == UNKNOWN).any():
            return
        theirs = self.theirs(state)
        self._fill(theirs, column)
        self._copy(state, theirs)
        waiting = self.trans[state][self.trans[state] >= 0].tolist()
        seen = {state}
        while waiting and len(seen) < _TOGETHER:
            near = waiting.pop()
            if near in seen or self.trans[near, 0] != UNKNOWN or near not in self._theirs:
                continue
            seen.add(near)
            row = self._pool_row(self._theirs[near])
            if (row == UNKNOWN).any():
                continue
            self._copy(near, self._theirs[near])
            waiting.extend(self.trans[near][self.trans[near] >= 0].tolist())

    def finish(self, state: int) -> Demands:
        """Return what the pool's `finish` returns."""
        return self._awake().finish(self.theirs(state))

    def key(self, state: int) -> bytes | None:
        """Return what the pool's `key` returns."""
        return self._awake().key(self.theirs(state))

    def is_met(self, state: int) -> bool:
        """Return whether a state has been matched with one of the pool."""
        return state in self._theirs

    def theirs(self, state: int) -> int:
        """Return the pool's number of a state. Raises Disagrees if the pool has no such state."""
        found = self._theirs.get(state)
        if found is not None:
            return found
        way = [state]
        while way[-1] not in self._theirs:
            above = self._ways.get(way[-1])
            if above is None:
                raise Disagrees("a state of an automaton that was kept is not reached any more.")
            way.append(above[0])
        way.reverse()
        for before, after in pairwise(way):
            there = self._theirs[before]
            column = self._ways[after][1]
            if self._pool_row(there)[column] == UNKNOWN:
                self._awake().expand(there)
            target = int(self._pool_row(there)[column])
            if target < 0:
                raise Disagrees("a text that an automaton took when it was kept is refused now.")
            self._take(after, target)
        return self._theirs[state]

    def _fill(self, theirs: int, column: int) -> None:
        self._awake().expand(theirs)

    def _awake(self) -> Pool:
        if self._pool is None:
            self._pool = self._wake()
        return self._pool

    def _pool_row(self, theirs: int) -> Any:
        return self._awake().trans[theirs]

    def _take(self, ours: int, theirs: int) -> None:
        if int(self._awake().outcome[theirs]) != int(self.outcome[ours]):
            raise Disagrees("a state of an automaton that was kept has another outcome now.")
        self._theirs[ours] = theirs
        # if two stored states are one in the pool, the first stands for both
        self._ours.setdefault(theirs, ours)

    def _find_ways(self, start: int) -> None:
        """Note for each state that stored rows reach from a start its predecessor and the column."""
        order = [start]
        for state in order:
            row = self.trans[state]
            targets, columns = np.unique(row, return_index=True)
            for target, column in zip(targets.tolist(), columns.tolist(), strict=True):
                if target >= self._fixed and target not in self._ways and target not in self._theirs:
                    self._ways[target] = (state, column)
                    order.append(target)

    def _ours_of(self, theirs: int) -> int:
        """Return our number of a state of the pool; it is new unless a stored state was matched with it."""
        found = self._ours.get(theirs)
        if found is None:
            found = self.count
            if found >= len(self.trans) or found >= len(self.outcome):
                room = max(64, 2 * found)
                trans = np.full((room, self.trans.shape[1]), UNKNOWN, np.int32)
                trans[:found] = self.trans[:found]
                outcome = np.full(room, -1, np.int32)
                outcome[:found] = self.outcome[:found]
                self.trans, self.outcome = trans, outcome
            self.outcome[found] = self._awake().outcome[theirs]
            self._theirs[found], self._ours[theirs] = theirs, found
            self.count = found + 1
        return found

    def _copy(self, state: int, theirs: int) -> None:
        """Copy the row of a state from the pool."""
        row = self._pool_row(theirs)
        targets, where = np.unique(row, return_inverse=True)
        ours = [target if target < 0 else self._ours_of(target) for target in targets.tolist()]
        self.trans[state] = np.array(ours, np.int32)[where]


class KeptStrings(RestoredPool):
    """Restored string automata (`StringPool`)."""

    @property
    def work(self) -> int:
        """As `StringPool.work`; 0 while stored rows answer everything."""
        return self._pool.work if isinstance(self._pool, StringPool) else 0

    def roaming(self, first: int) -> npt.NDArray[np.int64]:
        """Return what the pool's `roaming` returns. States under a judge are not stored."""
        wanted = set(self._pool.roaming(0).tolist()) if isinstance(self._pool, StringPool) else set()
        if not wanted:
            return np.empty(0, np.int64)
        return np.array([s for s in range(first, self.count) if self._theirs.get(s) in wanted], np.int64)

    def bans(self, state: int) -> bool:
        """Return what the pool's `bans` returns."""
        return self._strings().bans(self.theirs(state))

    @property
    def texts(self) -> KeptTexts:
        """The states inside implicit automata, under our numbers."""
        return KeptTexts(self, self._strings().texts)

    def _fill(self, theirs: int, column: int) -> None:
        self._strings().expand(theirs, column)

    def _strings(self) -> StringPool:
        pool = self._awake()
        assert isinstance(pool, StringPool)
        return pool


class KeptTexts:
    """The states inside implicit automata (`implicit_states`) of a restored pool."""

    __slots__ = ("_kept", "_texts")

    def __init__(self, kept: RestoredPool, texts: ImplicitStates) -> None:
        self._kept, self._texts = kept, texts

    def holds(self, state: int) -> bool:
        """Return whether a state is inside an implicit automaton."""
        return self._texts.holds(self._kept.theirs(state))

    def among(self, states: npt.NDArray[np.int64]) -> list[int]:
        """Return the indices of the states that are inside an implicit automaton."""
        if not self._texts:
            return []
        return self._texts.among(np.array([self._kept.theirs(state) for state in states.tolist()]))

    def spec(self, state: int) -> int:
        """Return the pool's number of a state's spec if it has implicit automata, else -1."""
        return self._texts.spec(self._kept.theirs(state))

    def of_specs(self, first: int, end: int, numbers: Collection[int]) -> list[int]:
        """Return the states from `first` to `end` of some specs that were matched with the pool's."""
        kept = self._kept
        return [state for state in range(first, end) if kept.is_met(state) and self.spec(state) in numbers]

    def distance(self, state: int) -> int:
        """Return how many characters the shortest completion of a state inside an implicit automaton has."""
        return self._texts.distance(self._kept.theirs(state))


class KeptNumbers(RestoredPool):
    """Restored numeral automata (`NumberPool` or `PrintedPool`)."""

    @property
    def made(self) -> int:
        """Return how many states there are, stored ones included."""
        return self.count


Strings: TypeAlias = StringPool | KeptStrings
Numbers: TypeAlias = AnyPool | KeptNumbers


def known_rows(pool: Pool | RestoredPool, roots: Iterable[int]) -> KeptPool:
    """Return the known rows that known rows reach from some states; every state keeps its number.

    Cost: 1 us a state.
    """
    _, known = reached(pool.trans, _distinct((*range(FREE_STATES), *roots)), pool.count)
    known.sort()
    return KeptPool(pool.outcome[: pool.count].astype(np.int32), known, pool.trans[known])


def kept_of(pool: Pool | RestoredPool, roots: Iterable[int]) -> tuple[KeptPool, dict[int, int]]:
    """Return the part of a pool that known rows reach from `roots`, and the new number of each state.

    States are numbered anew, because a number pool has the states of a whole process. Cost: 1 us a state.
    """
    trans = pool.trans  # other threads may grow the pool and replace it
    order, known = reached(trans, _distinct(roots), _MOST)
    numbers = {state: at for at, state in enumerate(order.tolist())}
    renumbered = np.full(len(trans), UNKNOWN, np.int32)
    renumbered[order] = np.arange(len(order), dtype=np.int32)
    rows = trans[known]
    rows = np.where(rows >= 0, renumbered[rows], rows).astype(np.int32)
    return KeptPool(pool.outcome[order].astype(np.int32), renumbered[known], rows), numbers


def _distinct(states: Iterable[int]) -> Array:
    return np.array([state for state in dict.fromkeys(states) if state >= 0], np.int32)
