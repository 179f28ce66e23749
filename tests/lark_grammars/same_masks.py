"""Masks of one compiled grammar, held to those of another along a text."""

from __future__ import annotations

from collections.abc import Iterable

import structgen as sg
from structgen.lark_grammars.lark_grammar import LarkGrammar


def bare(grammar: sg.Grammar) -> LarkGrammar:
    """Return a Lark grammar of which nothing is known ahead: its places are proved one by one."""
    assert isinstance(grammar, LarkGrammar)
    assert grammar.ahead is not None
    grammar._found = grammar._found._replace(ahead=None)
    return grammar


def hold(
    one: sg.CompiledGrammar, other: sg.CompiledGrammar, tokens: Iterable[int]
) -> tuple[sg.State, sg.State]:
    """Assert that two grammars allow the same before each token, and that both take it. Returns their states
    behind the last."""
    here, there = one.start, other.start
    for token in tokens:
        assert other.allowed(there) == one.allowed(here)
        after, followed = one.step(here, token), other.step(there, token)
        assert after is not None and followed is not None
        here, there = after, followed
    return here, there
