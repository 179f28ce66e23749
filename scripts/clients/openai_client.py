"""The package openai."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import openai
from features import (
    ASK,
    CHATS,
    KEY,
    MODEL,
    TEXT,
    V1,
    WEATHER,
    Person,
    feature,
    first_page,
    is_ada,
    is_weather,
    raises,
    run,
)

os.environ |= {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": V1}
client = openai.OpenAI(base_url=V1, api_key=KEY, max_retries=0)
chat = client.chat.completions
HERE: Any = [{"role": "user", "content": TEXT}]
WHERE: Any = [{"role": "user", "content": ASK}]
FUNCTION: Any = {"name": "weather", "description": "The weather of a city.", "parameters": WEATHER}
TOOLS: Any = [{"type": "function", "function": {**FUNCTION, "strict": True}}]
FLAT: Any = [{"type": "function", **FUNCTION, "strict": True}]
CLOSED = {**Person.model_json_schema(), "additionalProperties": False}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "p", "schema": CLOSED}}


def calls_of(reply: Any, most: int = 1) -> list[Any]:
    """Return the calls of a reply, which are of the tool `weather`."""
    calls = reply.choices[0].message.tool_calls
    assert 1 <= len(calls) <= most and reply.choices[0].finish_reason == "tool_calls", reply
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        is_weather(call.function.name, call.function.arguments)
    return list(calls)


@first_page("`OPENAI_BASE_URL=http://HOST/v1`", name="first page: responses")
def _() -> None:
    response = openai.OpenAI().responses.create(
        model="gpt-5.5",
        instructions="You are a coding assistant that talks like a pirate.",
        input="How do I check if a Python object is an instance of a class?",
    )
    assert response.output_text


@first_page("`OPENAI_BASE_URL=http://HOST/v1`", name="first page: chat")
def _() -> None:
    completion = openai.OpenAI().chat.completions.create(
        model="gpt-5.5",
        messages=[
            {"role": "developer", "content": "Talk like a pirate."},
            {"role": "user", "content": "How do I check if a Python object is an instance of a class?"},
        ],
    )
    assert completion.choices[0].message.content


@feature("chat", CHATS)
def _() -> None:
    reply = chat.create(model=MODEL, messages=WHERE, max_tokens=20)
    assert reply.choices[0].message.content and reply.usage and reply.usage.completion_tokens <= 20


@feature("stream", CHATS)
def _() -> None:
    pieces = list(
        chat.create(
            model=MODEL, messages=WHERE, max_tokens=20, stream=True, stream_options={"include_usage": True}
        )
    )
    assert pieces[-1].usage and "".join(one.choices[0].delta.content or "" for one in pieces if one.choices)


@feature("stop", CHATS)
def _() -> None:
    reply = chat.create(model=MODEL, messages=WHERE, max_tokens=40, stop=[" the", "."])
    assert " the" not in (reply.choices[0].message.content or "")


@feature("json_schema")
def _() -> None:
    is_ada(
        chat.create(model=MODEL, messages=HERE, response_format=SCHEMA, stop="\n\n")
        .choices[0]
        .message.content
    )


@feature("parse")
def _() -> None:
    is_ada(chat.parse(model=MODEL, messages=HERE, response_format=Person).choices[0].message.parsed)


@feature("stream of a parsed object")
def _() -> None:
    with chat.stream(model=MODEL, messages=HERE, response_format=Person) as events:
        assert sum(event.type == "content.delta" for event in events) > 3
        is_ada(events.get_final_completion().choices[0].message.parsed)


@feature("json_object")
def _() -> None:
    reply = chat.create(model=MODEL, messages=HERE, response_format={"type": "json_object"}, max_tokens=60)
    assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)


@feature("n")
def _() -> None:
    reply = chat.create(model=MODEL, messages=HERE, response_format=SCHEMA, n=2, max_tokens=60)
    # the second is a draw, of which no more is sure than its form
    assert len([Person.model_validate_json(one.message.content) for one in reply.choices]) == 2


@feature("tools: auto")
def _() -> None:
    reply = chat.create(model=MODEL, messages=WHERE, tools=TOOLS, max_tokens=40, stop=["Observation:"])
    assert reply.choices[0].message.content or calls_of(reply)


@feature("tools: none", CHATS)
def _() -> None:
    reply = chat.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice="none", max_tokens=20)
    assert reply.choices[0].message.content and not reply.choices[0].message.tool_calls


@feature("tools: required")
def _() -> None:
    calls_of(chat.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice="required"))


@feature("tools: named")
def _() -> None:
    named: Any = {"type": "function", "function": {"name": "weather"}}
    reply = chat.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice=named)
    call = (reply.choices[0].message.tool_calls or [])[0]
    is_weather(call.function.name, call.function.arguments)


@feature("tools: allowed")
def _() -> None:
    other: Any = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
    names = [{"type": "function", "function": {"name": "weather"}}]
    allowed: Any = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": names}}
    calls_of(chat.create(model=MODEL, messages=WHERE, tools=[other, *TOOLS], tool_choice=allowed))


@feature("tools: parallel")
def _() -> None:
    asked: Any = [{"role": "user", "content": "What is the weather in London and in Paris?"}]
    reply = chat.create(
        model=MODEL,
        messages=asked,
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=True,
        max_tokens=400,
    )
    calls = calls_of(reply, most=40)
    assert len({call.function.arguments for call in calls}) == len(calls), calls


@feature("tools: parsed arguments")
def _() -> None:
    tool = openai.pydantic_function_tool(Person)
    reply = chat.parse(model=MODEL, messages=HERE, tools=[tool], tool_choice="required")
    is_ada((reply.choices[0].message.tool_calls or [])[0].function.parsed_arguments)


@feature("tools: stream")
def _() -> None:
    with chat.stream(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice="required") as events:
        assert sum(event.type == "tool_calls.function.arguments.delta" for event in events) > 1
        calls_of(events.get_final_completion())


@feature("tools: two turns", CHATS)
def _() -> None:
    asked = chat.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice="required")
    results = [{"role": "tool", "tool_call_id": one.id, "content": "Sunny."} for one in calls_of(asked)]
    history = [*WHERE, asked.choices[0].message, *results]
    reply = chat.create(model=MODEL, messages=history, tools=TOOLS, max_tokens=40)
    assert reply.choices[0].message.content or calls_of(reply)


@feature("tools or a schema")
def _() -> None:
    reply = chat.parse(model=MODEL, messages=HERE, tools=TOOLS, response_format=Person)
    message = reply.choices[0].message
    assert calls_of(reply) if message.tool_calls else isinstance(message.parsed, Person)


@feature("functions")
def _() -> None:
    reply = chat.create(model=MODEL, messages=WHERE, functions=[FUNCTION], function_call={"name": "weather"})
    message: Any = reply.choices[0].message
    call = message.function_call or message.tool_calls[0].function
    is_weather(call.name, call.arguments)


@feature("functions: auto")
def _() -> None:
    reply = chat.create(model=MODEL, messages=WHERE, functions=[FUNCTION], max_tokens=40)
    message: Any = reply.choices[0].message
    call = message.function_call or (message.tool_calls and message.tool_calls[0].function)
    assert is_weather(call.name, call.arguments) is None if call else "{" not in message.content[:1]


@feature("completions", CHATS)
def _() -> None:
    assert client.completions.create(model=MODEL, prompt="The sun", max_tokens=10).choices[0].text


@feature("max_tokens above the context")
def _() -> None:
    is_ada(
        chat.parse(model=MODEL, messages=HERE, response_format=Person, max_tokens=128_000)
        .choices[0]
        .message.parsed
    )


@feature("the error of a long prompt")
def _() -> None:
    long: Any = [{"role": "user", "content": "word and " * 40_000}]
    try:
        chat.create(model=MODEL, messages=long, response_format=SCHEMA)
    except openai.BadRequestError as error:
        assert error.code == "context_length_exceeded" and "maximum context length" in error.message, error
        return
    raise AssertionError("no error")


@feature("the error of a bad schema")
def _() -> None:
    wrong: Any = {"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "strnig"}}}
    with raises(openai.BadRequestError, "strnig"):
        chat.create(model=MODEL, messages=HERE, response_format=wrong)


@feature("responses", CHATS)
def _() -> None:
    reply = client.responses.create(
        model=MODEL,
        input=ASK,
        instructions="Be short.",
        max_output_tokens=20,
        store=False,
        include=["reasoning.encrypted_content"],
        truncation="auto",
    )
    assert reply.output_text


@feature("responses: parse")
def _() -> None:
    is_ada(client.responses.parse(model=MODEL, input=TEXT, text_format=Person).output_parsed)


@feature("responses: stream")
def _() -> None:
    with client.responses.stream(model=MODEL, input=TEXT, text_format=Person) as events:
        assert any(event.type == "response.output_text.delta" for event in events)
        is_ada(events.get_final_response().output_parsed)


@feature("responses: tools")
def _() -> None:
    reply = client.responses.create(model=MODEL, input=ASK, tools=FLAT, tool_choice="required")
    calls = [one for one in reply.output if one.type == "function_call"]
    assert len(calls) == 1
    is_weather(calls[0].name, calls[0].arguments)


@feature("responses: stream of tools")
def _() -> None:
    with client.responses.stream(model=MODEL, input=ASK, tools=FLAT, tool_choice="required") as events:
        assert any(event.type == "response.function_call_arguments.delta" for event in events)
        call: Any = events.get_final_response().output[-1]
    is_weather(call.name, call.arguments)


@feature("responses: two turns", CHATS)
def _() -> None:
    asked: Any = client.responses.create(model=MODEL, input=ASK, tools=FLAT, tool_choice="required")
    results = [
        {"type": "function_call_output", "call_id": one.call_id, "output": "Sunny."}
        for one in asked.output
        if one.type == "function_call"
    ]
    history: Any = [{"role": "user", "content": ASK}, *asked.output, *results]
    reply = client.responses.create(model=MODEL, input=history, tools=FLAT, max_output_tokens=40)
    assert reply.output_text or reply.output


@feature("responses: input tokens")
def _() -> None:
    assert client.responses.input_tokens.count(model=MODEL, input=ASK, tools=FLAT).input_tokens > 3


@feature("batches")
def _() -> None:
    body = {"model": MODEL, "messages": HERE, "response_format": SCHEMA}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=("requests.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    while batch.status in ("validating", "in_progress", "finalizing"):
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed" and batch.output_file_id
    assert batch.id in [one.id for one in client.batches.list()]
    (found,) = map(json.loads, client.files.content(batch.output_file_id).text.splitlines())
    assert found["custom_id"] == "one"
    is_ada(found["response"]["body"]["choices"][0]["message"]["content"])
    assert client.files.delete(file.id).deleted


@feature("models")
def _() -> None:
    assert [one.id for one in client.models.list()] == [MODEL] and client.models.retrieve(MODEL).id == MODEL


run()
