r"""Grammars in which a lexer that is nearly lark's goes wrong, held to lark over all short texts.

For each: lark's verdict is ours on every text of its alphabet up to a length; a prefix is live exactly where
lark accepts a text that begins so, proved by the completion, which lark reads.
"""

from __future__ import annotations

import pytest
from lark_pages import hold_pages
from lark_reference import build, differences, language
from lark_traps import TRAPS

import structgen as sg


@pytest.mark.parametrize("name", TRAPS)
def test_lark_decides_and_so_do_we(name: str) -> None:
    trap = TRAPS[name]
    reference = build(trap.grammar)
    found = differences(reference, language(trap.grammar), trap.alphabet, trap.longest)
    assert not found, found[:5]


@pytest.mark.parametrize("name", TRAPS)
def test_what_is_known_of_the_lexer_ahead_is_what_it_does(name: str) -> None:
    grammar = sg.lark(TRAPS[name].grammar)
    if grammar.ahead is None:
        assert not grammar.is_local
    else:
        hold_pages(grammar.tables, grammar.ahead.grammar_tables)
