"""Drafts from text that the prompt or the answer already contains: records, keys, names, quotations.

SuffixDecoding (Oliaro et al. 2024): find the longest suffix that occurred before, and draft a tree of what
followed it, by frequency. Prompt lookup (Saxena 2023) and CopySpec (Dumitru et al. 2025) are settings of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from structgen.errors import OptionError
from structgen.speculation.drafters.suffix_automaton import Pick, SuffixAutomaton
from structgen.speculation.drafters.suffix_tables import EARLIER, FIRST
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import Facts, View

_RANKS: Final = (2, 3, 4, 6, 9)
"""Suffix lengths that separate the ranks."""
_FIRST_TRUSTS: Final = (0.63, 0.73, 0.8, 0.82, 0.85, 0.92)
"""The initial acceptance rate of each rank, measured on answers of MaskBench after their schemas."""

_SUFFIXES: Final = 2
"""How many suffixes are followed: the longest that occurred before, and the longest that occurred more
often."""
_SHORTER: Final = 0.5
"""The weight of continuations of a shorter suffix, besides their acceptance rate."""


class SuffixIndex:
    """Drafts the tokens that followed an earlier occurrence of the longest suffix of prompt and answer.

    `longest` and `shortest` bound that suffix; `branches` bounds the children of a node. `pick`: "frequent"
    grows a tree by counts; "latest" and "first" copy from one position. `most_tokens` bounds the memory (300
    bytes a token): of a longer text the last half is indexed again.
    """

    cuts_itself = True
    rank = 0
    first_trust = 0.75

    def __init__(
        self,
        longest: int = 64,
        shortest: int = 1,
        branches: int = 4,
        pick: Pick = "frequent",
        most_tokens: int = 1 << 14,
        name: str = "suffix",
    ) -> None:
        if not 1 <= shortest <= longest or branches < 1 or most_tokens < 2:
            raise OptionError(
                f"longest={longest}, shortest={shortest}, branches={branches}, most_tokens={most_tokens}.",
                where="SuffixIndex",
                cure="Give 1 <= shortest <= longest, at least 1 branch and at least 2 tokens.",
            )
        if pick not in ("frequent", "latest", "first"):
            raise OptionError(
                f"pick is {pick!r}.", where="SuffixIndex", cure='Give "frequent", "latest" or "first".'
            )
        self.name = name
        self._longest, self._shortest, self._branches = longest, shortest, branches
        self._pick, self._most = pick, most_tokens
        self.index = SuffixAutomaton()
        self._waiting: list[int] = []
        """Observed tokens that are not indexed yet."""

    @classmethod
    def prompt_lookup(cls, longest: int = 3) -> SuffixIndex:
        """Return prompt lookup: copy from the first occurrence of the last three tokens, or of fewer."""
        return cls(longest, 1, 1, "first", name="prompt lookup")

    @classmethod
    def copy_spec(cls, length: int = 5) -> SuffixIndex:
        """Return CopySpec: copy from the latest occurrence of exactly the last `length` tokens."""
        return cls(length, length, 1, "latest", name="copy")

    def begin(self, facts: Facts) -> None:
        """Store the prompt. It is indexed for the first draft: 0.3 us a token."""
        self._waiting = list(facts.prompt[-self._most :])
        self.index = SuffixAutomaton()

    def propose(self, view: View, most: int) -> Draft:
        """Return what followed the longest suffix that occurred before."""
        if self._waiting:
            self._take_up()
        state, length = self.index.repeated(self._longest)
        if length < self._shortest or most < 1:
            return NO_DRAFT
        self._rank(length)
        if self._pick == "frequent":
            return self._likeliest(state, view, most)
        first = int(self.index.column(FIRST)[state])
        place = first if self._pick == "first" else int(self.index.column(EARLIER)[state])
        # the position is unknown only in a text that repeats itself hundreds of times
        return self.index.copy_from(place if place >= 0 else first, view, most)

    def propose_behind(self, view: View, path: Sequence[int], most: int) -> Draft:
        """Return what followed the longest suffix of text and path that occurred before."""
        if self._pick != "frequent" or most < 1:
            return NO_DRAFT
        state, length = self.index.follow(*self.index.repeated(self._longest), path)
        if length < self._shortest:
            return NO_DRAFT
        self._rank(length)
        return self._likeliest(state, view, most)

    def _rank(self, length: int) -> None:
        self.rank = bisect_right(_RANKS, length)
        self.first_trust = _FIRST_TRUSTS[self.rank]

    def _likeliest(self, state: int, view: View, most: int) -> Draft:
        """Return a tree by counts of what followed a suffix, and shorter ones."""
        weighted = [(state, 1.0)]
        while len(weighted) < _SUFFIXES:
            state, length = self.index.shorter(state)
            if length < self._shortest:
                break
            trust = _FIRST_TRUSTS[bisect_right(_RANKS, length)]
            weighted.append((state, _SHORTER * trust / self.first_trust))
        return self.index.draft_of(weighted, view, most, self._branches)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Store the tokens. They are indexed for the next draft, so that a text without drafts costs
        nothing."""
        self._waiting += taken
        if len(self._waiting) > self._most:
            self._waiting = self._waiting[-self._most :]

    def _take_up(self) -> None:
        """Index the observed tokens."""
        waiting, self._waiting = self._waiting, []
        if len(self.index) + len(waiting) > self._most:
            kept = max(self._most // 2, 1)
            begun = self.index.text[-max(kept - len(waiting), 0) :].tolist() if kept > len(waiting) else []
            self.index = SuffixAutomaton([*begun, *waiting[-self._most :]])
        else:
            self.index.extend(waiting)

    def end(self) -> None:
        """Release the index."""
        self._waiting = []
        self.index = SuffixAutomaton()
