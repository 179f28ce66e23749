"""The acceptance rate of a drafter, learnt in each request from the model's choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError
from structgen.speculation.drafts.draft import Draft
from structgen.speculation.drafts.flat_trees import WRONG, follow_path

REMEMBERED: Final = 32.0
"""About how many guesses count; older ones have less weight."""


class Trust:
    """The mean of a beta distribution; `good` and `bad` are its initial counts.

    A guess is a position that the text has reached and for which the drafter had proposed tokens. It is right
    if the model chose one of them, whether or not the planner took it. Old guesses lose weight, so that the
    estimate adapts quickly.
    """

    __slots__ = ("bad", "good")

    def __init__(self, good: float = 3.0, bad: float = 1.0) -> None:
        if not (good > 0.0 and bad > 0.0):
            raise OptionError(f"good={good}, bad={bad}.", where="Trust", cure="Give numbers above 0.")
        self.good, self.bad = good, bad

    @property
    def mean(self) -> float:
        """The estimated probability that the next guess is right."""
        return self.good / (self.good + self.bad)

    def learn(self, draft: Draft, taken: Sequence[int] | npt.NDArray[np.int32]) -> int:
        """Count the guesses of a draft against the tokens that the text has taken; return how many of these
        tokens, from the first on, are in the draft."""
        found = int(follow_path(draft.tokens, draft.parents, np.asarray(taken, np.int32)))
        right = found >> 2
        self.good += right
        self.bad += found & WRONG == WRONG
        if self.good + self.bad > REMEMBERED:
            scale = REMEMBERED / (self.good + self.bad)
            self.good, self.bad = self.good * scale, self.bad * scale
        return right
