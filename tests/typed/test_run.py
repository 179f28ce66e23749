"""`sg.run`: one call, whatever says what is wanted; unknown keys are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from for_each import for_each

torch = pytest.importorskip("torch")
pytest.importorskip("pydantic")

from told import told  # noqa: E402

import structgen as sg  # noqa: E402

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
ADA = '{"name": "Ada", "age": 36}'


@dataclass
class Person:
    name: str
    age: int


@pytest.mark.parametrize(
    "target",
    [
        SCHEMA,
        sg.json_schema(SCHEMA),
        {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}},
        {"type": "json_object"},
        {"json": SCHEMA},
        {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True},
        {"json": json.dumps(SCHEMA)},
        {"json": SCHEMA, "disable_any_whitespace": False, "choice": None},
        {"json_object": True},
        True,
    ],
    ids=[
        "schema",
        "grammar",
        "response_format",
        "json_object",
        "vllm",
        "text.format",
        "vllm with a text",
        "vllm with nulls",
        "vllm object",
        "any",
    ],
)
def test_targets_that_are_schemas(target: Any) -> None:
    assert sg.run(told(ADA)[0], "Who?", target) == {"name": "Ada", "age": 36}


def test_a_type() -> None:
    engine, model = told(ADA)
    assert sg.run(engine, "Who?", Person) == Person("Ada", 36)
    outcome = sg.run(engine, "Who?", Person, detailed=True)
    assert (outcome.value, outcome.text, outcome.attempts) == (Person("Ada", 36), ADA, 1)
    assert model.prompts == ["Who?\n"] * 2


def test_free_text() -> None:
    for target in (None, str, {"type": "text"}):
        assert sg.run(told("Hi.")[0], "Hello", target) == "Hi."


LARK = "start: WORD\nWORD: /[a-z]+/"
TAG = {
    "structures": [{"begin": "<call>", "schema": SCHEMA, "end": "</call>"}],
    "triggers": ["<call>"],
}


@for_each(
    ("target", "text", "wrong"),
    [
        ({"choice": ["red", "blue"]}, "red", "green"),
        ({"regex": r"\w+@\w+\.com"}, "ada@b.com", "ada"),
        ({"grammar": 'root ::= "a" root "b" | "c"'}, "aacbb", "aacb"),
        ({"grammar": LARK}, "abc", "ABC"),
        (
            {"structural_tag": json.dumps({"type": "structural_tag", **TAG})},
            f"So <call>{ADA}</call>.",
            "<call>",
        ),
        ({"type": "structural_tag", **TAG}, f"<call>{ADA}</call>", "<call>{}</call>"),
        (
            {"type": "structural_tag", "format": {"type": "regex", "pattern": "[0-9]+"}},
            "42",
            "x",
        ),
        ({"type": "grammar", "syntax": "lark", "definition": LARK}, "abc", "ABC"),
        ({"type": "grammar", "grammar": {"syntax": "lark", "definition": LARK}}, "abc", "ABC"),
        ({"type": "grammar", "grammar": LARK}, "abc", "ABC"),
        ({"type": "grammar", "syntax": "regex", "definition": r"[a-f]{2}(?P<n>\d+)"}, "fa12", "fa"),
        (sg.regex("[0-9]+"), "42", "x"),
        (sg.lark(LARK), "abc", "ABC"),
        (sg.ebnf('root ::= [0-9] "!"'), "4!", "4"),
        ("Answer: " + sg.text(until="."), "Answer: yes.", "yes."),
        (sg.choice(["red", "blue"]), "red", "green"),
    ],
)
def test_targets_that_are_grammars_of_texts(target: Any, text: str, wrong: str) -> None:
    assert sg.run(told(text)[0], "Which?", target) == text
    found = sg.run(told(wrong)[0], "Which?", target, max_tokens=60)
    assert found != wrong


def test_the_embedded_model_takes_a_schema() -> None:
    schema = {
        **SCHEMA,
        "properties": {**SCHEMA["properties"], "city": {"type": "string"}},
        "required": ["name"],
    }
    found = sg.run("structgen/extract", "Ada Lovelace, 36, lives in London.", schema, max_tokens=60)
    assert found["name"] == "Ada Lovelace"


@for_each(
    ("target", "error"),
    [
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "no schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}, "shema": 1}}, "'shema'"),
        ({"type": "json_object", "schema": {}}, "'schema'"),
        ({"json": {}, "choice": ["a"]}, "exactly one"),
        ({"json": {}, "backend": "x"}, "'backend'"),
        ({"json": {}, "whitespace_pattern": " "}, "demands white space"),
        ({"json": {}, "disable_additional_properties": True}, "'disable_additional_properties' is not"),
        ({"json_object": False}, "json_object is true"),
        ({"regex": "(a)\\1"}, "(?i)back-reference"),
        ({"regex": 3}, "regex: It is 3, and must be a text"),
        ({"regex": "a", "disable_any_whitespace": True}, "does not apply to regex"),
        ({"grammar": "root ::= x"}, "The rule x is not defined"),
        ({"grammar": "secrets.lark"}, "No line begins a rule"),
        ({"grammar": "start: ("}, "line 1"),
        ({"choice": []}, "choice lists nothing"),
        ({"choice": ["a", 1]}, "choice/1: It is 1, and must be a text"),
        ({"structural_tag": "{"}, "line 1"),
        ({"type": "structural_tag", "triggers": ["<"]}, "'triggers'"),
        ({"type": "grammar", "syntax": "gbnf", "definition": "x"}, "After the name x there should be ::="),
        ({"type": "grammar", "syntax": "regex", "definition": r"\bx"}, "do not read it alike"),
        ({"type": "grammar", "definition": "x"}, "No line begins a rule"),
        ({"type": "grammar", "grammar": LARK, "strict": True}, "'strict'"),
        ({"type": "python"}, "'python' is not offered"),
    ],
)
def test_a_shape_that_is_not_known_is_refused(target: Any, error: str) -> None:
    with pytest.raises(sg.StructgenError, match=error):
        sg.run(told(ADA)[0], "Who?", target)


def test_policies_are_for_schemas() -> None:
    for target in ({"regex": "a"}, {"type": "text"}, {"choice": ["a"]}):
        with pytest.raises(sg.errors.OptionError, match="no schema to be written under them"):
            sg.run(told("a")[0], "Who?", target, policies={"whitespace": "compact"})
    tag = {"type": "structural_tag", "format": {"type": "json_schema", "json_schema": SCHEMA}}
    compact = ADA.replace(" ", "")
    assert sg.run(told(ADA)[0], "Who?", tag) == ADA
    assert sg.run(told(compact)[0], "Who?", tag, policies={"whitespace": "compact"}) == compact
    assert sg.run(told(ADA)[0], "Who?", tag, policies={"whitespace": "compact"}) != ADA


def test_a_grammar_keeps_its_policies() -> None:
    with pytest.raises(sg.errors.OptionError, match="policies"):
        sg.run(told(ADA)[0], "Who?", sg.json_schema(SCHEMA), policies={"whitespace": "compact"})


@pytest.mark.parametrize("numbers", ["any", "python"])
def test_an_integer_is_an_int_however_it_is_written(numbers: str) -> None:
    policies = {"numbers": numbers}
    for text in ("-0.0", "100.0"):
        found = sg.run(told(text)[0], "How many?", {"type": "integer"}, policies=policies)
        assert type(found) is int and found == float(text)
        (result,) = told(text)[0].generate(
            [sg.Request([1], sg.json_schema({"type": "integer"}, **policies), max_tokens=20)]
        )
        assert type(result.value) is int and result.value == float(text)
