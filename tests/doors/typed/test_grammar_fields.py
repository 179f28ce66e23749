"""`Annotated[str, grammar]` at the typed doors: engines, streams, servers, tools, infilling."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from asked import asked
from for_each import for_each
from openai_server import serving
from pydantic import BaseModel
from told_models import told

import structgen as sg
from structgen.decoding.infilling.presets import FunctionModel

RULES = sg.ebnf('root ::= "(" root ")" | "x"')
SPANS = sg.substring_of("Peter Parker ate a pear")
Balanced = Annotated[str, RULES]


class Query(BaseModel):
    query: Balanced
    quote: Annotated[str, SPANS]
    code: Annotated[str, sg.regex("[A-Z]{2}")] = "AA"


GOOD = '{"query": "((x))", "quote": "ate a", "code": "BC"}'


@for_each(
    ("hint", "text", "value"),
    [
        (Query, GOOD, Query(query="((x))", quote="ate a", code="BC")),
        (Balanced, '"(x)"', "(x)"),
        (list[Balanced], '["x", "(x)"]', ["x", "(x)"]),
        (Balanced | None, "null", None),
        (Balanced | Literal["no"], '"no"', "no"),
        (dict[str, Balanced], '{"a": "x"}', {"a": "x"}),
    ],
)
def test_an_engine_writes_the_type(hint: Any, text: str, value: Any) -> None:
    engine, _ = told(text)
    assert sg.run(engine, "What?", hint) == value
    assert sg.run(engine, "What?", hint, wrap=True) is not None


def test_an_engine_that_wants_another_text_is_held_to_the_grammar() -> None:
    engine, _ = told('{"query": "((SELECT 1", "quote": "Peter eats", "code": "abc"}')
    found = sg.run(engine, "What?", Query, max_tokens=60)
    assert found.query.strip("()") == "x" and found.quote in "Peter Parker ate a pear"


@for_each("wrap", [False, True])
def test_a_string_of_a_grammar_grows_in_a_stream_and_closes_at_its_quote(wrap: bool) -> None:
    held = list[Query] if wrap else Query
    text = f"[{GOOD}]" if wrap else GOOD
    partials = list(asked(held, model=told(text)[0]).stream())
    seen, closed = list[str](), list[bool]()
    for partial in partials[:-1]:
        value = partial.value[0] if wrap and partial.value else partial.value
        query = value["query"] if isinstance(value, dict) and "query" in value else None
        if query is not None:
            seen.append(query)
            closed.append(("/0/query" if wrap else "/query") in partial.closed)
    assert all(after.startswith(before) for before, after in itertools.pairwise(seen))
    assert seen[-1] == "((x))" and closed == sorted(closed) and closed[-1]
    assert all(text == "((x))" for text, is_closed in zip(seen, closed, strict=True) if is_closed)
    assert partials[-1].result == ([Query(**json.loads(GOOD))] if wrap else Query(**json.loads(GOOD)))


def test_items_come_one_by_one() -> None:
    stream = asked(Iterator[Balanced], model=told('["x", "(x)"]')[0])
    assert list(stream()) == ["x", "(x)"]


# --- servers ------------------------------------------------------------------------------------------------


def without_grammars(node: Any) -> bool:
    if isinstance(node, dict):
        return "x-grammar" not in node and all(map(without_grammars, node.values()))
    return all(map(without_grammars, node)) if isinstance(node, list) else True


@for_each(
    ("hint", "bad", "good", "value"),
    [
        (Query, GOOD.replace("((x))", "((x)"), GOOD, Query(**json.loads(GOOD))),
        (Query, GOOD.replace("ate a", "ate the"), GOOD, Query(**json.loads(GOOD))),
        (Query, GOOD.replace("BC", "B"), GOOD, Query(**json.loads(GOOD))),
        (Balanced, '{"value": "("}', '{"value": "x"}', "x"),
        (list[Balanced], '{"value": ["x", "y"]}', '{"value": ["x"]}', ["x"]),
    ],
)
def test_a_server_gets_the_schema_without_the_grammar_and_its_answer_is_judged_here(
    hint: Any, bad: str, good: str, value: Any
) -> None:
    with serving(bad, good) as server:
        outcome = sg.run.detailed(server.model, "What?", hint)
        bodies = server.bodies
    assert (outcome.value, outcome.attempts) == (value, 2)
    assert all(map(without_grammars, bodies))
    if hint is Query:
        sent = bodies[0]["response_format"]["json_schema"]["schema"]["properties"]
        assert sent["code"]["pattern"] == "^(?:[A-Z]{2})$" and "pattern" not in sent["query"]


class Plain(BaseModel):
    query: Balanced


def test_a_schema_that_is_strict_without_its_grammars_is_sent_as_such() -> None:
    with serving('{"query": "x"}') as server:
        sg.run(server.model, "What?", Plain)
        assert server.bodies[0]["response_format"]["json_schema"]["strict"] is True


def test_a_property_of_the_name_of_the_keyword_stays() -> None:
    schema = {
        "type": "object",
        "properties": {"x-grammar": {"type": "string", "x-grammar": RULES.keyword}},
        "required": ["x-grammar"],
        "additionalProperties": False,
    }
    with serving('{"x-grammar": "(x)"}') as server:
        assert sg.run(server.model, "What?", schema) == {"x-grammar": "(x)"}
        sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert sent["properties"] == {"x-grammar": {"type": "string"}}
    assert schema["properties"]["x-grammar"]["x-grammar"]  # type: ignore[index]


def run_query(query: Balanced, quote: Annotated[str, SPANS] = "Peter") -> None:
    """Run it."""


@for_each("of_dict", [False, True])
def test_calls_of_a_server_are_judged_by_the_grammars_of_their_arguments(of_dict: bool) -> None:
    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "x-grammar": RULES.keyword}},
        "required": ["query"],
    }
    tool: Any = {"name": "run_query", "inputSchema": parameters} if of_dict else run_query

    def call(query: str) -> dict[str, Any]:
        said = {"name": "run_query", "arguments": json.dumps({"query": query})}
        calls = [{"id": "a", "type": "function", "function": said}]
        return {"content": None, "tool_calls": calls, "finish_reason": "tool_calls"}

    with serving(call("(x"), call("(x)")) as server:
        outcome = sg.run.detailed(server.model, "What?", sg.Call, tools=[tool])
        assert all(map(without_grammars, server.bodies))
    assert outcome.attempts == 2 and outcome.value.arguments == {"query": "(x)"}


@for_each("of_dict", [False, True])
def test_the_value_of_a_call_is_judged_with_the_place_in_the_text(of_dict: bool) -> None:
    schema = {"type": "object", "properties": {"query": {"type": "string", "x-grammar": RULES.keyword}}}
    tool: Any = {"name": "run_query", "inputSchema": schema} if of_dict else run_query
    good, bad = (
        sg.parse_calls(
            f'<tool_call>\n{{"name": "run_query", "arguments": {{"query": "{text}"}}}}\n</tool_call>',
            "hermes",
            tools=[tool],
        ).calls[0]
        for text in ("(x)", "(y)")
    )
    assert good.value()
    with pytest.raises(sg.errors.ValidatorError, match=r"query.*line 1, column 2"):
        bad.value()


RULED: dict[str, Any] = {"type": "string", "x-grammar": RULES.keyword}
DRAFT = "https://json-schema.org/draft/2020-12/schema"
RECURSIVE = {"$recursiveRef": "#"}
NAMED_DRAFTS: dict[str, Any] = {
    "recursion to a root": {"$schema": DRAFT, "properties": {"q": RULED, "k": {"$ref": "#"}}},
    "draft 2019-09": {
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$recursiveAnchor": True,
        "properties": {"q": RULED, "k": RECURSIVE},
    },
    "a resource": {
        "properties": {"k": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"$schema": DRAFT, "$id": "http://x/a", "properties": {"q": RULED}}},
    },
    "a resource of another draft": {
        "$schema": DRAFT,
        "properties": {"k": {"$ref": "http://x/a"}},
        "$defs": {
            "a": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "$id": "http://x/a",
                "properties": {"q": {"anyOf": [RULED, {"type": "null"}]}},
            }
        },
    },
}


@for_each("name", list(NAMED_DRAFTS))
def test_a_call_is_judged_in_schemas_that_name_their_draft(name: str) -> None:
    tool: Any = {"name": "run", "inputSchema": {"type": "object", **NAMED_DRAFTS[name]}}

    def value(query: str) -> Any:
        said = json.dumps({"name": "run", "arguments": {"k": {"q": query}}})
        return sg.parse_calls(f"<tool_call>\n{said}\n</tool_call>", "hermes", tools=[tool]).calls[0].value()

    assert value("(x)") == {"k": {"q": "(x)"}}
    with pytest.raises(sg.errors.ValidatorError, match="line 1, column 2"):
        value("(y)")


# --- infilling ----------------------------------------------------------------------------------------------

TOKENIZER = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None] * 3, eos_token_id=[256])


def noise() -> FunctionModel:
    def forward(ids: np.ndarray) -> np.ndarray:
        return np.random.default_rng(ids.tolist()).standard_normal((len(ids), 259))

    return FunctionModel(forward, mask_id=258, vocab_size=259, context=200, null_id=257)


class Coded(BaseModel):
    code: Annotated[str, sg.regex("[A-Z]{2}")]
    word: Annotated[str, sg.choice(["pear", "plum"]) - "plum"]


def test_infilling_fills_strings_of_regular_grammars() -> None:
    found = sg.run(sg.Infilling(noise(), TOKENIZER), "What?", Coded, max_tokens=60)
    assert found.word == "pear" and found.code.isupper() and len(found.code) == 2


@for_each("hint", [Query, list[Balanced], Balanced, dict[str, Annotated[str, SPANS]]])
def test_infilling_refuses_other_grammars_by_name_at_once(hint: Any) -> None:
    with pytest.raises(sg.errors.StructgenError, match=r"Infilling needs an automaton, and .* has none"):
        sg.run(sg.Infilling(noise(), TOKENIZER), "What?", hint, max_tokens=60)
