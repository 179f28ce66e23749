"""Every public call ends: the work of all searches of a call is counted together, and past the limit an error
names it. Work is counted here, not time; `make hostile` measures time."""

from __future__ import annotations

import json
from typing import Any

import pytest

import structgen as sg
from structgen.base.system.public_calls import THIS_CALL
from structgen.decoding.runs.resources import small_tokenizer
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
SMALL = sg.Tokenizer.from_huggingface(small_tokenizer())
FEW = sg.Limits(oracle_steps=2_000)
MOST_AT_ONCE = 100
"""Steps that one search counts at once, at most."""


def dependent(count: int) -> Any:
    asked = {
        f"p{at}": {
            "required": [f"p{(at * 7 + 3) % count}"],
            "properties": {f"p{(at + 1) % count}": {"minimum": at}},
        }
        for at in range(count)
    }
    return {"type": "object", "dependentSchemas": asked, "minProperties": 3}


def chained(count: int) -> Any:
    links = [
        {
            "if": {"required": [f"a{at}"]},
            "then": {
                "required": [f"a{(at * 7 + 3) % count}"],
                "properties": {f"a{at + 2}": {"minimum": at}},
            },
        }
        for at in range(count)
    ]
    return {"type": "object", "minProperties": 5, "allOf": links}


KEYED = {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}
HALF = {
    "type": "array",
    "uniqueItems": True,
    "minItems": 60,
    "contains": {"type": "object", "required": ["k"]},
    "minContains": 30,
    "items": {"type": "object", "properties": {"k": {"type": "integer"}}},
}
KINDS = {"allOf": [{"contains": {"properties": {"k": {"const": at}}, "required": ["k"]}} for at in range(8)]}
PATTERNS = {"anyOf": [{"patternProperties": {f"^x{at}": {"type": "null"}}} for at in range(30)]}
HARD = {
    "8 kinds in three items": lambda: sg.json_schema(KINDS | {"type": "array", "maxItems": 3}, limits=FEW),
    "an argument of a tool": lambda: sg.tools(
        [{"name": "t", "parameters": {"properties": {"p": {"type": "array", "maxItems": 3} | KINDS}}}],
        format="qwen_3_coder",
        limits=FEW,
    ),
    "patterns beside unevaluated": lambda: sg.json_schema(
        PATTERNS | {"type": "object", "unevaluatedProperties": False}, limits=FEW
    ),
    "dependent schemas": lambda: sg.json_schema(dependent(40), limits=FEW),
    "conditions in a chain": lambda: sg.json_schema(chained(40), limits=FEW),
    "unique items, half of a kind": lambda: sg.json_schema(HALF, limits=FEW),
    "a schema without a letter": lambda: sg.without(
        sg.json_schema(KEYED, **sg.WIDEST, limits=FEW), ["a"], decoded=False
    ),
    "ambiguous rules and a regular expression": lambda: (
        sg.ebnf('root ::= "(" root ")" | "a" | root root', limits=FEW) & sg.regex("[(a]*[)a]{50}")
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_all_searches_of_a_call_share_one_count_of_steps(name: str) -> None:
    with pytest.raises(sg.errors.LimitError) as caught:
        compiled = sg.compile(HARD[name](), SMALL, store=False, limits=FEW)
        matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, SMALL.vocab_size)
        for _ in range(4):
            matcher.tokens_to_finish()
            matcher.fill_mask(mask)
            text = matcher.compiled.completion(matcher.state)
            allowed = [one for one in mask.allowed().tolist() if SMALL.token_bytes[one]]
            matcher.advance(max(allowed, key=lambda one: text.startswith(SMALL.token_bytes[one] or b"")))
    assert caught.value.limit == "oracle_steps"
    assert str(caught.value).endswith("Increase it with limits=sg.Limits(oracle_steps=...).")
    assert THIS_CALL.spent <= FEW.oracle_steps + MOST_AT_ONCE


def test_a_call_inside_another_spends_from_it_and_the_next_begins_anew() -> None:
    with THIS_CALL.begin_call(FEW):
        THIS_CALL.spend_steps(1_500, FEW, "It")
        with THIS_CALL.begin_call(FEW), pytest.raises(sg.errors.LimitError):
            THIS_CALL.spend_steps(501, FEW, "It")
    with THIS_CALL.begin_call(FEW):
        THIS_CALL.spend_steps(2_000, FEW, "It")
        with pytest.raises(sg.errors.LimitError):
            THIS_CALL.spend_steps(1, FEW, "It")


@pytest.mark.parametrize(
    "schema",
    [
        '{"type":"integer","exclusiveMaximum":-1e400}',
        '{"type":"integer","minimum":1e400}',
        '{"type":"number","minimum":1e1000}',
        '{"type":"integer","multipleOf":97,"minimum":1e400}',
        '{"type":"integer","minimum":1e300}',
        json.dumps({"enum": [at * 7919 for at in range(2_000)]}),
    ],
)
def test_numbers_of_many_digits_cost_some_steps_a_digit(schema: str) -> None:
    compiled = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), BYTES, store=False)
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, BYTES.vocab_size)
    spent = []
    for _ in range(6):
        need = matcher.tokens_to_finish()
        spent.append(THIS_CALL.spent)
        assert len(compiled.completion(matcher.state)) == need
        matcher.fill_mask(mask)
        spent.append(THIS_CALL.spent)
        allowed = [token for token in mask.allowed().tolist() if token < 256]
        if not allowed:
            break
        matcher.advance(allowed[-1])
    assert max(spent) < 20_000


def _around(wrap: Any) -> Any:
    """Return a dict that `wrap` makes of itself."""
    found: dict[str, Any] = {}
    found.update(wrap(found))
    return found


def _listed() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


LOOP = _around(lambda own: {"x": own})
SCHEMAS: dict[str, Any] = {
    "properties": _around(lambda own: {"properties": {"a": own}}),
    "items": _around(lambda own: {"items": own}),
    "anyOf": _around(lambda own: {"anyOf": [{"type": "null"}, own]}),
    "const": {"const": LOOP},
    "enum": {"enum": [1, _listed()]},
    "default": {"type": "integer", "default": LOOP},
    "examples": {"type": "integer", "examples": _listed()},
    "a keyword of no meaning": {"x-note": LOOP},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_value_that_holds_itself_is_refused_where_it_does(name: str) -> None:
    schema = SCHEMAS[name]
    request = {
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": schema}}}}
    for call in (
        lambda: sg.json_schema(schema),
        lambda: sg.read_request(request).grammar,
        lambda: sg.tools([tool], format="hermes"),
    ):
        with pytest.raises(sg.StructgenError, match=r"#/.*contains itself.*by \$ref\.$"):
            call()


def test_a_value_that_stands_twice_does_not_hold_itself() -> None:
    shared = {"type": "integer"}
    sg.json_schema({"properties": {"a": shared, "b": {"items": shared}}, "anyOf": [shared, shared]})
