"""Drafters of your own for speculative decoding (docs/speculation.md): `sg.speculation`.

Public, for drafters of your own: `Drafter`, `Draft`, `RequestFacts`, `DraftContext`, `VerifiedDraft`;
`AnswerHistory` keeps answers for later requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.decoding.speculation.drafters.answer_history import AnswerHistory as AnswerHistory
    from structgen.decoding.speculation.drafts.draft import Draft as Draft
    from structgen.decoding.speculation.drafts.drafter import DraftContext as DraftContext
    from structgen.decoding.speculation.drafts.drafter import Drafter as Drafter
    from structgen.decoding.speculation.drafts.drafter import RequestFacts as RequestFacts
    from structgen.decoding.speculation.drafts.drafter import VerifiedDraft as VerifiedDraft

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.decoding.speculation.drafters.answer_history": "AnswerHistory",
        "structgen.decoding.speculation.drafts.draft": "Draft",
        "structgen.decoding.speculation.drafts.drafter": "DraftContext Drafter RequestFacts VerifiedDraft",
    },
)
__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
