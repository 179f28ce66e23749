"""The open states of a search for shortest ways, the cheapest first (E. W. Dijkstra, 1959; of rules D. E.
Knuth, 1977; with estimates P. E. Hart, N. J. Nilsson, B. Raphael, 1968).

A cost is whatever has `<`: a number of bytes or of tokens, or a tuple that begins with one, such as the
length of a word and the word. The search adds costs, and a way that goes on costs no less. An estimate of
what is left is part of the cost of each way to a state. Of two ways the cheaper one is kept; of equal ones,
the first that was met.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any, Generic, TypeVar

S = TypeVar("S", bound=Hashable)
C = TypeVar("C")
W = TypeVar("W")


class OpenStates(Generic[S, C, W]):
    """The states that a search has met: what each costs, and the last step of the way to it."""

    def __init__(self) -> None:
        self.costs: dict[S, C] = {}
        """State -> the cost of the cheapest way to it that was met."""
        self._predecessors: dict[S, tuple[S, W]] = {}
        self._open: list[tuple[C, int, S]] = []
        self._numbers = count()
        self._present: tuple[C, int, S] | None = None

    def open_state(self, state: S, cost: Any, predecessor: tuple[S, W] | None = None) -> None:
        """Open a state, unless a way to it is known that costs no more. `predecessor`: the state that the way
        comes from, and its last step; None where no way is asked for. O(log n)."""
        known_cost = self.costs.get(state)
        is_cheaper = known_cost is None or cost < known_cost
        if not is_cheaper:
            return
        self.costs[state] = cost
        if predecessor is not None:
            self._predecessors[state] = predecessor
        # The number decides between equal costs: states need no order, and the first that was met is first.
        entry = (cost, next(self._numbers), state)
        heappush(self._open, entry)

    def __iter__(self) -> Iterator[tuple[S, C]]:
        """Yield the open states with their costs, the cheapest first. One is closed when the next is asked
        for: after an error it comes again."""
        if self._present is not None:
            # The last search broke off here: the state is still open.
            heappush(self._open, self._present)
        while self._open:
            self._present = heappop(self._open)
            cost, _, state = self._present
            # An entry is never taken out of the heap: one whose cost is no longer the state's is passed over.
            if cost is self.costs[state]:
                yield state, cost
        self._present = None

    def path_back(self, state: S) -> Iterator[tuple[S, W]]:
        """Yield the cheapest way to a state from its end: the state before each step, and the step."""
        while state in self._predecessors:
            yield self._predecessors[state]
            state, _ = self._predecessors[state]
