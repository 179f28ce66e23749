"""How often a drafter is right: learnt in each request, from what the model chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError
from structgen.speculation.drafts.draft import Draft
from structgen.speculation.drafts.flat_trees import WRONG, follow_path

REMEMBERED: Final = 32.0
"""Guesses that count, the latest ones most."""


class Trust:
    """The mean of a beta distribution: `good` and `bad` are what is counted before the first guess.

    A guess is a place that the text has reached and at which the drafter had proposed something; it is right
    where the model chose one of its tokens. Guesses count whether or not the planner took them. Old ones
    count less and less, so that a drafter that has begun to be right is soon trusted.
    """

    __slots__ = ("bad", "good")

    def __init__(self, good: float = 3.0, bad: float = 1.0) -> None:
        if not (good > 0.0 and bad > 0.0):
            raise OptionError(f"good={good}, bad={bad}.", where="Trust", cure="Give numbers above 0.")
        self.good, self.bad = good, bad

    @property
    def mean(self) -> float:
        """How likely it is that the next guess is right."""
        return self.good / (self.good + self.bad)

    def learn(self, draft: Draft, taken: Sequence[int] | npt.NDArray[np.int32]) -> int:
        """Count the guesses of a draft against the tokens that the text has taken; return how many of these,
        from the first on, stand in the draft."""
        found = int(follow_path(draft.tokens, draft.parents, np.asarray(taken, np.int32)))
        right = found >> 2
        self.good += right
        self.bad += found & WRONG == WRONG
        if self.good + self.bad > REMEMBERED:
            scale = REMEMBERED / (self.good + self.bad)
            self.good, self.bad = self.good * scale, self.bad * scale
        return right
