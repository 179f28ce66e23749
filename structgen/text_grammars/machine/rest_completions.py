"""`RestCompletions`: completions and token costs of a machine that knows a shortest rest for each state.

A *rest* is the symbols that complete the text from a state. A state costs one token more than the cheapest
state that a token at the beginning of its rest leads to. Therefore some allowed token always leads to a state
that costs one token less.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final, Protocol
from weakref import proxy

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import Completions
from structgen.limits import Limits
from structgen.machine_core.growing_tables import DEEPEST
from structgen.native.raw_memory import address_of
from structgen.system.public_calls import THIS_CALL
from structgen.text_grammars.machine import text_masks
from structgen.text_grammars.machine.language import TOKEN

_KEPT: Final = 1 << 16
"""States whose costs are remembered; past it all costs are forgotten and worked out again as needed."""
_PREFIXES: Final = 512
"""At most so many tokens that begin one rest, each a prefix of the next, are looked at."""
_END: Final = -1
"""In a way: no state follows."""


class RestMachine(Protocol):
    """The questions that completions ask a compiled grammar. States are numbers; its lock is held."""

    @property
    def address(self) -> int: ...

    @property
    def limits(self) -> Limits: ...

    def may_end(self, index: int, /) -> bool: ...

    def next_index(self, index: int, token: int, /) -> int: ...

    def shortest_rest(self, index: int, /) -> Sequence[int]:
        """Return the symbols of a short rest; empty exactly where the text is complete."""
        ...

    def after_rest(self, index: int, data: int, size: int, /) -> int:
        """Return the state after a token whose bytes begin a rest (the bytes' address), -1 where no token may
        end there."""
        ...

    def after_tokens(self, index: int, tokens: npt.NDArray[np.int64], /) -> npt.NDArray[np.int64]:
        """Return the states after some allowed tokens, none of them an end token."""
        ...


class RestCompletions(Completions):
    """The completions of one compiled grammar, remembered by state. Its lock is held by the caller."""

    def __init__(self, machine: RestMachine) -> None:
        """The machine is not kept alive: it holds its completions, and a cycle would delay its release."""
        self._machine: RestMachine = proxy(machine)
        self._costs: dict[int, int] = {}
        self._rests: dict[int, tuple[int, ...]] = {}
        self._ceilings: dict[int, int] = {}
        """State -> so many tokens suffice after whichever token comes next."""
        self._lengths: npt.NDArray[np.int64] = np.empty(_PREFIXES, np.int64)

    def text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the text is complete. Special tokens have no text."""
        return bytes(symbol for symbol in self._rest(index) if symbol < TOKEN)

    def tokens(self, index: int, enough: int = 0) -> int:
        """Return the fewest tokens that write the rest of a state; 0 where the text is complete. Where they
        are no more than `enough`, the length of the rest may do."""
        if index not in self._costs and len(rest := self._rest(index)) <= enough:
            return len(rest)
        if len(self._costs) > _KEPT:
            self._costs.clear()
            self._rests.clear()
            self._ceilings.clear()
        self._search(index)
        return self._costs[index]

    def sufficient(self, index: int) -> int | None:
        """Return how many tokens are known to suffice, and one less after whichever token comes next."""
        most = self._ceilings.get(index)
        return None if most is None else 1 + max(most, self.tokens(index))

    def too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        """Return those of some allowed tokens (no end tokens) after which more than `left` are needed."""
        states, which = np.unique(self._machine.after_tokens(index, tokens), return_inverse=True)
        costs = np.array([self.tokens(int(state), left) for state in states], np.int64)
        self._ceilings[index] = int(costs.max(initial=0))
        return tokens[costs[which] > left]

    def ways(self, state: int) -> list[tuple[int, int]]:
        """Return the ways to complete a state, of which the cheapest is its cost: some tokens, and the state
        (-1: none) whose cost comes on top. They may lead back to a state that they began at."""
        rest = self._rest(state)
        return [(1, after) for after in self._after_first_tokens(state, rest)] if rest else [(0, _END)]

    def _search(self, index: int) -> None:
        """Work out the costs of a state and of those on its cheapest way (Dijkstra's algorithm)."""
        costs, least, before = self._costs, {index: 0}, {index: index}
        queue = [(0, index)]
        while queue[0][1] >= 0:
            tokens, state = heappop(queue)
            if tokens > least[state]:
                continue
            known = costs.get(state)
            for more, after in self.ways(state) if known is None else ((known, _END),):
                if tokens + more < least.get(after, tokens + more + 1):
                    least[after], before[after] = tokens + more, state
                    heappush(queue, (tokens + more, after))
        state = before[_END]
        costs[state] = least[_END] - least[state]
        while state != index:
            state = before[state]
            costs[state] = least[_END] - least[state]

    def _rest(self, index: int) -> tuple[int, ...]:
        """Return the rest of a state; behind the first symbols of a known rest, its remainder."""
        rest = self._rests.get(index)
        if rest is None:
            rest = self._rests[index] = tuple(self._machine.shortest_rest(index))
        return rest

    def _after_first_tokens(self, state: int, rest: tuple[int, ...]) -> list[int]:
        """Return the states after each token that the rest begins with."""
        if rest[0] >= TOKEN:
            after = self._machine.next_index(state, rest[0] - TOKEN)
            self._remember(after, rest[1:])
            return [after]
        beginning = rest[:DEEPEST]
        size = next((at for at, symbol in enumerate(beginning) if symbol >= TOKEN), len(beginning))
        data = np.array(beginning[:size], np.uint8)
        at = address_of(data)
        found = text_masks.prefixes(self._machine.address, at, size, address_of(self._lengths), _PREFIXES)
        states = []
        for length in self._lengths[:found].tolist():
            after = self._machine.after_rest(state, at, length)
            if after >= 0 and self.goes_as(after, rest[length:]):
                self._remember(after, rest[length:])
                states.append(after)
        assert states, "a rest that tokens write"
        return states

    def goes_as(self, state: int, rest: tuple[int, ...]) -> bool:
        """Return whether a state behind a token is completed by the end of a longer rest, or as cheaply."""
        return True

    def _remember(self, state: int, rest: tuple[int, ...]) -> None:
        """Note the rest of a state unless a shorter one is known. A complete text has the empty rest."""
        THIS_CALL.spend(len(rest) // 128, self._machine.limits, "How the text is completed")  # it is a copy
        known = self._rests.get(state)
        if known is None or (len(known) > len(rest) and state not in self._costs):
            self._rests[state] = () if self._machine.may_end(state) else rest
