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

    __slots__ = ("__weakref__", "facts", "has_open_space")

    def __init__(self) -> None:
        self.facts: dict[Hashable, Any] = {}
        """Steps, next bytes and drafts. The key of the state after a token is 2^32 times the state, plus the
        token."""
        self.has_open_space = False
        """Whether a state was met that allows both white space and something else."""

    def fact_of(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return what is known under a key; the first time, what `ask` returns. Cost: 0.2 us."""
        fact: Any = self.facts.get(key, _UNKNOWN)
        if fact is _UNKNOWN:
            # Without a lock: two threads may both ask, and get the same answer.
            fact = ask()
            if len(self.facts) >= MOST_KNOWN:
                self.facts.clear()
            self.facts[key] = fact
        typed_fact: T = fact
        return typed_fact

    def next_bytes(self, compiled_grammar: CompiledGrammar, state: int) -> bytes:
        """Return the bytes that may come next. Cost: the first time about 10 us."""
        key = ("bytes", state)
        return self.fact_of(key, lambda: compiled_grammar.next_bytes(State(compiled_grammar, state)))

    def byte_after(self, compiled_grammar: CompiledGrammar, state: int, byte: int) -> int:
        """Return the state after a byte, or -1. Cost: the first time about 10 us."""
        key = ("byte", state, byte)
        return self.fact_of(key, lambda: compiled_grammar.bytes_index(state, bytes((byte,))))

    def may_end(self, compiled_grammar: CompiledGrammar, state: int) -> bool:
        """Return whether the text may end. Cost: the first time about 2 us."""
        return self.fact_of(("end", state), lambda: compiled_grammar.may_end(state))


_memos: WeakKeyDictionary[CompiledGrammar, GrammarMemo] = WeakKeyDictionary()


def memo_of(compiled_grammar: CompiledGrammar) -> GrammarMemo:
    """Return the memo of a compiled grammar. Cost: 0.4 us."""
    memo = _memos.get(compiled_grammar)
    if memo is None:
        # `setdefault`: where two threads make one at once, both get the first.
        return _memos.setdefault(compiled_grammar, GrammarMemo())
    return memo
