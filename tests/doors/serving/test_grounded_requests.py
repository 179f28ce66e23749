"""`grounded`, `quotes` and `missing` of requests: at each address, of each type, and what is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from for_each import for_each
from served_apps import MESSAGES, TOOL, app_of, http_client, post, run, schema_format

import structgen as sg

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
def test_they_are_refused_for_free_text(app: Any, member: str) -> None:
    chat = {"model": "extract", "messages": MESSAGES, member: True}
    for more in ({}, {"tools": [TOOL], "tool_choice": "none"}):
        error = refused(post(app, "/v1/chat/completions", {**chat, **more}))
        assert error["param"] == member and "Free text has no values" in error["message"]


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


# --- beside tools -------------------------------------------------------------------------------------------

BOOK = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "format": "date"},
        "guests": {"type": "integer"},
        "name": {"type": "string"},
    },
    "required": ["day", "guests"],
    "additionalProperties": False,
}
ASKED = "A table for 4 on 3 May 2024 for Ada Moss, please."
BOOKED = {"day": "2024-05-03", "guests": 4}
CLOCK: dict[str, Any] = {"type": "object", "properties": {}}


def scripted(*replies: Any) -> Any:
    """Return the application of a model that gives these replies, one after another."""
    return app_of(sg.testing.Scripted([*replies]))


def call_of(tool: str = "book", /, **arguments: Any) -> sg.Call:
    return sg.Call(tool, {**(BOOKED if tool == "book" else {}), **arguments}, "call_0")


def call_body(address: str, text: Any = ASKED, **more: Any) -> dict[str, Any]:
    """Return a body that lets a model call two tools about a text, or about turns."""
    named = [("book", BOOK), ("clock", CLOCK)]
    turns = [{"role": "user", "content": text}] if isinstance(text, str) else text
    members: dict[str, Any] = {"model": "extract", "grounded": True}
    match address:
        case "messages":
            tools: Any = [{"name": name, "input_schema": schema} for name, schema in named]
            members |= {"messages": turns, "max_tokens": 200}
        case "responses":
            tools = [{"type": "function", "name": name, "parameters": schema} for name, schema in named]
            members["input"] = turns
        case _:
            functions = [{"name": name, "parameters": schema} for name, schema in named]
            tools = [{"type": "function", "function": function} for function in functions]
            members["messages"] = turns
    return {**members, "tools": tools, **more}


CALLING = ["chat/completions", "responses", "messages"]


def read_calls(found: Any) -> list[tuple[str, Any]]:
    """Return the names and the arguments of the calls in an answer of any address."""
    if "choices" in found:
        calls = [call["function"] for call in found["choices"][0]["message"].get("tool_calls", ())]
        return [(call["name"], json.loads(call["arguments"])) for call in calls]
    if "output" in found:
        calls = [item for item in found["output"] if item["type"] == "function_call"]
        return [(call["name"], json.loads(call["arguments"])) for call in calls]
    return [(block["name"], block["input"]) for block in found["content"] if block["type"] == "tool_use"]


def is_forbidden(reply: Any, address: str, *text: Any, **more: Any) -> bool:
    """Return whether the mask of the server refuses a reply."""
    answer = post(scripted(reply), f"/v1/{address}", call_body(address, *text, **more))
    assert answer.status_code == 200 or "rejects" in answer.text, answer.text
    return answer.status_code != 200


@for_each("address", CALLING)
def test_the_arguments_of_calls_are_of_the_text(address: str) -> None:
    answer = post(scripted(call_of(name="Ada Moss")), f"/v1/{address}", call_body(address, quotes=True))
    assert (
        read_calls(answer.json()) == [("book", {**BOOKED, "name": "Ada Moss"})]
        and HEADER not in answer.headers
    )
    assert is_forbidden(call_of(guests=5), address) and is_forbidden(call_of(day="2024-05-04"), address)
    assert not is_forbidden(call_of(name="Eve"), address) and is_forbidden(
        call_of(name="Eve"), address, quotes=True
    )
    for grounded in ("5 guests on 4 May 2024", {"a": "5 guests", "b": "on 4 May 2024"}):
        assert not is_forbidden(call_of(guests=5, day="2024-05-04"), address, grounded=grounded)
        assert is_forbidden(call_of(), address, grounded=grounded)


@for_each("address", CALLING)
def test_a_tool_that_is_left_out_is_told_in_the_header(address: str) -> None:
    answer = post(scripted("Which day?"), f"/v1/{address}", call_body(address, "A table for 4."))
    assert answer.status_code == 200 and read_calls(answer.json()) == []
    assert answer.headers[HEADER].startswith("grounded: The tool book is left out. The text")
    assert is_forbidden(call_of(), address, "A table for 4.")
    assert not is_forbidden(call_of("clock"), address, "A table for 4.")
    assert not is_forbidden(call_of(day="2024-05-04"), address, "A table for 4.", missing="free")


@for_each("address", CALLING)
def test_no_call_that_may_be_written_is_the_error_of_the_request(address: str) -> None:
    choice: Any = {"type": "any"} if address == "messages" else "required"
    body = call_body(address, "A table.", tool_choice=choice)
    body["tools"] = body["tools"][:1]
    error = refused(post(scripted(), f"/v1/{address}", body))
    assert "states no date for /day" in error["message"] and "book" in error["message"]
    assert error.get("code") in ("not_stated", None) and "sg." not in error["message"]


RESULT = "There are 9 seats on 7 June 2025."
FUNCTION = {"name": "clock", "arguments": "{}"}
USED = {"type": "tool_use", "id": "a", "name": "clock", "input": {}}
HISTORIES: dict[str, Any] = {
    "chat/completions": [
        {"role": "user", "content": ASKED},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "a", "type": "function", "function": FUNCTION}],
        },
        {"role": "tool", "tool_call_id": "a", "content": RESULT},
    ],
    "responses": [
        {"role": "user", "content": ASKED},
        {"type": "function_call", "call_id": "a", **FUNCTION},
        {"type": "function_call_output", "call_id": "a", "output": RESULT},
    ],
    "messages": [
        {"role": "user", "content": ASKED},
        {"role": "assistant", "content": [USED]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": RESULT}]},
    ],
}
SEATS = call_of(day="2025-06-07", guests=9)


@for_each("address", CALLING)
def test_a_result_of_a_tool_counts_only_where_it_is_named(address: str) -> None:
    turns = HISTORIES[address]
    assert not is_forbidden(call_of(), address, turns) and is_forbidden(SEATS, address, turns)
    assert not is_forbidden(SEATS, address, turns, grounded={"asked": ASKED, "result": RESULT})
    # results alone: nobody asked for anything
    assert is_forbidden(SEATS, address, turns[1:]) and is_forbidden(call_of(), address, turns[1:])


def test_a_document_in_a_result_counts_for_the_answer_and_not_for_calls() -> None:
    content = [{"type": "text", "text": RESULT}]
    found = {"type": "search_result", "source": "https://a.example", "title": "Seats", "content": content}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [found]}
    turns = [*HISTORIES["messages"][:2], {"role": "user", "content": [result]}]
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert is_forbidden(SEATS, "messages", turns) and not is_forbidden(call_of(), "messages", turns)
    for age, is_stated in ((9, True), (4, False)):
        reply = {"name": "Ada", "age": age}
        assert is_forbidden(reply, "messages", turns, output_config=form) is not is_stated


def test_a_document_of_the_user_counts_for_calls_with_the_words_beside_it() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": RESULT}}
    turns = [{"role": "user", "content": [document, {"type": "text", "text": "For 4, please."}]}]
    assert not is_forbidden(call_of(day="2025-06-07", guests=4), "messages", turns)
    assert is_forbidden(call_of(day="2025-06-07", guests=5), "messages", turns)


def test_a_stream_of_calls_is_held() -> None:
    app = scripted(call_of(name="Ada Moss"))
    answer = post(app, "/v1/chat/completions", call_body("chat/completions", stream=True))
    events = [json.loads(one[6:]) for one in answer.text.splitlines() if one.startswith("data: {")]
    deltas = [call for one in events for call in one["choices"][0]["delta"].get("tool_calls", ())]
    assert json.loads("".join(one["function"]["arguments"] for one in deltas)) == {
        **BOOKED,
        "name": "Ada Moss",
    }
    answer = post(
        scripted(call_of(guests=5)), "/v1/chat/completions", call_body("chat/completions", stream=True)
    )
    assert "rejects" in refused(answer)["message"]


def test_quotes_of_a_tool_are_held_without_a_member() -> None:
    body = call_body("chat/completions", grounded=None)
    body["tools"][0]["function"]["parameters"] = {
        **BOOK,
        "properties": {**BOOK["properties"], "name": {"type": "string", "x-quote": {"words": 2}}},
    }
    for name, status in (("Ada Moss", 200), ("Eve", 400)):
        answer = post(scripted(call_of(guests=5, name=name)), "/v1/chat/completions", body)
        assert answer.status_code == status, answer.text


def test_arguments_are_cited_as_answers_are() -> None:
    anthropic = pytest.importorskip("anthropic")
    source = {"type": "text", "media_type": "text/plain", "data": ASKED}
    document = {"type": "document", "source": source, "title": "m", "citations": {"enabled": True}}
    replies = [[call_of(name="Ada Moss"), call_of("clock"), call_of(name="Ada")]] * 2
    body = call_body("messages", [{"role": "user", "content": [document]}])
    app = scripted(*replies)
    blocks = post(app, "/v1/messages", body).json()["content"]
    cited = [[(one["path"], one["cited_text"]) for one in block.get("citations", ())] for block in blocks]
    both = [("/day", "3 May 2024"), ("/guests", "4")]
    assert cited == [[*both, ("/name", "Ada Moss")], [], [*both, ("/name", "Ada")]]
    stream = post(app, "/v1/messages", {**body, "stream": True}).text
    events = [json.loads(one[6:]) for one in stream.splitlines() if one.startswith("data: ")]
    deltas = [one for one in events if one.get("delta", {}).get("type") == "citations_delta"]
    assert [[one["delta"]["citation"] for one in deltas if one["index"] == at] for at in range(3)] == [
        block.get("citations", []) for block in blocks
    ]
    client = anthropic.AsyncAnthropic(
        base_url="http://test", api_key="any", max_retries=0, http_client=http_client(scripted(*replies))
    )
    grounded = {"grounded": body.pop("grounded")}

    async def work() -> Any:
        async with client.messages.stream(**body, extra_body=grounded) as stream:
            return await stream.get_final_message()

    inputs = [block.input for block in run(work).content]
    assert inputs == [{**BOOKED, "name": "Ada Moss"}, {}, {**BOOKED, "name": "Ada"}]
