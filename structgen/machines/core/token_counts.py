"""`TokenCounts` remembers how many tokens complete a document from each state of a compiled grammar.

- The *completion* of a state is the shortest text that completes the document from there.
- The *count* of a state is the number of tokens that write its completion; 0: the document is complete.
- The *ceiling* of a state is a number of tokens that suffices after whichever token comes next.
- A *budget* is the number of tokens that may still be written.

For example, after `{"a": 1` the completion is `}`, and the count is 1.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from structgen.machines.core.compiled import REMEMBERED, Completions, Tokens
from structgen.machines.machine_core.text_costs import TextCosts
from structgen.tokens.vocabulary import Vocabulary


class TokenCounts(Completions):
    """Answers the questions of budgets. The caller holds the grammar's lock.

    Each kind of grammar defines the length of a state's completion, its count, and the states after tokens.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._costs = TextCosts(vocabulary)
        self._counts: dict[int, int] = {}
        """The number of a state -> its count."""
        self._ceilings: dict[int, int] = {}
        """The number of a state -> its ceiling."""

    @abstractmethod
    def symbol_length(self, index: int) -> int:
        """Return the length of a state's completion, in symbols: at least its count of tokens."""

    @abstractmethod
    def count_tokens(self, index: int) -> int:
        """Work out the count of a state: how many tokens complete the document."""

    @abstractmethod
    def states_after(self, index: int, tokens: Tokens) -> tuple[list[int], Tokens]:
        """Return states after some allowed tokens, and for each token the position of a state among them.

        The state at that position has the same count as the state after the token.
        """

    def clear_counts(self) -> None:
        """Forget all counts."""
        self._costs.clear_states()
        self._counts.clear()
        self._ceilings.clear()

    def tokens(self, index: int, enough: int = 0) -> int:
        """Return the count of a state: how many tokens complete the document; 0: it is complete.

        `enough`: where the count is at most this number, a larger number up to `enough` may be returned.
        """
        known_count = self._counts.get(index)
        if known_count is None:
            # All counts are forgotten at once: it is not known which of them will be asked for again.
            if len(self._counts) > REMEMBERED or self._costs.is_full:
                self.clear_counts()
            # No text needs more tokens than it has bytes. The length is not the exact count, and is not kept.
            if enough > 0 and (length := self.symbol_length(index)) <= enough:
                return length
            known_count = self._counts[index] = self.count_tokens(index)
        return known_count

    def sufficient(self, index: int) -> int | None:
        """Return a number of tokens that suffices from a state; None: its ceiling is not known.

        After whichever token comes next, one token less suffices.
        """
        ceiling = self._ceilings.get(index)
        if ceiling is None:
            return None
        # one token, and what is needed after it; or what the shortest completion of this state needs
        return 1 + max(ceiling, self.tokens(index))

    def too_long(self, index: int, tokens: Tokens, budget: int) -> Tokens:
        """Return those of a state's allowed tokens after which more than `budget` tokens are needed.

        `tokens`: without end tokens. Cost: `states_after`, and the counts of the states whose completions are
        longer than the budget.
        """
        # Many tokens lead to states with equal counts, so each state is counted once.
        states, state_positions = self.states_after(index, tokens)
        counts = np.fromiter((self.tokens(state, budget) for state in states), np.int64, len(states))
        self._ceilings[index] = int(counts.max(initial=0))
        return tokens[counts[state_positions] > budget]
