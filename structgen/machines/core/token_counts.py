"""`TokenCounts`: how many tokens complete the documents of one compiled grammar, remembered by state."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from structgen.machines.core.compiled import REMEMBERED, Completions, Tokens
from structgen.machines.machine_core.text_costs import TextCosts
from structgen.tokens.vocabulary import Vocabulary


class TokenCounts(Completions):
    """The answers for budgets. A kind of grammar brings the length of a state's completion, its count, and
    the states after tokens. The grammar's lock is held by the caller."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._costs = TextCosts(vocabulary)
        self._counts: dict[int, int] = {}
        self._ceilings: dict[int, int] = {}
        """State -> so many tokens suffice after whichever token comes next."""

    @abstractmethod
    def symbol_length(self, index: int) -> int:
        """Return the symbols of the completion of a state."""

    @abstractmethod
    def count_tokens(self, index: int) -> int:
        """Work out the tokens that complete the document from a state."""

    @abstractmethod
    def states_after(self, index: int, tokens: Tokens) -> tuple[list[int], Tokens]:
        """Return states after some allowed tokens, and for each token which of them has its own's count."""

    def clear_counts(self) -> None:
        """Forget all counts."""
        self._costs.clear_states()
        self._counts.clear()
        self._ceilings.clear()

    def tokens(self, index: int, enough: int = 0) -> int:
        """Return the tokens that complete the document from a state: 0 where it is complete. Where they are
        no more than `enough`, a bound may do."""
        known_count = self._counts.get(index)
        if known_count is None:
            # All are forgotten at once: which of them come again is not known.
            if len(self._counts) > REMEMBERED or self._costs.is_full:
                self.clear_counts()
            # No text needs more tokens than it has bytes. The length is not the exact count, and is not kept.
            if enough > 0 and (length := self.symbol_length(index)) <= enough:
                return length
            known_count = self._counts[index] = self.count_tokens(index)
        return known_count

    def sufficient(self, index: int) -> int | None:
        """Return how many tokens are known to suffice, and one less after whichever token comes next."""
        ceiling = self._ceilings.get(index)
        if ceiling is None:
            return None
        # one token, and what is needed after it; or what the shortest completion of this state needs
        return 1 + max(ceiling, self.tokens(index))

    def too_long(self, index: int, tokens: Tokens, budget: int) -> Tokens:
        """Return those of a state's allowed tokens (no end tokens) after which more than `budget` are needed.

        Cost: `states_after`, and `tokens` of those states whose completions are longer.
        """
        # Many tokens lead to states with equal counts, so each state is counted once.
        states, state_positions = self.states_after(index, tokens)
        counts = np.fromiter((self.tokens(state, budget) for state in states), np.int64, len(states))
        self._ceilings[index] = int(counts.max(initial=0))
        return tokens[counts[state_positions] > budget]
