"""What is remembered of a compiled grammar for drafts: the same states come again in each document.

It lives as long as the compiled grammar, and all requests share it. A draft depends on the state alone, so
that the second record of a list, or the second request, costs a lookup.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from structgen.compiled import CompiledGrammar
from structgen.speculation.draft import Draft

MOST_DRAFTS: Final = 1024
"""Drafts that are kept of one kind for one grammar: some 1 KB each."""
MOST_STEPS: Final = 1 << 14
"""Steps from a state by a token that are kept for one grammar: some 120 bytes each."""


class GrammarMemo:
    """Steps and drafts of one compiled grammar, at most some 5 MB. Where one of the tables is full it is
    emptied. Any number of threads may use it."""

    __slots__ = ("__weakref__", "_drafts", "steps")

    def __init__(self) -> None:
        self.steps: dict[int, int] = {}
        """The state after a token: the key is 2^32 times the state, plus the token."""
        self._drafts: dict[object, dict[object, Draft]] = {}

    def drafts(self, kind: object) -> dict[object, Draft]:
        """Return the drafts of one kind of drafter."""
        found = self._drafts.get(kind)
        return self._drafts.setdefault(kind, {}) if found is None else found

    def keep_draft(self, kind: object, key: object, draft: Draft) -> Draft:
        """Keep a draft, and return it."""
        drafts = self.drafts(kind)
        if len(drafts) >= MOST_DRAFTS:
            drafts.clear()
        drafts[key] = draft
        return draft

    def keep_step(self, key: int, state: int) -> None:
        """Keep the state after a token."""
        if len(self.steps) >= MOST_STEPS:
            self.steps.clear()
        self.steps[key] = state


_memos: WeakKeyDictionary[CompiledGrammar, GrammarMemo] = WeakKeyDictionary()


def memo_of(compiled: CompiledGrammar) -> GrammarMemo:
    """Return what is remembered of a compiled grammar. Cost: 0.4 us."""
    found = _memos.get(compiled)
    return _memos.setdefault(compiled, GrammarMemo()) if found is None else found
