"""What is handed to a `Matcher` by mistake is refused with the cure, and the matcher can be used on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import structgen as sg

BYTES = sg.Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [None], eos_token_id=256)
ARRAY = sg.json_schema({"type": "array", "items": {"type": "boolean"}})


@pytest.fixture(scope="module")
def compiled() -> sg.CompiledGrammar:
    return sg.compile(ARRAY, BYTES)


@pytest.mark.parametrize("wrong", [ARRAY, None, {"type": "array"}])
def test_a_matcher_of_a_grammar_that_is_not_compiled_says_how_to_compile_it(wrong: Any) -> None:
    with pytest.raises(
        sg.errors.OptionError, match=r"Write sg\.Matcher\(sg\.compile\(grammar, tokenizer\)\)\.$"
    ):
        sg.Matcher(wrong)


@pytest.mark.parametrize(
    "use",
    [
        lambda matcher: matcher.advance("["),
        lambda matcher: matcher.advance(None),
        lambda matcher: matcher.advance(float(ord("["))),
        lambda matcher: matcher.accepts("["),
        lambda matcher: matcher.accepts(5),
        lambda matcher: matcher.rollback("1"),
        lambda matcher: matcher.events("1"),
        lambda matcher: matcher.fill_mask(sg.allocate_mask(1, 257), "1"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_and_changes_nothing(
    compiled: sg.CompiledGrammar, use: Callable[[sg.Matcher], object]
) -> None:
    matcher = sg.Matcher(compiled)
    with pytest.raises(sg.StructgenError, match=r"\.$"):
        use(matcher)
    assert matcher.tokens == ()
    matcher.advance(ord("["))
    assert matcher.forced() == b"" and matcher.tokens == (ord("["),)


def test_a_token_of_numpy_is_a_token(compiled: sg.CompiledGrammar) -> None:
    matcher = sg.Matcher(compiled)
    matcher.advance(np.int64(ord("[")))
    assert matcher.accepts(np.array([ord("]"), ord("]")])) == 1
