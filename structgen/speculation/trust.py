"""How often a drafter is right: learnt in each request, from what the model chooses."""

from __future__ import annotations

from collections.abc import Sequence

from structgen.errors import OptionError
from structgen.speculation.draft import Draft


class Trust:
    """The mean of a beta distribution: `good` and `bad` are what is counted before the first guess.

    A guess is a place that the text has reached and at which the drafter had proposed something; it is right
    where the model chose one of its tokens. Guesses count whether or not the planner took them.
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

    def learn(self, draft: Draft, taken: Sequence[int]) -> None:
        """Count the guesses of a draft against the tokens that the text has taken."""
        tables, node = draft.children(), -1
        for token in taken:
            if not (table := tables[node + 1]):
                return
            if token not in table:
                self.bad += 1
                return
            self.good += 1
            node = table[token]
