"""Scores the tokens of a prompt: their log-probabilities under the model, as servers return them.

The *logits* after a text are the model's scores of all tokens there. A *rank* is 1 for the likeliest token.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from torch import Tensor

from structgen.decoding.engine.model_protocol import Model, draft_support_of
from structgen.decoding.engine.requests import Step
from structgen.decoding.engine.strategies.strategy import Decision, Scores, SearchStrategy
from structgen.decoding.speculation.drafts.model_rows import read_chain
from structgen.tokens.tokenizer import Tokenizer

_CHUNK: Final = 64
"""The most tokens of a prompt that are read in one pass: it returns the logits after each of them, which are
scored and dropped."""


@dataclass(frozen=True, slots=True)
class PromptScores(SearchStrategy):
    """Scores the tokens of a prompt once, before the first sample of a request chooses its first token."""

    name: ClassVar[str] = "prompt scores"
    is_once: ClassVar[bool] = True
    tokens: Sequence[int]
    """The tokens to score; (): none."""
    likeliest: int = 0
    """How many of the likeliest tokens are recorded at each place."""
    is_silent: bool = False
    """Whether the text ends before its first token."""
    steps: list[Step] = field(default_factory=list, compare=False, repr=False)
    """The scored tokens, once they are scored. The first one has the log-probability NaN, because nothing
    precedes it. `Step.state` has the rank of the token."""

    def begin(self, model: Model, tokenizer: Tokenizer) -> Model:
        """Return the model, which reads the tokens in a cache of their own."""
        return model

    def plan(self, place: Any, held: Any) -> Generator[Sequence[Any], list[Scores], Decision]:
        """Score the tokens. Cost: a pass for each `_CHUNK` tokens; for each token, if the model verifies no
        drafts. Other texts go on between the passes. NaN stands for logits that are not numbers."""
        if self.tokens and place.sample == 0:
            scored = [Step(self.tokens[0], math.nan, math.nan, 0.0, 0, self.tokens[0])]
            chunk_size = 1 if draft_support_of(held).shape == "none" else _CHUNK
            first_logits, cache = held.prefill(self.tokens[:1])
            rows = first_logits[None]
            count = 1
            while True:
                # the rows are those after the last tokens that were read, and score the tokens after these
                next_tokens = self.tokens[count + 1 - len(rows) : count + 1]
                scored += map(self._score_token, next_tokens, rows.double().log_softmax(-1))
                chunk = self.tokens[count : min(count + chunk_size, len(self.tokens) - 1)]
                if not chunk:
                    break
                yield []
                is_chain = len(chunk) > 1
                rows = read_chain(held, chunk, cache) if is_chain else held.decode(chunk, [cache])
                count += len(chunk)
            self.steps[:] = scored
        return Decision(place.tokenizer.eos_token_ids[:1] if self.is_silent else ())

    def _score_token(self, token: int, law: Tensor) -> Step:
        """Return the score of a token. `law` has the log-probabilities [V] of all tokens in its place."""
        logprob = float(law[token])
        values, tokens = law.topk(self.likeliest)
        likeliest = tuple(zip(tokens.tolist(), values.tolist(), strict=True))
        rank = int((law > logprob).sum()) + 1
        first = int(law.argmax())
        return Step(token, logprob, logprob, 0.0, len(law), first, likeliest=likeliest, state=(rank,))
