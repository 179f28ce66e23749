r"""Grammars in which a lexer that is nearly lark's goes wrong, held to lark over all short texts.

For each: lark's verdict is ours on every text of its alphabet up to a length; a prefix is live exactly where
lark accepts a text that begins so, proved by the completion, which lark reads.
"""

from __future__ import annotations

import pytest
from lark_reference import build, differences, language
from lark_traps import TRAPS


@pytest.mark.parametrize("name", TRAPS)
def test_lark_decides_and_so_do_we(name: str) -> None:
    trap = TRAPS[name]
    reference = build(trap.grammar)
    found = differences(reference, language(trap.grammar), trap.alphabet, trap.longest)
    assert not found, found[:5]
