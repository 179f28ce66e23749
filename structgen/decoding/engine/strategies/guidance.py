"""The strategy guidance: it strengthens the difference that a prompt makes (Sanchez et al., "Stay on topic
with Classifier-Free Guidance", 2023).

The *law* is the distribution of the next token. The *other prompt* is, for example, the prompt without one of
its sentences; the model also reads it before the same text. The new log-probabilities are (1 - scale) times
those after the other prompt, plus scale times those after the prompt. For example, with scale 1.5 a token of
-1 after the prompt and -2 after the other gets -0.5, before the sum is made 1 again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np

from structgen.base.errors import fields_named
from structgen.base.language.checks import NumberCheck
from structgen.decoding.engine.strategies.strategy import GivenPrompt, Mixture, Scores, given_prompt

_DEEPEST: Final = 1e5
"""The most nats by which a score may be below the greatest one. With this bound, differences are finite even
for a token that a model never writes."""


@fields_named('sg.strategies.Guidance(without="", scale=1.5)')
@dataclass(frozen=True, slots=True)
class Guidance(Mixture):
    """Strengthens the difference between the law after the prompt and the law after the prompt `without`."""

    name: ClassVar[str] = "guidance"
    other: ClassVar[str] = "without"
    without: Annotated[GivenPrompt, given_prompt] = ""
    """The other prompt: the prompt without a part of it, or "" (if it is token ids, at least one). It is read
    in the same way as the prompt, with outline and chat template."""
    scale: Annotated[float, NumberCheck(0.0, 100.0, "a number from 0 to 100")] = 1.5
    """The strength: 1 gives the law after the prompt, 0 that after the other prompt. The paper's best value
    is 2."""

    @property
    def is_neutral(self) -> bool:
        """Whether the other prompt changes nothing, because the scale is 1."""
        return self.scale == 1.0

    def mixed(self, own: Scores, other: Scores) -> Scores | None:
        """Return (1 - scale) other + scale own, the scores of the allowed tokens."""
        # Logits may be used in place of log-probabilities: they differ by one number for all tokens. Both are
        # bounded first, because minus infinity minus minus infinity is not a number.
        own_part = self.scale * _bound_scores(own)
        other_part = (1.0 - self.scale) * _bound_scores(other)
        return other_part + own_part


def _bound_scores(scores: Scores) -> Scores:
    """Return the scores, each raised to at least 100,000 nats below the greatest one, so that all are
    finite."""
    return np.asarray(np.maximum(scores, scores.max() - _DEEPEST))
