"""Of many alternatives, schemas are compiled when a text comes near them: what that must not change."""

from __future__ import annotations

import random
from typing import Any

import pytest

import structgen as sg
from structgen.grammars.text_grammars import text_grammar

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    {"type": "string", "maxLength": 2},
    {"enum": [1, "x", None]},
    {"type": ["integer", "null"]},
]
PIECES = b"<f", b"=t", b'>"', b'>{"', b'":', b"}</", b"]</", b'"</', b"l</", b"1</", b"f>", b"> <", b"x<f=t1"
TOKENIZER = sg.Tokenizer.from_bytes(
    [*(bytes((byte,)) for byte in range(256)), *PIECES, None], eos_token_id=256 + len(PIECES)
)


def tools(schemas: list[dict[str, Any]]) -> sg.Grammar:
    """Free text with calls `<f=t0>...</f>`."""
    tags = [
        {
            "type": "tag",
            "begin": f"<f=t{at}>",
            "content": {"type": "json_schema", "json_schema": schema},
            "end": "</f>",
        }
        for at, schema in enumerate(schemas)
    ]
    return sg.structural_tag({"format": {"type": "triggered_tags", "triggers": ["<f="], "tags": tags}})


def test_masks_and_costs_are_those_of_schemas_compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    later = sg.compile(tools(SCHEMAS), TOKENIZER, store=False)
    monkeypatch.setattr(text_grammar, "_MANY", len(SCHEMAS))
    at_once = sg.compile(tools(SCHEMAS), TOKENIZER, store=False)
    assert later.sizes["part_string_states"] < at_once.sizes["part_string_states"]
    chance = random.Random(0)
    for at in range(40):
        one, other = sg.Matcher(later), sg.Matcher(at_once)
        for token in TOKENIZER.encode(b"see <f=t%d>" % (at % len(SCHEMAS))):
            one.advance(token)
            other.advance(token)
        for _ in range(12):
            allowed = later.allowed(one.state)
            assert allowed == at_once.allowed(other.state)
            assert later.tokens_to_finish(one.state) == at_once.tokens_to_finish(other.state)
            token = chance.choice(allowed)
            one.advance(token)
            other.advance(token)
            if one.is_finished:
                break


@pytest.mark.parametrize(
    "refused",
    [
        {"allOf": [{"type": "integer"}, {"type": "string"}]},
        {"type": "string", "pattern": "(?=a)b(?<n>c)\\k<n>"},
        {"type": "integer", "minimum": 2, "maximum": 1},
    ],
    ids=["two types", "backreference", "no number"],
)
def test_a_schema_that_is_refused_alone_is_refused_among_many_with_the_same_words(
    refused: dict[str, Any],
) -> None:
    with pytest.raises(sg.StructgenError) as alone:
        sg.compile(sg.json_schema(refused), TOKENIZER, store=False)
    with pytest.raises(sg.StructgenError) as among:
        sg.compile(tools([*SCHEMAS, refused]), TOKENIZER, store=False)
    assert type(among.value) is type(alone.value)
    assert among.value.what == alone.value.what and among.value.cure == alone.value.cure
