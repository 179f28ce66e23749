"""An integer is a numeral without fraction and exponent in drafts 3 and 4, and a value from draft 6 on."""

from __future__ import annotations

from typing import Any

import pytest
from compiled_texts import takes

import structgen as sg

TOKENIZER = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], eos_token_id=256)


def accepts(schema: Any, text: str, draft: str, **policies: str) -> bool:
    compiled = sg.compile(
        sg.json_schema(schema, draft=draft, **{**sg.WIDEST, **policies}), TOKENIZER, store=False
    )
    return takes(compiled, text)


PLAIN = ("0", "-0", "12", "-7", "100")
OTHER = ("1.0", "100.00", "-0.0", "12.000")


@pytest.mark.parametrize("draft", ["3", "4", "6", "2020-12"])
@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": ["integer", "null"], "minimum": -100}])
def test_a_fraction_of_zero_makes_no_integer_up_to_draft_4(schema: Any, draft: str) -> None:
    assert all(accepts(schema, text, draft) for text in PLAIN)
    assert all(accepts(schema, text, draft) is (draft in ("6", "2020-12")) for text in OTHER)
    assert not accepts(schema, "1.5", draft)


@pytest.mark.parametrize(
    ("draft", "schema"), [("3", {"disallow": "integer"}), ("4", {"not": {"type": "integer"}})]
)
def test_what_is_no_integer_may_be_written_with_a_fraction(draft: str, schema: Any) -> None:
    assert not any(accepts(schema, text, draft) for text in PLAIN)
    assert all(accepts(schema, text, draft) for text in (*OTHER, "1.5", "null"))


def test_constants_keep_the_form_that_the_type_asks_for() -> None:
    schema = {"enum": [1, 2.0, 2.5], "type": "integer"}
    assert [accepts(schema, text, "4") for text in ("1", "2", "1.0", "2.0", "2.5")] == [
        True,
        True,
        *[False] * 3,
    ]
    other = {"enum": [1, 2.5], "not": {"type": "integer"}}
    assert [accepts(other, text, "4") for text in ("1", "1.0", "2.5")] == [False, True, True]


def test_branches_are_told_apart_by_the_form() -> None:
    schema = {
        "oneOf": [{"type": "integer"}, {"type": "number", "minimum": 10}],
    }
    found = {text: accepts(schema, text, "4") for text in ("5", "5.0", "15", "15.0", "10.0", "2.00")}
    assert found == {"5": True, "5.0": False, "15": False, "15.0": True, "10.0": True, "2.00": False}


def test_the_policy_plain_writes_the_same_in_every_draft() -> None:
    for draft in ("4", "7"):
        assert [
            accepts({"type": "integer"}, text, draft, numbers="plain") for text in ("1", "1.0", "-0")
        ] == [
            True,
            False,
            False,
        ]


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
