"""Conversations that end with a turn of the assistant, and contents in parts, at each address."""

from __future__ import annotations

import json
from typing import Any

import pytest
from served_apps import ADA, FORMAT, MESSAGES, PERSON, TEXT, TOOL, post

BEGUN = '{"name": "Ad'
TURN = {"role": "assistant", "content": BEGUN}
CHAT = {"model": "extract", "messages": [*MESSAGES, TURN], "response_format": FORMAT}


def _answer(app: Any, path: str, body: dict[str, Any]) -> tuple[str, Any]:
    """Return the text of a reply, which a stream tells too, and whether it repeats the beginning."""
    whole = post(app, path, body)
    assert whole.status_code == 200, whole.text
    found = whole.json()
    events = [
        json.loads(line[6:])
        for line in post(app, path, {**body, "stream": True}).text.splitlines()
        if line.startswith("data: {")
    ]
    if path == "/v1/chat/completions":
        said = found["choices"][0]["message"]["content"]
        pieces = [one["delta"].get("content") or "" for event in events for one in event["choices"]]
        assert all(event.get("repeats_beginning") == found.get("repeats_beginning") for event in events)
    elif path == "/v1/responses":
        said = found["output"][0]["content"][0]["text"]
        pieces = [event["delta"] for event in events if event["type"].endswith("output_text.delta")]
    else:
        said = found["content"][0]["text"]
        pieces = [
            event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"
        ]
    assert "".join(pieces) == said
    return said, found.get("repeats_beginning")


def test_a_document_that_nobody_asks_about_goes_on_and_the_reply_is_whole(app: Any) -> None:
    said, repeats = _answer(app, "/v1/chat/completions", CHAT)
    assert json.loads(said) == ADA and repeats is True


@pytest.mark.parametrize(
    ("asked", "turn", "repeats"),
    [
        ({"continue_final_message": True}, {}, False),
        ({"continue_final_message": True, "add_generation_prompt": False}, {}, False),
        ({"continue_final_message": True, "echo": True}, {}, True),
        ({}, {"prefix": True}, False),
        ({"echo": True}, {"prefix": True}, True),
        ({"echo": False}, {}, False),
        ({"extra_body": {"continue_final_message": True, "echo": False}}, {}, False),
    ],
)
def test_a_reply_says_whether_it_repeats_the_beginning(
    app: Any, asked: dict[str, Any], turn: dict[str, Any], repeats: bool
) -> None:
    body = {**CHAT, "messages": [*MESSAGES, {**TURN, **turn}], **asked}
    said, told = _answer(app, "/v1/chat/completions", body)
    assert told is repeats
    assert json.loads(said if repeats else BEGUN + said) == ADA


@pytest.mark.parametrize("last", ["Wait.", "", json.dumps(ADA), '{"surname": "'])
@pytest.mark.parametrize("asked", [{}, {"continue_final_message": False}])
def test_another_turn_is_history(app: Any, last: str, asked: dict[str, Any]) -> None:
    messages = [*MESSAGES, {"role": "assistant", "content": last}]
    said, told = _answer(app, "/v1/chat/completions", {**CHAT, "messages": messages, **asked})
    assert set(json.loads(said)) == set(ADA) and told is None


def test_a_turn_that_is_said_to_be_history_is_none_that_goes_on(app: Any) -> None:
    _, told = _answer(app, "/v1/chat/completions", {**CHAT, "continue_final_message": False})
    assert told is None


@pytest.mark.parametrize(
    ("last", "place", "what"),
    [
        ({"role": "assistant", "content": '{"surname'}, "messages/2/content", "at byte 2: "),
        ({"role": "user", "content": "x"}, "continue_final_message", "does not end with a turn"),
    ],
)
def test_what_cannot_go_on_is_refused_by_its_place(app: Any, last: Any, place: str, what: str) -> None:
    body = {**CHAT, "messages": [*MESSAGES, last], "continue_final_message": True}
    error = post(app, "/v1/chat/completions", body).json()["error"]
    assert error["message"].startswith(f"{place}: ") and what in error["message"]
    assert error["param"] == place.replace("/", ".")


def test_a_prompt_has_no_turn(app: Any) -> None:
    body = {"model": "extract", "prompt": "x", "continue_final_message": True}
    answer = post(app, "/v1/completions", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unsupported_parameter")


def test_no_generation_prompt_is_taken_beside_a_turn_that_goes_on_alone(app: Any) -> None:
    answer = post(app, "/v1/chat/completions", {**CHAT, "add_generation_prompt": False})
    assert answer.json()["error"]["param"] == "add_generation_prompt"


def test_a_response_goes_on_with_its_last_item(app: Any) -> None:
    body = {"model": "extract", "input": [*MESSAGES[1:], TURN], "instructions": "Extract."}
    body["text"] = {"format": {"type": "json_schema", "name": "x", "schema": PERSON}}
    said, told = _answer(app, "/v1/responses", body)
    assert json.loads(said) == ADA and told is True


def test_anthropics_address_goes_on_with_a_last_turn_always_and_repeats_nothing(app: Any) -> None:
    body = {"model": "extract", "max_tokens": 60, "messages": [*MESSAGES[1:], TURN]}
    body["output_config"] = {"format": {"type": "json_schema", "schema": PERSON}}
    said, told = _answer(app, "/v1/messages", body)
    assert json.loads(BEGUN + said) == ADA and told is False
    prose = {**body, "messages": [*MESSAGES[1:], {"role": "assistant", "content": "So:"}]}
    error = post(app, "/v1/messages", prose).json()["error"]
    assert "No document begins with this text: unexpected 'S' at byte 0" in error["message"]


def test_a_call_that_has_begun_is_whole_in_the_reply(app: Any) -> None:
    begun = '<tool_call>\n{"name": "save", "arguments": {"name": "Ad'
    messages = [*MESSAGES, {"role": "assistant", "content": begun}]
    body = {"model": "extract", "messages": messages, "tools": [TOOL], "tool_choice": "required"}
    body["parallel_tool_calls"] = False
    for asked in ({}, {"continue_final_message": True}):
        answer = post(app, "/v1/chat/completions", {**body, **asked}).json()
        (call,) = answer["choices"][0]["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"])["name"] == "Ada Lovelace"


# --- contents in parts --------------------------------------------------------------------------------------


def test_parts_of_text_are_one_text(app: Any) -> None:
    def asked(content: Any) -> str:
        body = {**CHAT, "messages": [{"role": "user", "content": content}], "seed": 1}
        return str(post(app, "/v1/chat/completions", body).json()["usage"]["prompt_tokens"])

    pieces = TEXT.split(" ")
    parts = [{"type": "text", "text": one, "cache_control": {"type": "ephemeral"}} for one in pieces]
    assert asked(parts) == asked("\n".join(pieces))


@pytest.mark.parametrize(
    ("part", "fault"),
    [
        (
            {"type": "image_url", "image_url": {"url": "x"}},
            "Images are not supported, got 'image_url'. Describe the content in words.",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
            "Such parts are not supported, got 'input_audio'. Describe the content in words.",
        ),
        (
            {"type": "file", "file": {"file_id": "x"}},
            "The document contains no text. Send its text: files and addresses are not fetched.",
        ),
    ],
)
def test_other_parts_are_refused_by_type_and_place(app: Any, part: dict[str, Any], fault: str) -> None:
    messages = [*MESSAGES, {"role": "user", "content": [{"type": "text", "text": "x"}, part]}]
    error = post(app, "/v1/chat/completions", {**CHAT, "messages": messages}).json()["error"]
    assert error["message"] == f"messages/2/content/1: {fault}"
    assert error["param"] == "messages.2.content.1"


# --- functions of before tools ------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [None, "auto", {"name": "save"}, "none"])
def test_functions_are_tools(app: Any, choice: Any) -> None:
    """The reply to functions is the reply to the same tools."""
    old: dict[str, Any] = {"functions": [TOOL["function"]]}
    new: dict[str, Any] = {"tools": [TOOL]}
    if choice is not None:
        old["function_call"] = choice
        new["tool_choice"] = {"type": "function", "function": choice} if isinstance(choice, dict) else choice
    body = {"model": "extract", "messages": MESSAGES, "max_tokens": 60, "temperature": 0}
    answers = [post(app, "/v1/chat/completions", {**body, **one}).json() for one in (old, new)]
    first, second = (answer["choices"][0] for answer in answers)
    assert first["finish_reason"] == second["finish_reason"]
    assert first["message"]["content"] == second["message"]["content"]
    calls = [[one["function"] for one in it["message"].get("tool_calls", ())] for it in (first, second)]
    assert calls[0] == calls[1] and bool(calls[0]) == (choice != "none")
