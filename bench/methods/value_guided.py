"""Value-guided decoding: a token counts for what the texts behind it are worth (Transfer Q*: Chakraborty et
al., "Transfer Q*: Principled Decoding for LLM Alignment", 2024).

The law of the next token is p(z) exp(Q(z) / alpha) over the `k` likeliest allowed tokens z. Q(z) is the mean
reward of `continuations` whole texts that begin with it, drawn from a baseline model (the paper: one that was
aligned with another reward; by default the model itself). A small alpha follows the reward, infinity the
model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

import structgen as sg
from structgen.strategies import Branch, Decision, ModelRows, Rewards, SearchStrategy, TextPlace


@dataclass(frozen=True, slots=True)
class ValueGuided(SearchStrategy):
    """Tokens by their probability and by the reward of the texts behind them."""

    name: ClassVar[str] = "valued"
    reward: Callable[[Any], float] = field(repr=False)
    """From the value of a JSON document, or from a text, to a number."""
    seconds: float = 1.0
    """The limit of one call of the reward."""
    megabytes: int = 512
    """Memory that the reward may take."""
    alpha: float = 0.2
    """How much reward a nat of probability is worth; infinity: plain decoding."""
    k: int = 10
    """How many tokens are tried at a place."""
    continuations: int = 1
    """Texts behind each; more than one need a temperature above 0."""
    baseline: sg.Engine | None = None
    """The model that continues, with the same tokenizer; None: the model itself."""

    def begin(self, model: Any, tokenizer: sg.Tokenizer) -> Any:
        """Return the rewards, which have a process. Raises OptionError for a baseline of another
        tokenizer."""
        if self.baseline is not None and self.baseline.tokenizer != tokenizer:
            raise sg.errors.OptionError(
                f"{self.baseline.tokenizer!r} is another tokenizer than the model's.",
                where="baseline",
                cure="Give an engine with the tokenizer of the model.",
            )
        return Rewards(self.reward, self.seconds, self.megabytes)

    def plan(self, place: TextPlace, held: Any) -> Generator[Sequence[Branch], list[Any], Decision]:
        """Return the scores of the likeliest tokens. Cost: a row for each token of `k * continuations` texts,
        and a call of the reward for each that is new."""
        if self.alpha == math.inf:
            return Decision()
        root = place.root()
        law = root.law(place.logits)
        order = np.argsort(-law, kind="stable")[: self.k]
        begun = [
            replace(root.after(int(token)), stream=1 + at * self.continuations + one)
            for at, token in enumerate(root.allowed[order])
            for one in range(self.continuations)
        ]
        ended = yield from _completed(place, begun, self.baseline)
        worth: list[float | None] = []
        for branch in ended:
            worth.append(held.of(branch.text, place.value(branch)))
            yield []  # other texts go on, and the text may be cancelled
        q = np.array([one or 0.0 for one in worth]).reshape(-1, self.continuations).mean(1)
        scores = np.full(len(place.logits), -np.inf)
        heat = place.request.chosen_by.temperature or 1.0
        scores[root.allowed[order]] = heat * (law[order] + q / self.alpha)
        weighed = law[order] + q / self.alpha
        law_after = weighed - np.logaddexp.reduce(weighed)
        distance = float((np.exp(law_after) * (law_after - law[order])).sum())
        state = distance, float(worth.count(None))
        return Decision(scores=scores, state=state)

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return how far the law of the text is from the model's under the mask, and how many rewards
        failed."""
        failures = sum(state[1] for state in states)
        told = f"valued: {sum(state[0] for state in states):.2f} nats from the model's law (Kullback-Leibler)"
        return told + (f"; {failures:.0f} rewards failed, and counted as 0" if failures else "")


def _completed(
    place: TextPlace, branches: list[Branch], baseline: sg.Engine | None
) -> Generator[Sequence[Branch], list[Any], list[Branch]]:
    """Return branches, each continued to a whole text by draws as the request asks for."""
    begun = [*place.prompt, *place.tokens]
    rows = None if baseline is None else ModelRows(baseline.model, begun, "")
    while True:
        going = [at for at, branch in enumerate(branches) if not branch.is_over]
        if not going:
            break
        asked = [branches[at] for at in going]
        if rows is None:
            logits = yield asked
        else:
            logits = rows.read([branch.tokens for branch in asked])
            place.passes, place.rows = rows.passes + 1, rows.count + rows.reread + 1  # and its prompt
            yield []
        for at, token in zip(going, place.drawn(asked, logits), strict=True):
            branches[at] = branches[at].after(token)
    return branches
