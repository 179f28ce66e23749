"""Pause and rerank: where the model is unsure, candidates are judged by what follows them (AdaDec: Xu et al.,
"Towards Better Code Generation: Adaptive Decoding with Uncertainty Guidance", 2025).

Greedy. Where the entropy of the masked law is above `tau` nats, each of the `beams` likeliest tokens is
continued greedily by `depth` tokens, or to the end of the text. Its score is the mean log-probability of the
token and of those that follow it. Forced tokens do not count. The best candidate is taken, the likeliest of
equals.

`PauseAndRerank.learnt` returns the `tau` of a model (`learnt_pause`).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import numpy as np

from structgen.engine.searches.branches import Branch, TextPlace
from structgen.engine.strategies.strategy import Decision, Scores, SearchStrategy, entropy
from structgen.errors import fields_named
from structgen.language.checks import Number, Whole

if TYPE_CHECKING:
    from structgen.engine.engine import Engine
    from structgen.engine.requests import Request

_EXTRACT_TAU: Final = 0.053
"""Nats; learnt for `structgen/extract` from 2,000 sentences of its training."""


@fields_named("sg.strategies.PauseAndRerank(tau=0.5)")
@dataclass(frozen=True, slots=True)
class PauseAndRerank(SearchStrategy):
    """Greedy, but with a look ahead where the model is unsure."""

    name: ClassVar[str] = "pause"
    is_greedy: ClassVar[bool] = True
    tau: Annotated[float, Number(0.0, 1e6, "nats, from 0, or infinity", math.inf)] = _EXTRACT_TAU
    """The entropy, in nats, above which to pause; infinity: never. The default is that of
    `structgen/extract`."""
    beams: Annotated[int, Whole(1, 1024)] = 3
    """How many candidates; 1 is greedy."""
    depth: Annotated[int, Whole(0)] = 5
    """How many tokens follow each candidate; 0 is greedy."""

    @staticmethod
    def learnt(engine: Engine, examples: Sequence[tuple[Request, str]]) -> PauseAndRerank:
        """Return the strategy with the `tau` of an engine's model, learnt from requests with the right text
        of each. Raises OptionError for a text that is none of its grammar, and where the model's likeliest
        token is always right, or never."""
        # start-up: few learn one
        from structgen.engine.searches.learnt_pause import learnt_tau, places_along

        return PauseAndRerank(tau=learnt_tau(*places_along(engine, examples)))

    def plan(self, place: TextPlace, held: None) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the best candidate; the likeliest token where the model is sure. Cost of a pause: `depth`
        passes of `beams` rows."""
        root = place.root()
        law = root.law(place.logits)
        nats = entropy(law)
        if nats <= self.tau or self.beams == 1 or self.depth == 0:
            return Decision(states=((nats, 0.0),))
        order = np.argsort(-law, kind="stable")[: self.beams]
        tokens = [int(token) for token in root.allowed[order]]
        branches = [root.after(token) for token in tokens]
        sums, counts = law[order].copy(), np.ones(len(order))
        for _ in range(self.depth):
            going = [at for at, one in enumerate(branches) if not one.is_over]
            if not going:
                break
            logits = yield [branches[at] for at in going]
            for at, own in zip(going, logits, strict=True):
                branch, after = branches[at], branches[at].law(own)
                if len(after) > 1:
                    sums[at] += after.max()
                    counts[at] += 1
                branches[at] = branch.after(int(branch.allowed[after.argmax()]))
        best = int(np.argmax(sums / counts))
        return Decision((tokens[best],), states=((nats, 1.0),))

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return the share of pauses."""
        paused = sum(state[1] > 0 for state in states)
        return f"pause: {paused:,} of {len(states):,} tokens that were a choice were reranked"
