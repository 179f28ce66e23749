"""Value-guided decoding: a token counts for what the texts behind it are worth (Transfer Q*: Chakraborty et
al., "Transfer Q*: Principled Decoding for LLM Alignment", 2024).

The law of the next token is p(z) exp(Q(z) / alpha) over the `k` likeliest allowed tokens z. Q(z) is the mean
reward of `continuations` whole texts that begin with it, drawn from a baseline model (the paper: one that was
aligned with another reward; by default the model itself). A small alpha follows the reward, infinity the
model.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from structgen.engine.draft_models import SharedModel, shared_model
from structgen.engine.model_protocol import Model
from structgen.engine.searches.branches import Branch, TextPlace
from structgen.engine.searches.prefix_rows import ModelRows
from structgen.engine.searches.rewards import RewardedSearch, Rewards
from structgen.engine.strategies.strategy import (
    Decision,
    GivenModel,
    Scores,
    given_model,
    log_softmax,
)
from structgen.errors import fields_named
from structgen.language.checks import Number, Whole
from structgen.tokens.tokenizer import Tokenizer


@fields_named("sg.strategies.ValueGuided(reward=worth)")
@dataclass(frozen=True, slots=True)
class ValueGuided(RewardedSearch):
    """Tokens by their probability and by the reward of the texts behind them."""

    name: ClassVar[str] = "valued"
    alpha: Annotated[float, Number(1e-9, 1e9, "a number above 0, or infinity", math.inf)] = 0.2
    """How much reward a nat of probability is worth; infinity: plain decoding."""
    k: Annotated[int, Whole(1)] = 10
    """How many tokens are tried at a place."""
    continuations: Annotated[int, Whole(1, 65_536)] = 1
    """Texts behind each; more than one need a temperature above 0."""
    baseline: Annotated[GivenModel, given_model] | None = None
    """The model that continues, with the same tokenizer; None: the model itself."""

    def begin(self, model: Model, tokenizer: Tokenizer) -> tuple[Rewards, SharedModel | None]:
        """Return the rewards, which have a process, and the baseline, loaded. Raises OptionError for a
        baseline of another tokenizer."""
        baseline = None if self.baseline is None else shared_model(self.baseline, tokenizer, "baseline")
        return RewardedSearch.begin(self, model, tokenizer), baseline

    def plan(
        self, place: TextPlace, held: tuple[Rewards, SharedModel | None]
    ) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the scores of the likeliest tokens. Cost: a row for each token of `k * continuations` texts,
        and a call of the reward for each that is new."""
        if self.alpha == math.inf:
            return Decision()
        rewards, baseline = held
        root = place.root()
        law = root.law(place.logits)
        order = np.argsort(-law, kind="stable")[: self.k]
        begun = [
            replace(root.after(int(token)), stream=1 + at * self.continuations + one)
            for at, token in enumerate(root.allowed[order])
            for one in range(self.continuations)
        ]
        ended = yield from _completed(place, begun, baseline)
        worth: list[float | None] = []
        for branch in ended:
            worth.append(rewards.of(branch.text, place.value(branch)))
            yield []  # other texts go on, and the text may be cancelled
        q = np.array([one or 0.0 for one in worth]).reshape(-1, self.continuations).mean(1)
        scores = np.full(len(place.logits), -np.inf)
        heat = place.request.chosen_by.temperature or 1.0
        scores[root.allowed[order]] = heat * (law[order] + q / self.alpha)
        law_after = log_softmax(law[order] + q / self.alpha)
        distance = float((np.exp(law_after) * (law_after - law[order])).sum())
        state = distance, float(worth.count(None))
        return Decision(scores=scores, states=(state,))

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return how far the law of the text is from the model's under the mask, and how many rewards
        failed."""
        failures = sum(state[1] for state in states)
        told = f"valued: {sum(state[0] for state in states):.2f} nats from the model's law (Kullback-Leibler)"
        return told + (f"; {failures:.0f} rewards failed, and counted as 0" if failures else "")


def _completed(
    place: TextPlace, branches: list[Branch], baseline: SharedModel | None
) -> Generator[Sequence[Branch], list[Scores], list[Branch]]:
    """Return branches, each continued to a whole text by draws as the request asks for."""
    rows = None
    if baseline is not None:
        rows = ModelRows(baseline.model, [*place.prompt, *place.tokens], "")
    while True:
        going = [at for at, branch in enumerate(branches) if not branch.is_over]
        if not going:
            break
        asked = [branches[at] for at in going]
        if rows is None or baseline is None:
            logits = yield asked
        else:
            with baseline.lock:
                logits = rows.read([branch.tokens for branch in asked])
            place.passes, place.rows = rows.passes + 1, rows.count + rows.reread + 1  # and its prompt
            yield []
        for at, token in zip(going, place.drawn(asked, logits), strict=True):
            branches[at] = branches[at].after(token)
    return branches
