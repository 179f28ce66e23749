"""`AutomatonPool`: the automata of one compiled grammar, in one table of rows.

A *pool* numbers the states of all its automata without a gap: the second automaton's states come after those
of the first one. A state of the pool is a number, and `trans[state]` is its row. A *demand* is one formula of
a `Spec`; the *outcome* of a text is a number that the caller gives to the set of demands that the text meets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from structgen.automata.strings.kernels import Row, Table
from structgen.base.errors import LimitError
from structgen.base.language.ir import DEAD, Spec
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL

Outcome: TypeAlias = Callable[[frozenset[int]], int]
"""A function of a grammar: it returns the number of the outcome for a set of demands that is not empty."""
P = TypeVar("P")


class AutomatonPool(ABC, Generic[P]):
    """The automata of one compiled grammar. Not thread-safe.

    `trans` (int32 [capacity, width]) holds for each state and column the next state, or `ir.DEAD`.
    `outcome` (int32 [capacity]) holds the outcome of a text that ends in the state, or -1 where no text
    ends. Larger arrays replace both when they grow; numbers that were read from the smaller ones stay true.

    `P` is the type of the facts that the pool keeps for each automaton.
    """

    over = "The string automata have"
    """The beginning of the error message about too many states."""

    def __init__(self, limits: Limits, width: int) -> None:
        self._limits = limits
        self.trans: Table = np.empty((0, width), np.int32)
        self.outcome: Row = np.empty(0, np.int32)
        self.count = 0
        """The number of states."""
        self._parts: list[P] = []
        """The facts of each automaton, in the order of its states."""
        self._firsts: list[int] = []
        """The first state of each automaton."""
        self._starts: dict[tuple[Spec, Outcome], int] = {}

    def start(self, spec: Spec, outcome: Outcome) -> int:
        """Return the state before the first byte of a text of `spec`; `ir.DEAD` where no text exists.

        `outcome` numbers the sets of demands that texts meet. Equal arguments give the same state.
        Raises `RegexError`, `UnsupportedError` or `LimitError`. Cost: the whole automaton is made, unless
        the process holds it already.
        """
        key = (spec, outcome)
        try:
            start = self._starts.get(key)
        except RecursionError:  # too deep to be compared
            return self._start_of_spec(spec, outcome)
        if start is None:
            start = self._starts[key] = self._start_of_spec(spec, outcome)
        return start

    @abstractmethod
    def _start_of_spec(self, spec: Spec, outcome: Outcome) -> int:
        """Return the answer of `start` for a specification that the pool does not know yet."""

    def _reserve_states(self, part: P, ends: Row, shared_rows: Table | None = None) -> Table:
        """Add the states of an automaton after those of the pool; return their rows, for the caller to write.

        `part`: the facts of the automaton. `ends`: the outcome of each state. `shared_rows`: the finished
        rows of the automaton. Where the pool is empty, it uses these arrays without a copy, so nobody may
        change them. Raises `LimitError`.
        """
        first = self.count
        count = self.count + len(ends)
        if count > self._limits.automaton_states:
            raise LimitError(
                f"{self.over} more than {self._limits.automaton_states} states.", limit="automaton_states"
            )
        # a call's steps bound what all of its pools hold, too: less than half a gigabyte
        THIS_CALL.count_work(2 * len(ends) * self.trans.shape[1] if len(ends) > 1 else 0)
        # Arrays that belong together are replaced in one statement: an interrupt cannot come between them.
        if not first and shared_rows is not None:
            # No copy for a grammar with one automaton: that of the process serves many pools.
            self.trans, self.outcome = shared_rows, ends
        elif count > (capacity := len(self.trans)):
            # Room for more states costs nothing: the system gives memory only when it is written.
            room = max(count, min(4 * capacity, self._limits.automaton_states))
            width = self.trans.shape[1]
            trans = np.empty((room, width), np.int32)
            outcome = np.empty(room, np.int32)
            trans[:first] = self.trans[:first]
            outcome[:first] = self.outcome[:first]
            self.trans, self.outcome = trans, outcome
        if shared_rows is None or first:
            self.outcome[first:count] = ends
        at = len(self._firsts)
        # Slices, not `append`: entries from `at` on that an interrupted call added are overwritten.
        self._parts[at:], self._firsts[at:], self.count = (part,), (first,), count
        return self.trans[first:count]

    def _add_states(self, part: P, rows: Table, ends: Row) -> int:
        """Add the states of an automaton after those of the pool; return the number of the first.

        `rows`, `ends`: the rows and the outcomes of the states. Rows name states by their numbers in the
        automaton, from 0 on; nobody may change them.
        """
        first = self.count
        into = self._reserve_states(part, ends, rows)
        if first:
            # Numbers in the automaton become those of the pool. DEAD is below 0, and is written again.
            np.add(rows, np.int32(first), into)
            into[rows < 0] = DEAD
        return first

    def _locate_state(self, state: int) -> tuple[P, int]:
        """Return the facts of the automaton that a state belongs to, and the state's index in it."""
        part = bisect_right(self._firsts, state) - 1
        return self._parts[part], state - self._firsts[part]
