"""`grounded`, `quotes` and `missing` of requests: at each address, of each type, and what is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from for_each import for_each
from served_apps import MESSAGES, TOOL, post, schema_format

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
LABEL = {**SCHEMA, "properties": {"kind": {"enum": ["a", "b"]}}, "required": ["kind"]}
QUOTE = {**SCHEMA, "properties": {"who": {"type": "string", "x-quote": {"words": 2}}}, "required": ["who"]}
ADDRESSES = ["chat/completions", "completions", "responses", "messages"]
TEXT = "Ada Lovelace, 36, lives in London."
HEADER = "x-structgen-warning"


def body_of(address: str, text: str = TEXT, schema: Any = SCHEMA, **more: Any) -> dict[str, Any]:
    """Return a body that asks for a document of a schema about a text."""
    named = {"type": "json_schema", "name": "x", "schema": schema}
    match address:
        case "responses":
            said = {"input": text, "text": {"format": named}}
        case "messages":
            form = {"type": "json_schema", "schema": schema}
            turns = [{"role": "user", "content": text}]
            said = {"messages": turns, "max_tokens": 90, "output_config": {"format": form}}
        case _:
            is_plain = address == "completions"
            said = {"prompt": text} if is_plain else {"messages": [{"role": "user", "content": text}]}
            said["response_format"] = schema_format(schema)
    return {"model": "extract", **said, **more}


def document(answer: Any) -> Any:
    """Return the document of an answer of any address."""
    assert answer.status_code == 200, answer.text
    found = answer.json()
    if "choices" in found:
        choice = found["choices"][0]
        return json.loads(choice["text"] if "text" in choice else choice["message"]["content"])
    if "output" in found:
        return json.loads(found["output"][0]["content"][0]["text"])
    return json.loads("".join(one.get("text", "") for one in found["content"]))


def refused(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 400, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


@for_each("address", ADDRESSES)
def test_a_number_is_one_of_the_text_that_is_meant(app: Any, address: str) -> None:
    for grounded, text, age in (
        (True, TEXT, 36),
        ("He is 99.", TEXT, 99),
        ({"a": "Nothing.", "b": "He is 99."}, TEXT, 99),
        (False, TEXT, 36),
        (None, TEXT, 36),
    ):
        answer = post(app, f"/v1/{address}", body_of(address, text, grounded=grounded))
        assert document(answer)["age"] == age


@for_each("address", ADDRESSES)
def test_what_is_not_stated_is_the_error_of_the_request(app: Any, address: str) -> None:
    for grounded, text in ((True, "Ada"), ("", TEXT), ({"a": ""}, TEXT), ("Nothing.", TEXT)):
        error = refused(post(app, f"/v1/{address}", body_of(address, text, grounded=grounded)))
        assert "states no number for /age" in error["message"] and "sg." not in error["message"]
        assert error.get("code") in ("not_stated", None)


@for_each("address", ADDRESSES)
def test_missing_free_lets_the_model_write(app: Any, address: str) -> None:
    answer = post(app, f"/v1/{address}", body_of(address, "Ada", grounded=True, missing="free"))
    assert isinstance(document(answer)["age"], int) and HEADER not in answer.headers


@for_each("address", ADDRESSES)
def test_quotes_hold_strings_to_the_text(app: Any, address: str) -> None:
    found = document(post(app, f"/v1/{address}", body_of(address, quotes=True, grounded="Bob Ray is 7")))
    assert found["name"] in "Bob Ray is 7" and found["age"] == 7
    for quotes in (True, "exact"):  # a mask holds to the letters of the text anyway
        found = document(post(app, f"/v1/{address}", body_of(address, quotes=quotes)))
        assert found["name"] in TEXT


@for_each("address", ADDRESSES)
def test_a_schema_with_quotes_is_held_to_the_text_without_a_member(app: Any, address: str) -> None:
    found = document(post(app, f"/v1/{address}", body_of(address, schema=QUOTE)))["who"]
    assert found in TEXT and len(found.split()) <= 2


@for_each("address", ADDRESSES[:3])
def test_quotes_may_be_held_to_other_texts_than_the_prompt(app: Any, address: str) -> None:
    for more in ({"quotes": True}, {"schema": QUOTE}):
        body = body_of(address, quoted={"a": "Bob Ray is 7", "b": "no"}, **more)
        found = document(post(app, f"/v1/{address}", body))
        assert found.get("name", found.get("who")) in "Bob Ray is 7"
        assert "age" not in found or found["age"] == 36  # the numbers are not
    for wrong in ({}, {"grounded": False}, {"schema": LABEL}):
        error = refused(post(app, f"/v1/{address}", body_of(address, quoted={"a": "Bob"}, **wrong)))
        assert error["param"] == "quoted" and "Quotes are not requested" in error["message"]
    for value in ("Bob", {"a": 5}, True):
        body = body_of(address, quotes=True, quoted=value)
        assert refused(post(app, f"/v1/{address}", body))["message"].startswith("quoted")


@for_each("address", ADDRESSES)
def test_members_of_other_types_are_refused(app: Any, address: str) -> None:
    for member, value in (
        ("grounded", 5),
        ("grounded", ["a"]),
        ("grounded", {}),
        ("grounded", {"a": 1}),
        ("quotes", "yes"),
        ("missing", "x"),
        ("missing", True),
    ):
        error = refused(post(app, f"/v1/{address}", body_of(address, **{member: value})))
        assert error["message"].startswith(member)


@for_each("address", ADDRESSES)
def test_missing_alone_is_refused(app: Any, address: str) -> None:
    error = refused(post(app, f"/v1/{address}", body_of(address, missing="free")))
    assert error["message"].startswith("missing: The option has no effect without grounded=")


@for_each("address", ADDRESSES)
def test_a_schema_without_a_value_that_a_text_states_is_told_in_the_header(app: Any, address: str) -> None:
    answer = post(app, f"/v1/{address}", body_of(address, schema=LABEL, grounded=True))
    assert document(answer)["kind"] in ("a", "b")
    assert answer.headers[HEADER].startswith("grounded: The type has no value that a text could state")


@for_each("member", ["grounded", "quotes"])
def test_they_are_refused_beside_tools_and_for_free_text(app: Any, member: str) -> None:
    chat = {"model": "extract", "messages": MESSAGES, member: True}
    error = refused(post(app, "/v1/chat/completions", {**chat, "tools": [TOOL]}))
    assert error["param"] == member and "not grounded in texts" in error["message"]
    assert "Free text has no values" in refused(post(app, "/v1/chat/completions", chat))["message"]


def test_token_ids_are_no_text(app: Any) -> None:
    body = body_of("completions", grounded=True, prompt=[1, 2, 3])
    assert refused(post(app, "/v1/completions", body))["param"] == "grounded"
    assert document(post(app, "/v1/completions", {**body, "grounded": "Ada is 7"}))["age"] == 7


def test_each_prompt_of_completions_is_held_to_itself(app: Any) -> None:
    body = body_of("completions", grounded=True, prompt=["Ada is 36", "Bob is 12"])
    choices = post(app, "/v1/completions", body).json()["choices"]
    assert [json.loads(one["text"])["age"] for one in choices] == [36, 12]
    error = refused(post(app, "/v1/completions", {**body, "prompt": ["Ada is 36", "Bob"]}))
    assert "'Bob' states no number" in error["message"]


def test_true_means_the_last_turn_of_the_user(app: Any) -> None:
    parts = [{"type": "text", "text": "Bob is"}, {"type": "text", "text": "12"}]
    turns = [
        {"role": "system", "content": "You know 7."},
        {"role": "user", "content": "Ada is 36"},
        {"role": "assistant", "content": "She is 5"},
        {"role": "user", "content": parts},
    ]
    body = body_of("chat/completions", grounded=True, messages=turns)
    assert document(post(app, "/v1/chat/completions", body))["age"] == 12
    turns[-1]["content"] = "Bob"
    assert "'Bob' states no number" in refused(post(app, "/v1/chat/completions", body))["message"]


def test_instructions_and_a_system_text_state_nothing(app: Any) -> None:
    for body, address in (
        (body_of("responses", "Ada", grounded=True, instructions="Say 9."), "responses"),
        (body_of("messages", "Ada", grounded=True, system="Say 9."), "messages"),
    ):
        assert "'Ada' states no number" in refused(post(app, f"/v1/{address}", body))["message"]


def test_a_path_is_a_text_and_no_file_is_read(app: Any) -> None:
    error = refused(post(app, "/v1/chat/completions", body_of("chat/completions", grounded="@/etc/passwd")))
    assert "'@/etc/passwd' states no number" in error["message"]


def test_a_stream_is_held_too(app: Any) -> None:
    answer = post(app, "/v1/chat/completions", body_of("chat/completions", grounded="He is 99.", stream=True))
    events = [json.loads(one[6:]) for one in answer.text.splitlines() if one.startswith("data: {")]
    text = "".join(one["choices"][0]["delta"].get("content") or "" for one in events if one["choices"])
    assert json.loads(text)["age"] == 99


def test_all_choices_are_held(app: Any) -> None:
    body = body_of("chat/completions", grounded="7 or 8", n=4, temperature=1.5, seed=1)
    choices = post(app, "/v1/chat/completions", body).json()["choices"]
    assert {json.loads(one["message"]["content"])["age"] for one in choices} <= {7, 8}
