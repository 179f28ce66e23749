"""Drafts from text that the prompt or the answer already contains: records, keys, names, quotations.

SuffixDecoding (Oliaro et al. 2024): find the longest suffix that occurred before, and draft a tree of what
followed it, by frequency. Prompt lookup (Saxena 2023) and CopySpec (Dumitru et al. 2025) are settings of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, Literal

from structgen.errors import OptionError
from structgen.speculation.drafters.earlier_places import EarlierPlaces, Place
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import Facts, View, allowed_part
from structgen.speculation.drafts.planner import fuse

Pick = Literal["frequent", "latest", "first"]

_RANKS: Final = (2, 3, 4, 6, 9)
"""Suffix lengths that separate the ranks."""
_FIRST_TRUSTS: Final = (0.63, 0.73, 0.8, 0.82, 0.85, 0.92)
"""The initial acceptance rate of each rank, measured on answers of MaskBench after their schemas."""

_SHORTER: Final = 0.5
"""The weight of continuations of a shorter suffix, besides their acceptance rate."""


class SuffixIndex:
    """Drafts the tokens that followed an earlier occurrence of the longest suffix of prompt and answer.

    `longest` and `shortest` bound that suffix; `branches` bounds the children of a node. `pick`: "frequent"
    grows a tree by counts; "latest" and "first" copy from one position. `most_tokens` bounds the memory (400
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
        self.index = EarlierPlaces()
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
        """Store the prompt. It is indexed for the first draft: 1 us a token."""
        self._waiting = list(facts.prompt[-self._most :])
        self.index = EarlierPlaces()

    def propose(self, view: View, most: int) -> Draft:
        """Return what followed the longest suffix that occurred before."""
        if self._waiting:
            self._take_up()
        places = self._alike(self.index.text)
        if not places or most < 1:
            return NO_DRAFT
        if self._pick == "frequent":
            return self._likeliest(places, view, most)
        same = [place for length, place in places if length == places[0][0]]
        return self.index.copy_from(same[0] if self._pick == "first" else same[-1], view, most)

    def propose_behind(self, view: View, path: Sequence[int], most: int) -> Draft:
        """Return what followed the longest suffix of text and path that occurred before."""
        if self._pick != "frequent" or most < 1:
            return NO_DRAFT
        places = self._alike([*self.index.text[-self._longest :], *path])
        return self._likeliest(places, view, most) if places else NO_DRAFT

    def _alike(self, before: Sequence[int]) -> list[Place]:
        """Return the places whose common suffix is long enough; take the rank of the longest."""
        alike = self.index.alike(before, self._longest)
        found = [place for place in alike if place[0] >= self._shortest]
        if found:
            self.rank = bisect_right(_RANKS, found[0][0])
            self.first_trust = _FIRST_TRUSTS[self.rank]
        return found

    def _likeliest(self, places: Sequence[Place], view: View, most: int) -> Draft:
        """Return a tree by counts of what followed the longest suffix, and the next shorter one that occurred
        more often."""
        longest = places[0][0]
        shorter = next((length for length, _ in places if length < longest), 0)
        grown = self.index.draft(
            (place for length, place in places if length == longest), view, most, self._branches
        )
        if not shorter:
            return grown
        others = self.index.draft(
            (place for length, place in places if length >= shorter), view, most, self._branches
        )
        trust = _FIRST_TRUSTS[bisect_right(_RANKS, shorter)]
        fused = fuse([grown, others], [1.0, _SHORTER * trust / self.first_trust])
        return allowed_part(fused, view, most, self._branches)

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
            begun = self.index.text[-max(kept - len(waiting), 0) :] if kept > len(waiting) else []
            self.index = EarlierPlaces([*begun, *waiting[-self._most :]])
        else:
            self.index.extend(waiting)

    def end(self) -> None:
        """Release the index."""
        self._waiting = []
        self.index = EarlierPlaces()
