"""llguidance's own answers: which texts a grammar in its dialect of Lark accepts."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import pytest


class _ByteTokens:
    """A vocabulary with a token for each byte, and an end token."""

    eos_token_id = 256
    bos_token_id = None
    tokens = (*(bytes([byte]) for byte in range(256)), b"<eos>")
    special_token_ids = (256,)

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@cache
def _tokenizer(llguidance: Any) -> Any:
    wrapper = importlib.import_module("llguidance._tokenizer").TokenizerWrapper
    return llguidance.LLTokenizer(wrapper(_ByteTokens()), n_vocab=257)


class Answers:
    """llguidance's answers about one grammar. Without llguidance the test is skipped."""

    def __init__(self, grammar: str) -> None:
        llguidance: Any = pytest.importorskip("llguidance")
        theirs = llguidance.LLMatcher.grammar_from_lark(grammar)
        self._start = llguidance.LLMatcher(_tokenizer(llguidance), theirs, log_level=0)
        assert not self._start.is_error(), self._start.get_error()

    def accepts(self, text: str) -> bool:
        """Return whether a text is one of the grammar's."""
        matcher = self._start.deep_copy()
        for byte in text.encode():
            # without more to come the matcher stops by itself
            if matcher.is_stopped() or not matcher.consume_token(byte):
                return False
        return bool(matcher.is_accepting() or matcher.is_stopped())
