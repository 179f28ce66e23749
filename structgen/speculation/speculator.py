"""`Speculator`: the drafts of all texts of a batch for the next pass, worth what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from structgen.speculation.draft import NO_DRAFT, Draft
from structgen.speculation.drafter import View
from structgen.speculation.drafting import Drafting
from structgen.speculation.planner import plan

_ROWS: Final = 256
"""Rows of the largest pass whose cost is known."""


class Speculator:
    """Belongs to one engine: what a pass costs is learnt from all of its texts.

    For each pass: `propose`; the pass runs; `ran` with its rows and seconds. What texts have taken is told to
    each text's own `Drafting.observe`.
    """

    def __init__(self) -> None:
        self._costs = [1.0 + 0.1 * rows for rows in range(_ROWS)]

    def propose(
        self, draftings: Sequence[Drafting | None], views: Sequence[View | None], mosts: Sequence[int]
    ) -> list[Draft]:
        """Return a draft for each text, of at most `mosts[i]` nodes; none for a text without a `Drafting`."""
        trees = [
            NO_DRAFT if drafting is None or view is None else drafting.candidates(view, most)
            for drafting, view, most in zip(draftings, views, mosts, strict=True)
        ]
        return plan(trees, self._costs, sum(mosts))

    def ran(self, rows: int, seconds: float) -> None:
        """Learn what a pass of so many rows took."""
