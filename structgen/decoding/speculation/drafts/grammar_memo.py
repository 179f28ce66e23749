"""A memo of each compiled grammar for drafts, because the same states come again in each document.

A *state* is the number of a position of the grammar. A *fact* is what the grammar answers about a state: the
next state, the next bytes, a draft. The memo lives as long as the compiled grammar, and all requests share
it. A draft depends on the state only, so a second item of a list, or a second request, costs a look-up.
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
    """The facts that drafters know about one compiled grammar, some 4 MB at most. A full memo is cleared.
    Thread-safe."""

    __slots__ = ("__weakref__", "facts", "has_open_space")

    def __init__(self) -> None:
        self.facts: dict[Hashable, Any] = {}
        """Next states, next bytes and drafts, by key. The key of the state after a token is 2^32 times the
        state before, plus the token."""
        self.has_open_space = False
        """Whether some state was found that allows both white space and something else."""

    def fact_of(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return the fact of a key. The first time, call `ask` for it. Cost: 0.2 us, and that of `ask`."""
        fact: Any = self.facts.get(key, _UNKNOWN)
        if fact is _UNKNOWN:
            # No lock is needed: if two threads both ask, they get the same answer.
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
        # `setdefault`: if two threads make a memo at the same time, both get the first one.
        return _memos.setdefault(compiled_grammar, GrammarMemo())
    return memo
