"""The strategy Mirostat 2: it draws tokens of a given mean surprise (Basu et al., "Mirostat: A Neural Text
Decoding Algorithm that Directly Controls Perplexity", 2021; the second version, as common engines have it).

- The *surprise* of a token is -log2 of its probability under the mask at the temperature, in bits. A token of
  probability 1/8 has 3 bits.
- *mu* is the bound of a text: tokens of a greater surprise are dropped. *tau* is the mean surprise that is
  wanted.

After each token mu falls by eta times (surprise - tau). A token that was the only allowed one does not change
mu: it was not a choice, and if it counted, mu would grow without end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import numpy as np

from structgen.base.errors import fields_named
from structgen.base.language.checks import NumberCheck, Share
from structgen.decoding.engine.strategies.strategy import Ids, Narrowing, NarrowingState, Scores, log_softmax

if TYPE_CHECKING:
    from structgen.machines.core.matcher import Matcher

_MOST_MU: Final = 10.0
"""The greatest mu, as a multiple of tau. A law that is never as surprising as tau would raise mu without
end."""


@fields_named("sg.strategies.Mirostat(tau=3.0)")
@dataclass(frozen=True, slots=True)
class Mirostat(Narrowing):
    """Draws whose surprise is `tau` on average, whatever the temperature: `sg.Sampling(strategy=...)`."""

    name: ClassVar[str] = "mirostat"
    draws: ClassVar[bool] = True
    truncates: ClassVar[bool] = True
    tau: Annotated[float, NumberCheck(1e-6, 1e6, "bits, from 0.000001, or infinity", math.inf)] = 3.0
    """The mean surprise of the tokens that are a choice, in bits; infinity drops no token."""
    eta: Share = 0.1
    """The share of a token's error, its surprise minus tau, by which the bound changes."""

    def begin(self, prompt: Sequence[int]) -> MirostatState:
        """Return the state of a text, whose bound begins at 2 tau. The prompt does not matter."""
        return MirostatState(self)

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return, in words, the mean surprise of the tokens, and whether the bound became as great as it can.
        A state is a pair: a token's surprise and the bound after it."""
        if not states:
            return ""
        mean = sum(surprise for surprise, _ in states) / len(states)
        summary = f"mirostat: {len(states):,} tokens were a choice, of {mean:.2f} bits on average"
        # infinity is no aim: the bound stays where it began
        if self.tau < math.inf and any(mu >= _MOST_MU * self.tau for _, mu in states):
            summary += f"; tau = {self.tau:g} cannot be reached: the model's law is less surprising"
        return summary


class MirostatState(NarrowingState):
    """The bound `mu` of one text."""

    __slots__ = ("_last", "_strategy", "mu")

    def __init__(self, strategy: Mirostat) -> None:
        self._strategy = strategy
        self.mu = 2 * strategy.tau
        self._last: tuple[Ids, Scores] | None = None
        """The allowed tokens of the last choice, and their surprises; None: there was no choice since
        `noted`."""

    def kept(self, ids: Ids, scores: Scores, temperature: float, size: int) -> Scores | None:
        """Return the scores of the tokens `ids`, with minus infinity for those whose surprise is above `mu`;
        None if none is dropped. The likeliest token always stays. `size`, of the vocabulary, does not matter
        here. For example, with mu = 1 and two tokens of the probabilities 0.4 and 0.6, the first one is
        dropped."""
        # nats divided by -ln 2 are bits of surprise
        surprises = log_softmax(scores / temperature) / -math.log(2)
        is_dropped = surprises > max(self.mu, float(surprises.min()))
        self._last = ids, surprises
        return np.where(is_dropped, -np.inf, scores) if is_dropped.any() else None

    def noted(self, token: int) -> tuple[float, ...]:
        """Return the surprise of a token and the bound after it; () if there was no choice."""
        last = self._last
        self._last = None
        if last is None:
            return ()
        ids, surprises = last
        surprise = float(surprises[np.searchsorted(ids, token)])  # ids ascend
        strategy = self._strategy
        mu = self.mu
        if strategy.tau < math.inf:
            mu = min(mu - strategy.eta * (surprise - strategy.tau), _MOST_MU * strategy.tau)
        # the bound itself changes in `follow`, which a restart calls too
        return surprise, mu

    def follow(self, token: int, state: tuple[float, ...], matcher: Matcher | None) -> None:
        """Set the bound to the one that `noted` returned for the token, `state[1]`."""
        if state:
            self.mu = state[1]
