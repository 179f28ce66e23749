"""`sg.run`: one call, whatever says what is wanted; unknown keys are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

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


def test_a_choice() -> None:
    assert sg.run(told('"red"')[0], "Which?", {"choice": ["red", "blue"]}) == "red"


def test_the_embedded_model_takes_a_schema() -> None:
    schema = {
        **SCHEMA,
        "properties": {**SCHEMA["properties"], "city": {"type": "string"}},
        "required": ["name"],
    }
    found = sg.run("structgen/extract", "Ada Lovelace, 36, lives in London.", schema, max_tokens=60)
    assert found["name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "no schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}, "shema": 1}}, "'shema'"),
        ({"type": "json_object", "schema": {}}, "'schema'"),
        ({"json": {}, "choice": ["a"]}, "exactly one"),
        ({"json": {}, "backend": "x"}, "'backend'"),
        ({"regex": "a+"}, "'regex' is not offered"),
        ({"grammar": "root ::= x"}, "'grammar' is not offered"),
        ({"json": {}, "whitespace_pattern": " "}, "'whitespace_pattern' is not offered"),
        ({"choice": []}, "list of strings"),
    ],
)
def test_a_shape_that_is_not_known_is_refused(target: Any, error: str) -> None:
    with pytest.raises(sg.StructgenError, match=error):
        sg.run(told(ADA)[0], "Who?", target)


def test_a_grammar_keeps_its_policies() -> None:
    with pytest.raises(sg.OptionError, match="policies"):
        sg.run(told(ADA)[0], "Who?", sg.json_schema(SCHEMA), policies={"whitespace": "compact"})


@pytest.mark.parametrize("prompt", [3, [], [{"text": "x"}]])
def test_a_prompt_that_is_none_is_refused(prompt: Any) -> None:
    with pytest.raises(sg.OptionError, match="is no prompt"):
        sg.run(told(ADA)[0], prompt, Person)
