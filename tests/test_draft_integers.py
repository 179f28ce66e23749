"""An integer is a numeral without fraction and exponent in drafts 3 and 4, and a value from draft 6 on."""

from __future__ import annotations

from typing import Any

import pytest
from compiled_texts import takes
from for_each import for_each

import structgen as sg

TOKENIZER = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], eos_token_id=256)


PLAIN = "0 -0 12 -7 100"
OTHER = "1.0 100.00 -0.0 12.000"
INTEGER, NUMBER = {"type": "integer"}, {"type": "number", "minimum": 10}


@for_each(
    ("draft", "schema", "accepted", "refused"),
    [
        *(
            (draft, schema, f"{PLAIN} {OTHER if draft in ('6', '2020-12') else ''}", "1.5")
            for draft in ("3", "4", "6", "2020-12")
            for schema in (INTEGER, {"type": ["integer", "null"], "minimum": -100})
        ),
        ("3", INTEGER, "", OTHER),
        ("4", INTEGER, "", OTHER),
        ("3", {"disallow": "integer"}, f"{OTHER} 1.5 null", PLAIN),
        ("4", {"not": INTEGER}, f"{OTHER} 1.5 null", PLAIN),
        ("4", {"enum": [1, 2.0, 2.5], **INTEGER}, "1 2", "1.0 2.0 2.5"),
        ("4", {"enum": [1, 2.5], "not": INTEGER}, "1.0 2.5", "1"),
        ("4", {"oneOf": [INTEGER, NUMBER]}, "5 15.0 10.0", "5.0 15 2.00"),
    ],
)
def test_a_fraction_of_zero_makes_no_integer_up_to_draft_4(
    draft: str, schema: Any, accepted: str, refused: str
) -> None:
    compiled = sg.compile(sg.json_schema(schema, draft=draft, **sg.WIDEST), TOKENIZER, store=False)
    assert [text for text in accepted.split() if not takes(compiled, text)] == []
    assert [text for text in refused.split() if takes(compiled, text)] == []


def test_the_policy_plain_writes_the_same_in_every_draft() -> None:
    for draft in ("4", "7"):
        grammar = sg.json_schema(INTEGER, draft=draft, **{**sg.WIDEST, "numbers": "plain"})
        compiled = sg.compile(grammar, TOKENIZER, store=False)
        assert [takes(compiled, text) for text in ("1", "1.0", "-0")] == [True, False, False]


def test_the_shortest_rest_keeps_the_form() -> None:
    schema = {"not": {"type": "integer"}, "type": "number", "minimum": 1000}
    compiled = sg.compile(sg.json_schema(schema, draft="4", **sg.WIDEST), TOKENIZER, store=False)
    matcher = sg.Matcher(compiled)
    assert matcher.tokens_to_finish() == 6  # 1000.0
    for byte in b"1000":
        matcher.advance(byte)
    assert matcher.tokens_to_finish() == 2  # .0


def test_an_integer_that_is_too_long_to_write_is_told_when_compiled() -> None:
    schema = '{"type": "integer", "minimum": 1e5000}'
    for policies in (sg.WIDEST, {}):
        for draft in ("4", "6"):
            with pytest.raises(sg.errors.LimitError, match="5,001 digits"):
                sg.compile(sg.json_schema(schema, draft=draft, **policies), TOKENIZER, store=False)
