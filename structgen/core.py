"""States of compiled grammars, masks of batches and of draft trees, events, explicit automata: `sg.core`.

Public: `State`, `TokenMask`; `RowStatus`, `fill_masks`, `advance_all` of batches; `fill_draft`,
`fill_drafts` of draft trees; `Event`, `EventKind`, `Expected`; `Dfa`; `NarrowedText`; `GrammarAddresses` for
C code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.base.json_text.events import Event as Event
    from structgen.base.json_text.events import EventKind as EventKind
    from structgen.base.language.expectation import Expected as Expected
    from structgen.machines.core.batch import RowStatus as RowStatus
    from structgen.machines.core.batch import advance_all as advance_all
    from structgen.machines.core.batch import fill_masks as fill_masks
    from structgen.machines.core.compiled import State as State
    from structgen.machines.core.dfa import Dfa as Dfa
    from structgen.machines.core.draft_masks import fill_draft as fill_draft
    from structgen.machines.core.draft_masks import fill_drafts as fill_drafts
    from structgen.machines.core.grammar_addresses import GrammarAddresses as GrammarAddresses
    from structgen.machines.core.narrowed_text import NarrowedText as NarrowedText
    from structgen.tokens.token_mask import TokenMask as TokenMask

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.machines.core.batch": "RowStatus advance_all fill_masks",
        "structgen.machines.core.compiled": "State",
        "structgen.machines.core.dfa": "Dfa",
        "structgen.machines.core.draft_masks": "fill_draft fill_drafts",
        "structgen.machines.core.grammar_addresses": "GrammarAddresses",
        "structgen.machines.core.narrowed_text": "NarrowedText",
        "structgen.base.json_text.events": "Event EventKind",
        "structgen.base.language.expectation": "Expected",
        "structgen.tokens.token_mask": "TokenMask",
    },
)
__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
