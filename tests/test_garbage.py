"""Garbage collection that is held back, and on again."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from for_each import for_each

import structgen as sg
from structgen.base.system.garbage import uncollected
from structgen.tokens.tokenizer import byte_tokenizer


def test_collection_waits_and_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_whoever_has_turned_collection_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected(), uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_tag_that_is_refused_leaves_collection_on() -> None:
    with pytest.raises(sg.errors.OptionError):
        sg.structural_tag({"format": {"type": "sequence", "elements": []}})
    assert gc.isenabled()


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "array", "items": {"enum": ["x", "y", 1]}, "maxItems": 3, "uniqueItems": True},
        "b": {"anyOf": [{"type": "string", "pattern": "^a+$"}, {"type": "integer", "minimum": 3}]},
    },
    "required": ["a"],
    "minProperties": 1,
}


@for_each(
    "make, text",
    [
        (lambda: sg.json_schema(SCHEMA), b'{"a": ["x", 1], "b": "a", "c": 2}'),
        (lambda: "A: " + sg.json_schema(SCHEMA), b'A: {"a": ["x"]}'),
        (lambda: sg.lark('start: (NAME "=" /[0-9]+/)+\nNAME: /[a-z]+/\n%ignore / +/\n'), b"ab = 12 c=3"),
        (lambda: sg.ebnf('root ::= "a" root "b" | [0-9]+'), b"aa12bb"),
    ],
)
def test_a_compiled_grammar_is_gone_when_it_is_dropped(make: Callable[[], sg.Grammar], text: bytes) -> None:
    tokenizer = byte_tokenizer()
    for turn in range(2):
        gc.collect()
        gc.disable()
        try:
            matcher = sg.Matcher(sg.compile(make(), tokenizer, store=False))
            mask = sg.allocate_mask(1, tokenizer.vocab_size)
            for byte in text:
                matcher.fill_mask(mask, budget=100)
                matcher.advance(byte)
            matcher.expected()
            del matcher
            # the first of a process makes what all share
            assert gc.collect() == 0 or not turn
        finally:
            gc.enable()
