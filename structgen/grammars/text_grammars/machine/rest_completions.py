"""`RestCompletions`: completions and token costs of a machine that knows a shortest rest for each state.

A *state* is a number that stands for all that the machine knows of the text so far. A *rest* of a state is
the sequence of symbols (bytes, or special tokens) that completes the text from there: after `{"a":1` it is
`}`. The *cost* of a state is the least number of tokens that writes its rest.

A state costs one token more than the state after the first of these tokens. The rest of that next state is
the end of this rest, unless a rest of its own is known. Therefore some allowed token always leads to a state
that costs one token less.
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
"""The name of this work in the message of a limit."""


class _Rest(NamedTuple):
    """A rest: the end of a sequence of symbols. Several states share one sequence."""

    symbols: Sequence[int]
    """The whole sequence; the rest is `symbols[begin:]`."""
    begin: int
    """The index of its first symbol."""
    number: int
    """The index, in the list of costs of texts, of the entry for this rest's bytes up to the next special
    token; 0: there is no entry yet."""

    def __len__(self) -> int:
        return len(self.symbols) - self.begin


class RestMachine(CompiledGrammar):
    """A compiled grammar that knows a shortest rest for each state."""

    @cached_property
    def completions(self) -> RestCompletions:
        """The shortest completions of the grammar's states. The object is made when it is first used."""
        return RestCompletions(self)

    @abstractmethod
    def shortest_rest(self, index: int) -> Sequence[int]:
        """Return the symbols of a short rest of state `index`. They are empty exactly where the text is
        complete. The caller holds the grammar's lock."""


class RestCompletions(TokenCounts):
    """The completions of one compiled grammar, remembered by state. The caller holds the grammar's lock."""

    def __init__(self, machine: RestMachine) -> None:
        """`machine`: the compiled grammar. Only a weak reference is kept: the machine owns this object, and a
        cycle would delay its release."""
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
        """Return the number of symbols in the rest of a state."""
        return len(self._rest_of(index))

    def states_after(self, index: int, tokens: Tokens) -> tuple[list[int], Tokens]:
        """Return the different states after some tokens, and for each token the index of its state in this
        list."""
        states_after = self._machine.after_tokens(index, tokens)
        different_states, which = np.unique(states_after, return_inverse=True)
        return different_states.tolist(), which

    def completion_ways(self, state: int) -> list[tuple[int, int]]:
        """Return the ways to complete a state, as pairs (tokens, state after them). The cost of a way is the
        number of tokens plus the cost of the state after them, which is REFUSED at the end of the text. The
        cheapest way is the state's cost. A way may lead back to a state that it began at."""
        rest = self._rest_of(state)
        if len(rest) == 0:
            return [(0, REFUSED)]
        token, size, number = self._first_token(rest)
        # reading the token makes states: one step, and two for each of its symbols
        THIS_CALL.spend_steps(1 + 2 * size, self._machine.limits, COMPLETED)
        after = self._machine.next_index(state, token)
        assert after >= 0, "a rest that tokens write"
        # The text may be complete before the whole rest is written: then the rest after it is empty.
        begin_after = len(rest.symbols) if self._machine.may_end(after) else rest.begin + size
        rest_after = _Rest(rest.symbols, begin_after, number)
        known_rest = self._rests.get(after)
        # A shorter rest replaces a longer one, unless a cost was computed with the longer one.
        if known_rest is None or (len(known_rest) > len(rest_after) and after not in self._counts):
            self._rests[after] = rest_after
        return [(1, after)]

    def count_tokens(self, index: int) -> int:
        """Return the cost of a state, in tokens. The states on its cheapest way get their costs too
        (Dijkstra's algorithm)."""
        counts = self._counts
        while True:
            states = OpenStates[int, tuple[int, int], None]()
            states.open_state(index, (0, index))
            for state, (tokens, _) in states:
                if state == REFUSED:  # the end: a state on the way costs the tokens after it
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
            # All ways led back to their beginnings. Some rests became shorter meanwhile: search again.

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
        """Return the first of the fewest tokens that write a rest, the number of symbols that it writes, and
        the index of the rest after it in the list of costs (`_Rest.number`)."""
        symbols, begin, number = rest
        first = symbols[begin]
        if first >= TOKEN:
            return first - TOKEN, 1, 0
        if not number:
            # No token contains both bytes and a special token, so bytes are counted up to the next one.
            end = begin
            while end < len(symbols) and symbols[end] < TOKEN:
                end += 1
            number = self._costs.chain_state(bytes(symbols[begin:end]))
        return self._costs.first_token(number)
