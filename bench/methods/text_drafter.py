"""What the drafters here have in common: the tokens of a text."""

from __future__ import annotations

from collections.abc import Sequence

from structgen.decoding.speculation.drafts.draft import NO_DRAFT
from structgen.speculation import Draft, DraftContext, RequestFacts


class TextDrafter:
    """A drafter that keeps all tokens of prompt and text; it proposes nothing yet."""

    name = "text"

    def begin(self, facts: RequestFacts) -> None:
        """Note the prompt."""
        self.facts = facts
        self.text: list[int] = list(facts.prompt)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Propose nothing."""
        return NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take the tokens of the text."""
        self.text += taken

    def end(self) -> None:
        """Release the text."""
        self.text = []
