"""`structgen generate --model openai:URL#NAME`: a server writes the texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import commanded
from openai_server import serving

ADA = '{"name": "Ada", "age": 36}'
TYPES = """
from typing import TypedDict
from pydantic import BaseModel

class Person(BaseModel):
    name: str
    age: int

Sizes = list[str]
"""
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served_types.py").write_text(TYPES)
    (tmp_path / "person.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "sum.lark").write_text('start: "a" start "b" | "c"')
    monkeypatch.chdir(tmp_path)


def run(model: str, *arguments: str) -> Any:

    return commanded("generate", "--model", model, "--prompt", "Who?", *arguments)


@pytest.mark.parametrize(
    ("arguments", "reply", "printed"),
    [
        (["--type", "served_types:Person"], f"Sure!\n```json\n{ADA}\n```", ADA),
        (["--type", "served_types:Sizes"], '{"value": ["S"]}', '["S"]'),
        (["--schema", "person.json"], ADA, ADA),
        (["--regex", "red|blue"], '{"value": "red"}', "red"),
        ([], "Ada.", "Ada."),
    ],
)
@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_what_a_server_replies_is_printed_as_the_document(
    arguments: list[str], reply: str, printed: str, more: list[str]
) -> None:
    with serving(reply) as server:
        done = run(server.model, *arguments, *more)
    assert (done.exit_code, done.stdout) == (0, f"{printed}\n"), done.stderr


def test_the_options_of_a_request_go_to_the_server() -> None:
    options = ["--temperature", "0.5", "--seed", "3", "--max-tokens", "9", "--n", "2", "-o", "stop=."]
    with serving("Ada") as server:
        done = run(server.model, *options)
        said = [
            [body[key] for key in ("temperature", "seed", "max_tokens", "stop")] for body in server.bodies
        ]
    assert said == [[0.5, 3, 9, ["."]], [0.5, 4, 9, ["."]]]
    assert done.stdout == "Ada\nAda\n"


def test_a_line_of_json_has_what_a_result_has() -> None:
    with serving("no", f"<think>Hm.</think>{ADA}") as server:
        done = run(server.model, "--type", "served_types:Person", "--json")
    found = json.loads(done.stdout)
    assert (found["text"], found["value"], found["thoughts"]) == (ADA, json.loads(ADA), "Hm.")
    assert (found["attempts"], found["error"]) == (2, None)
    assert found["usage"]["tokens"] == 14 and [one["tokens"] for one in found["usage"]["attempts"]] == [7, 7]


def test_a_document_that_is_refused_has_exit_status_1_and_the_number_of_attempts() -> None:
    with serving("no") as server:
        done = run(server.model, "--schema", "person.json", "-o", "attempts=2")
        assert len(server.bodies) == 2
    assert done.exit_code == 1 and done.stdout == "no\n" and "does not match the schema" in done.stderr


@pytest.mark.parametrize("more", [["--stream"], ["--json"]])
def test_calls_of_a_server_are_printed(more: list[str]) -> None:
    function = {"name": "f", "arguments": '{"a": 1}'}
    answer = {"tool_calls": [{"id": "x", "type": "function", "function": function}]}
    tools = '[{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}]'
    with serving(answer) as server:
        done = run(server.model, "--tools", tools, *more)
    assert done.exit_code == 0, done.stderr
    if more == ["--json"]:
        assert json.loads(done.stdout)["calls"] == [{"id": "x", "name": "f", "arguments": {"a": 1}}]
    else:
        assert done.stdout == '<tool_call id="x" name="f">{"a": 1}</tool_call>\n'


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--schema", "person.json", "-o", "max_items=3"], "-o max_items: The option has no effect"),
        (["--schema", "person.json", "-o", "without=x"], "-o without: The option has no effect"),
        (["--schema", "person.json", "-o", "canonical=true"], "-o canonical: The option has no effect"),
        (["-o", "min_tokens=3"], "min_tokens is not in OpenAI's protocol"),
        (["--grammar", "sum.lark"], "This grammar cannot be expressed as a JSON Schema"),
    ],
)
def test_an_option_that_a_server_does_not_have_is_refused_by_name(arguments: list[str], told: str) -> None:
    with serving("x") as server:
        done = run(server.model, *arguments)
        assert (done.exit_code, server.bodies) == (2, [])
    assert told in done.stderr


def test_an_address_without_a_name_has_exit_status_2() -> None:
    done = run("openai:http://127.0.0.1:9/v1")
    assert done.exit_code == 2 and "does not name a model on a server" in done.stderr
