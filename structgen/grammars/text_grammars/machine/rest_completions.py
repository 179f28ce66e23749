"""`RestCompletions`: completions and token costs of a machine that knows a shortest rest for each state.

A *rest* is the symbols that complete the text from a state. The fewest tokens that write it are asked for. A
state costs one token more than the state behind the first of these tokens; the rest of the state there is the
end of this rest, unless its own is known. Therefore some allowed token always leads to a state that costs one
token less.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple
from weakref import proxy

import numpy as np

from structgen.base.language.best_first import OpenStates
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine.language import TOKEN
from structgen.machines.core.compiled import CompiledGrammar, Tokens
from structgen.machines.core.token_counts import TokenCounts
from structgen.machines.machine_core.layout import REFUSED

COMPLETED: Final = "How the text is completed"


class _Rest(NamedTuple):
    """The end of a sequence of symbols, which completes a text. States share the sequence."""

    symbols: Sequence[int]
    begin: int
    """The index of its first symbol."""
    number: int
    """The number of its bytes, as far as the next special token, among the costs of texts; 0: none yet."""

    def __len__(self) -> int:
        return len(self.symbols) - self.begin


class RestMachine(CompiledGrammar):
    """A compiled grammar that knows a shortest rest for each state."""

    @cached_property
    def completions(self) -> RestCompletions:
        """The shortest completions of its states; made when they are first asked for."""
        return RestCompletions(self)

    @abstractmethod
    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a short rest; empty exactly where the text is complete. The lock is held."""


class RestCompletions(TokenCounts):
    """The completions of one compiled grammar, remembered by state. Its lock is held by the caller."""

    def __init__(self, machine: RestMachine) -> None:
        """The machine is not kept alive: it holds its completions, and a cycle would delay its release."""
        super().__init__(machine.vocabulary)
        self._machine: RestMachine = proxy(machine)
        self._rests: dict[int, _Rest] = {}

    def clear_counts(self) -> None:
        self._rests.clear()  # first: they name states of the costs
        super().clear_counts()

    def text(self, index: int) -> bytes:
        """Return the completion of a state; empty where the text is complete. Special tokens have no text."""
        rest = self._rest_of(index)
        return bytes(symbol for symbol in rest.symbols[rest.begin :] if symbol < TOKEN)

    def symbol_length(self, index: int) -> int:
        return len(self._rest_of(index))

    def states_after(self, index: int, tokens: Tokens) -> tuple[list[int], Tokens]:
        states_after = self._machine.after_tokens(index, tokens)
        different_states, which = np.unique(states_after, return_inverse=True)
        return different_states.tolist(), which

    def completion_ways(self, state: int) -> list[tuple[int, int]]:
        """Return the ways to complete a state, of which the cheapest is its cost: some tokens, and the state
        (REFUSED: none) whose cost comes on top. They may lead back to a state that they began at."""
        rest = self._rest_of(state)
        if len(rest) == 0:
            return [(0, REFUSED)]
        token, size, number = self._first_token(rest)
        THIS_CALL.spend_steps(1 + 2 * size, self._machine.limits, COMPLETED)  # states are made
        after = self._machine.next_index(state, token)
        assert after >= 0, "a rest that tokens write"
        # the text may be complete before the rest is written: then nothing is left
        begin_after = len(rest.symbols) if self._machine.may_end(after) else rest.begin + size
        rest_after = _Rest(rest.symbols, begin_after, number)
        known_rest = self._rests.get(after)
        # a shorter rest replaces another one, but never under a cost that was worked out with it
        if known_rest is None or (len(known_rest) > len(rest_after) and after not in self._counts):
            self._rests[after] = rest_after
        return [(1, after)]

    def count_tokens(self, index: int) -> int:
        """Work out the costs of a state and of those on its cheapest way (Dijkstra's algorithm)."""
        counts = self._counts
        while True:
            states = OpenStates[int, tuple[int, int], None]()
            states.open_state(index, (0, index))
            for state, (tokens, _) in states:
                if state == REFUSED:  # an end was reached: each state on the way costs what is behind it
                    for previous, _ in states.path_back(REFUSED):
                        tokens_before, _ = states.costs[previous]
                        counts[previous] = tokens - tokens_before
                    return counts[index]
                known_count = counts.get(state)
                if known_count is None:
                    ways = self.completion_ways(state)
                else:
                    ways = [(known_count, REFUSED)]
                for token_count, after in ways:
                    states.open_state(after, (tokens + token_count, after), (state, None))
            # all ways led back; rests that were not the shortest have become shorter on them

    def _rest_of(self, index: int) -> _Rest:
        """Return the rest of a state: its own, or the end of another state's rest (`completion_ways`)."""
        rest = self._rests.get(index)
        if rest is None:
            symbols = self._machine.shortest_rest(index)
            has_specials = max(symbols, default=0) >= TOKEN
            # bytes take an eighth of a tuple's memory
            rest = _Rest(tuple(symbols) if has_specials else bytes(symbols), 0, 0)
            self._rests[index] = rest
        return rest

    def _first_token(self, rest: _Rest) -> tuple[int, int, int]:
        """Return the first of the fewest tokens that write a rest, how many symbols it has, and the number of
        the rest behind it (`_Rest.number`)."""
        symbols, begin, number = rest
        first = symbols[begin]
        if first >= TOKEN:
            return first - TOKEN, 1, 0
        if not number:
            # the bytes as far as the next special token, which no token spans
            end = begin
            while end < len(symbols) and symbols[end] < TOKEN:
                end += 1
            number = self._costs.chain_state(bytes(symbols[begin:end]))
        return self._costs.first_token(number)
