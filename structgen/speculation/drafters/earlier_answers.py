"""Drafts from earlier answers to the same schema, which often repeat each other.

Opt-in: the caller makes an `AnswerHistory` and adds answers to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from structgen.errors import OptionError
from structgen.speculation.drafters.answer_history import START, AnswerHistory
from structgen.speculation.drafters.earlier_places import EarlierPlaces
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import Facts, View

_LONGEST: Final = 64
"""The longest suffix that is compared."""
_RANKS: Final = (4, 7, 11)
"""Suffix lengths that separate the ranks."""
_FIRST_TRUSTS: Final = (0.9, 0.93, 0.95, 0.97)
"""The initial acceptance rate of each rank, measured on answers of MaskBench after others to their
schemas."""


class EarlierAnswers:
    """Drafts the tokens that followed the longest suffix of this answer in the tenant's earlier answers.

    The suffix has at least `shortest` tokens, or is the whole answer so far.
    """

    name = "earlier"
    cuts_itself = True
    rank = 0
    first_trust = 0.9

    def __init__(self, history: AnswerHistory, shortest: int = 2, branches: int = 4) -> None:
        if shortest < 1 or branches < 1:
            raise OptionError(
                f"shortest={shortest}, branches={branches}.",
                where="EarlierAnswers",
                cure="Give numbers from 1 on.",
            )
        self._history, self._shortest, self._branches = history, shortest, branches
        self._index: EarlierPlaces | None = None
        self._answer: list[int] = []
        """START, and the last tokens of the answer."""
        self._taken = 0

    def begin(self, facts: Facts) -> None:
        """Look up the answers to the request's schema; a free text has none. Raises StructgenError if their
        file is refused."""
        self._index = self._history.index(facts.tenant, facts.schema) if facts.schema else None
        self._answer, self._taken = [START], 0

    def propose(self, view: View, most: int) -> Draft:
        """Return a tree of the tokens that followed the suffix, with shares by frequency."""
        return self._draft(self._answer, min(self._shortest, self._taken + 1), view, most)

    def propose_behind(self, view: View, path: Sequence[int], most: int) -> Draft:
        """Return the tokens that followed the longest suffix of answer and path."""
        return self._draft([*self._answer, *path], self._shortest, view, most)

    def _draft(self, before: Sequence[int], least: int, view: View, most: int) -> Draft:
        """Return what followed the longest suffix of a text in the earlier answers, of at least some
        tokens."""
        places = self._index.alike(before, _LONGEST) if self._index is not None else []
        if self._index is None or not places or places[0][0] < least:
            return NO_DRAFT
        length = places[0][0]
        self.rank = bisect_right(_RANKS, length)
        self.first_trust = _FIRST_TRUSTS[self.rank]
        return self._index.draft(
            (place for size, place in places if size == length), view, most, self._branches
        )

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take the tokens of the answer."""
        self._taken += len(taken)
        self._answer = [*self._answer, *taken][-_LONGEST:]

    def end(self) -> None:
        """Release the index."""
        self._index = None
