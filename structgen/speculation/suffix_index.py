"""Text that the prompt or the answer holds already: records, keys, names, quotations.

SuffixDecoding (Oliaro et al. 2024): the longest suffix that came before, and a tree of what came behind it,
by how often. Prompt lookup (Saxena 2023) and CopySpec (Dumitru et al. 2025) are settings of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from structgen.errors import OptionError
from structgen.speculation.draft import NO_DRAFT, Draft
from structgen.speculation.drafter import Facts, View
from structgen.speculation.suffix_automaton import Pick, SuffixAutomaton


class SuffixIndex:
    """Drafts what came behind the longest suffix of prompt and answer that stands in them earlier too.

    `longest` and `shortest` bound that suffix, `branches` says how many tokens may stand behind one node.
    `pick`: "frequent" grows a tree by counts; "latest" and "first" copy from one place. `most_tokens` bounds
    the memory (600 bytes a token): a text that is longer is indexed anew from its last half.
    """

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

    @classmethod
    def prompt_lookup(cls, longest: int = 3) -> SuffixIndex:
        """Return prompt lookup: the first place of the last three tokens, or of fewer."""
        return cls(longest, 1, 1, "first", name="prompt lookup")

    @classmethod
    def copy_spec(cls, length: int = 5) -> SuffixIndex:
        """Return CopySpec: the latest place of exactly the last `length` tokens."""
        return cls(length, length, 1, "latest", name="copy")

    def begin(self, facts: Facts) -> None:
        """Index the prompt. Cost: 3 us a token."""
        self.index = SuffixAutomaton(facts.prompt[-self._most :])

    def propose(self, view: View, most: int) -> Draft:
        """Return what came behind the longest suffix that came before."""
        state, length = self.index.repeated(self._longest)
        if length < self._shortest or most < 1:
            return NO_DRAFT
        if self._pick == "frequent":
            return self.index.draft(state, view, most, self._branches)
        place = self.index.firsts[state] if self._pick == "first" else self.index.earlier[state]
        # a place that is not known any more is one of a text that repeats itself hundreds of times
        return self.index.copy_from(place if place >= 0 else self.index.firsts[state], view, most)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Index the tokens."""
        for token in taken:
            if len(self.index.text) >= self._most:
                self.index = SuffixAutomaton(self.index.text[-(self._most // 2) :])
            self.index.extend(token)

    def end(self) -> None:
        """Let go of the index."""
        self.index = SuffixAutomaton()
