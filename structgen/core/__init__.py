"""What everyone holds: a compiled grammar, its states, and the matcher.

What comes in: a compiled grammar (any machine), tokens. What goes out: masks, next states, events.

1. `compiled.CompiledGrammar` is the interface of every machine. Its states are frozen values.
2. `matcher.Matcher` is a cursor over states: fill_mask, advance, rollback, fork.
3. `batch` fills masks of many matchers in one call; `draft_masks` those of draft trees. One row's failure
   never stops the others.
4. `narrowed_text` is a compiled grammar around another one, with narrower masks; `forced_text` is one:
   canonical tokens, healed prompts. Another is bench/methods/monitored_text.py.
5. `dfa` writes all states out over token classes.

Public: `State`, `TokenMask`; `RowStatus`, `fill_masks`, `advance_all` of batches; `fill_draft`,
`fill_drafts` of draft trees; `Event`, `EventKind`, `Expected`; `Dfa`; `NarrowedText`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.core.batch import RowStatus as RowStatus
    from structgen.core.batch import advance_all as advance_all
    from structgen.core.batch import fill_masks as fill_masks
    from structgen.core.compiled import State as State
    from structgen.core.dfa import Dfa as Dfa
    from structgen.core.draft_masks import fill_draft as fill_draft
    from structgen.core.draft_masks import fill_drafts as fill_drafts
    from structgen.core.narrowed_text import NarrowedText as NarrowedText
    from structgen.json_text.events import Event as Event
    from structgen.json_text.events import EventKind as EventKind
    from structgen.language.expectation import Expected as Expected
    from structgen.tokens.token_mask import TokenMask as TokenMask

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.core.batch": "RowStatus advance_all fill_masks",
        "structgen.core.compiled": "State",
        "structgen.core.dfa": "Dfa",
        "structgen.core.draft_masks": "fill_draft fill_drafts",
        "structgen.core.narrowed_text": "NarrowedText",
        "structgen.json_text.events": "Event EventKind",
        "structgen.language.expectation": "Expected",
        "structgen.tokens.token_mask": "TokenMask",
    },
)
