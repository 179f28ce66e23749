"""A memo of each compiled grammar for drafts: the same states come again in each document.

It lives as long as the compiled grammar, and all requests share it. A draft depends on the state only, so a
second record of a list, or a second request, costs a lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from structgen.machines.core.compiled import CompiledGrammar, State

MOST_KNOWN: Final = 1 << 14
"""The most facts about one grammar: mostly steps by a token or a byte, of some 150 bytes each, and drafts of
about 1 KB."""
_UNKNOWN: Final = object()

T = TypeVar("T")


class GrammarMemo:
    """What drafters know of one compiled grammar, some 4 MB at most. A full memo is cleared. Thread-safe."""

    __slots__ = ("__weakref__", "has_open_space", "known")

    def __init__(self) -> None:
        self.known: dict[Hashable, Any] = {}
        """Steps, next bytes and drafts. The key of the state after a token is 2^32 times the state, plus the
        token."""
        self.has_open_space = False
        """Whether a state was met that allows both white space and something else."""

    def of(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return what is known under a key; the first time, what `ask` returns. Cost: 0.2 us."""
        fact: Any = self.known.get(key, _UNKNOWN)
        if fact is _UNKNOWN:
            fact = ask()
            if len(self.known) >= MOST_KNOWN:
                self.known.clear()
            self.known[key] = fact
        known: T = fact
        return known

    def next_bytes(self, compiled: CompiledGrammar, state: int) -> bytes:
        """Return the bytes that may come next. Cost: the first time about 10 us."""
        return self.of(("bytes", state), lambda: compiled.next_bytes(State(compiled, state)))

    def byte_after(self, compiled: CompiledGrammar, state: int, byte: int) -> int:
        """Return the state after a byte, or -1. Cost: the first time about 10 us."""
        return self.of(("byte", state, byte), lambda: compiled.bytes_index(state, bytes((byte,))))

    def may_end(self, compiled: CompiledGrammar, state: int) -> bool:
        """Return whether the text may end. Cost: the first time about 2 us."""
        return self.of(("end", state), lambda: compiled.may_end(state))


_memos: WeakKeyDictionary[CompiledGrammar, GrammarMemo] = WeakKeyDictionary()


def memo_of(compiled: CompiledGrammar) -> GrammarMemo:
    """Return the memo of a compiled grammar. Cost: 0.4 us."""
    memo = _memos.get(compiled)
    return _memos.setdefault(compiled, GrammarMemo()) if memo is None else memo
