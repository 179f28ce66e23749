"""Speculative decoding under a grammar: drafts of the next tokens, which the model verifies in one pass.

What comes in: the text so far, the matcher. What goes out: a draft tree, reduced to the nodes that are worth
a row of the forward pass.

1. `drafts` has the values: `draft.Draft` (a flat tree of tokens), and the `Drafter` protocol.
2. `drafters`: forced bytes and small choices of the grammar; texts that are known (prompt and answer, the
   caller's text, earlier answers); a small model.
3. `planning` joins the drafters of one text, learns their acceptance rates and the cost of a pass, and
   decides whether to draft at all.
4. `speculation_options.Speculation` has the options of a request.

The engine verifies drafts. This package needs numpy and matchers, not torch (docs/speculation.md).

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
