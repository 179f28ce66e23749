"""A memo of each compiled grammar for drafts: the same states come again in each document.

It lives as long as the compiled grammar, and all requests share it. A draft depends on the state only, so a
second record of a list, or a second request, costs a lookup.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from structgen.core.compiled import CompiledGrammar, State
from structgen.speculation.drafts.draft import Draft

MOST_DRAFTS: Final = 1024
"""The most drafts of one kind for one grammar, about 1 KB each."""
MOST_STEPS: Final = 1 << 14
"""The most transitions by a token or a byte for one grammar, about 120 bytes each."""
MOST_BYTES: Final = 1 << 12
"""The most states whose next bytes are kept for one grammar, about 150 bytes each."""


class GrammarMemo:
    """Transitions and drafts of one compiled grammar, at most about 7 MB. A full table is cleared.
    Thread-safe."""

    __slots__ = ("__weakref__", "_byte_steps", "_bytes", "_drafts", "_ends", "has_open_space", "steps")

    def __init__(self) -> None:
        self.steps: dict[int, int] = {}
        """The state after a token: the key is 2^32 times the state, plus the token."""
        self.has_open_space = False
        """Whether some state allows both white space and something else."""
        self._bytes: dict[int, bytes] = {}
        self._byte_steps: dict[int, int] = {}
        self._ends: dict[int, bool] = {}
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

    def next_bytes(self, compiled: CompiledGrammar, state: int) -> bytes:
        """Return the bytes that may come next. Cost: 0.2 us, the first time about 10 us."""
        found = self._bytes.get(state)
        if found is None:
            found = compiled.next_bytes(State(compiled, state))
            if len(self._bytes) >= MOST_BYTES:
                self._bytes.clear()
            self._bytes[state] = found
        return found

    def byte_after(self, compiled: CompiledGrammar, state: int, byte: int) -> int:
        """Return the state after a byte, or -1. Cost: 0.2 us, the first time about 10 us."""
        key = (state << 8) + byte
        found = self._byte_steps.get(key)
        if found is None:
            found = compiled.bytes_index(state, bytes((byte,)))
            if len(self._byte_steps) >= MOST_STEPS:
                self._byte_steps.clear()
            self._byte_steps[key] = found
        return found

    def may_end(self, compiled: CompiledGrammar, state: int) -> bool:
        """Return whether the text may end. Cost: 0.2 us, the first time about 2 us."""
        found = self._ends.get(state)
        if found is None:
            if len(self._ends) >= MOST_STEPS:
                self._ends.clear()
            found = self._ends[state] = compiled.may_end(state)
        return found


_memos: WeakKeyDictionary[CompiledGrammar, GrammarMemo] = WeakKeyDictionary()


def memo_of(compiled: CompiledGrammar) -> GrammarMemo:
    """Return the memo of a compiled grammar. Cost: 0.4 us."""
    found = _memos.get(compiled)
    return _memos.setdefault(compiled, GrammarMemo()) if found is None else found
