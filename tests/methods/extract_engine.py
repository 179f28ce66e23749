"""What the tests of drafters share: an engine whose further rows are free, and a place in a text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
import speculation_texts

import structgen as sg
from structgen.speculation import DraftContext, RequestFacts


@cache
def engine() -> sg.Engine:
    pytest.importorskip("torch")
    return speculation_texts.free_rows(sg.Engine("structgen/extract"))


def facts(prompt: Sequence[int], tenant: str = "") -> RequestFacts:
    return RequestFacts(prompt, engine().tokenizer, tenant=tenant)


def under(compiled: sg.CompiledGrammar, tokens: Sequence[int]) -> DraftContext:
    """Return the place behind tokens of a text."""
    matcher = sg.Matcher(compiled)
    for token in tokens:
        matcher.advance(token)
    return DraftContext(tokens, matcher, 60, frozenset(engine().tokenizer.eos_token_ids))
