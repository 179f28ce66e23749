"""What compiled languages that say a short rest for each state share: costs, budgets, completions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import CompiledGrammar
from structgen.core.dfa import Dfa
from structgen.errors import OptionError
from structgen.language.grammar import Grammar
from structgen.limits import Limits
from structgen.native.raw_memory import address_of
from structgen.store.mask_store import MaskStore
from structgen.text_grammars.machine import stepping
from structgen.text_grammars.machine.language import TOKEN
from structgen.tokens.tokenizer import Tokenizer

_KEPT: Final = 1 << 16
"""States whose costs are remembered; past it all are worked out anew as they are met."""
_PREFIXES: Final = 512
"""Tokens that are prefixes of one another, at most, that a completion is cut into."""


class CompiledRests(CompiledGrammar):
    """A compiled language that says a short rest for each of its states.

    A state costs one more than the least of those that the tokens of its rest's beginning lead to. So some
    allowed token always leads to a state that costs one less.
    """

    def __init__(
        self,
        grammar: Grammar,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: MaskStore | Literal[False] | None = None,
    ) -> None:
        super().__init__(grammar, tokenizer, limits, store)
        self._costs: dict[int, int] = {}
        self._rests: dict[int, tuple[int, ...]] = {}
        self._ceilings: dict[int, int] = {}
        self._lengths: npt.NDArray[np.int64] = np.empty(_PREFIXES, np.int64)

    @abstractmethod
    def _shortest(self, index: int) -> Sequence[int]:
        """Return the symbols of a short rest; empty exactly where the text is complete."""

    @abstractmethod
    def _after_text(self, index: int, data: int, size: int) -> int:
        """Return the state after the bytes of a rest (their address) that are a token, -1 where no token may
        end there."""

    @abstractmethod
    def _after_tokens(self, index: int, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the states after some allowed tokens, no end tokens."""

    def _forget_large(self) -> None:
        """Nothing was made: a walk leaves only its tokens."""

    def to_dfa(self, max_states: int, depth: int | None = None, *, minimal: bool = False) -> Dfa:
        """Raises OptionError: only some languages have an explicit automaton."""
        raise OptionError(f"{self.grammar!r} has no explicit automaton over bytes.", where="to_dfa")

    def _rest(self, index: int) -> tuple[int, ...]:
        """Return the symbols of a rest; after one of them, it is what follows."""
        rest = self._rests.get(index)
        if rest is None:
            rest = self._rests[index] = tuple(self._shortest(index))
        return rest

    def _completion(self, index: int) -> bytes:
        # a special token has no text
        return bytes(symbol for symbol in self._rest(index) if symbol < TOKEN)

    def _cost(self, index: int) -> int:
        """Return the fewest tokens over the rest of a state."""
        self._forget_costs()
        costs, pending = self._costs, [index]
        while pending:
            state = pending[-1]
            if state in costs:
                pending.pop()
                continue
            ways = self._ways(state)
            unknown = [way for _tokens, way in ways if way >= 0 and way not in costs]
            if unknown:
                pending += unknown
            else:
                costs[state] = min(tokens + (costs[way] if way >= 0 else 0) for tokens, way in ways)
        return costs[index]

    def _forget_costs(self) -> None:
        """Let go of costs and rests where there are many."""
        if len(self._costs) > _KEPT:
            self._costs.clear()
            self._rests.clear()
            self._ceilings.clear()

    def _ways(self, state: int) -> list[tuple[int, int]]:
        """Return what a state costs, in ways of which the least counts: tokens, and the state (-1: none)
        whose cost comes on top."""
        rest = self._rest(state)
        return [(1, way) for way in self._after_rest(state, rest)] if rest else [(0, -1)]

    def _after_rest(self, state: int, rest: tuple[int, ...]) -> list[int]:
        """Return the states after each token that the rest begins with."""
        if rest[0] >= TOKEN:
            after = self._after_token(state, rest[0] - TOKEN)
            self._remember(after, rest[1:])
            return [after]
        size = next((at for at, symbol in enumerate(rest) if symbol >= TOKEN), len(rest))
        data = np.array(rest[:size], np.uint8)
        at = address_of(data)
        found = stepping.prefixes(self.address, at, size, address_of(self._lengths), _PREFIXES)
        ways = []
        for length in self._lengths[:found].tolist():
            after = self._after_text(state, at, length)
            if after >= 0:
                self._remember(after, rest[length:])
                ways.append(after)
        assert ways, "a vocabulary that can write every byte"
        return ways

    def _remember(self, state: int, rest: tuple[int, ...]) -> None:
        """Note a rest; one that is longer than this would not do. A rest may come by a text that is complete,
        which has none."""
        known = self._rests.get(state)
        if known is None or (len(known) > len(rest) and state not in self._costs):
            self._rests[state] = () if self.may_end(state) else rest

    def _fits(self, index: int, left: int) -> bool:
        return self._ceilings.get(index, left + 1) <= left

    def _too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        states, which = np.unique(self._after_tokens(index, tokens), return_inverse=True)
        costs = np.array([self._cost(int(state)) for state in states], np.int64)
        self._ceilings[index] = int(costs.max(initial=0))
        return tokens[costs[which] > left]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.grammar, self.tokenizer, self.limits)
