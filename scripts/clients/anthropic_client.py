"""The package anthropic, with its tool runner."""

from __future__ import annotations

import os
from typing import Any

import anthropic
from anthropic import beta_tool
from features import (
    ASK,
    BOTH,
    CHATS,
    EXTRACTS,
    HOST,
    KEY,
    MODEL,
    TEXT,
    WEATHER,
    Person,
    feature,
    first_page,
    is_ada,
    is_weather,
    raises,
    run,
    was_asked,
    weather,
)

os.environ |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": HOST}
client = anthropic.Anthropic(base_url=HOST, api_key=KEY, max_retries=0)
HERE: Any = [{"role": "user", "content": TEXT}]
WHERE: Any = [{"role": "user", "content": ASK}]
TOOLS: Any = [{"name": "weather", "description": "The weather of a city.", "input_schema": WEATHER}]
ANY: Any = {"type": "any"}
MOST = 4096


def calls_of(reply: Any) -> list[Any]:
    """Return the one call of a reply, in a list."""
    calls = [one for one in reply.content if one.type == "tool_use"]
    assert len(calls) == 1 and reply.stop_reason == "tool_use", reply
    is_weather(calls[0].name, calls[0].input)
    return calls


@first_page("`ANTHROPIC_BASE_URL=http://HOST`")
def _() -> None:
    message = anthropic.Anthropic().messages.create(
        max_tokens=1024,
        messages=[{"role": "user", "content": "Hello, Claude"}],
        model="claude-opus-5",
    )
    assert message.content[0].text


@feature("messages", CHATS)
def _() -> None:
    reply = client.messages.create(model=MODEL, messages=WHERE, system="Be short.", max_tokens=20)
    assert (
        reply.content[0].text
        and reply.stop_reason in ("end_turn", "max_tokens")
        and reply.usage.output_tokens
    )


@feature("stream", CHATS)
def _() -> None:
    with client.messages.stream(model=MODEL, messages=WHERE, max_tokens=20) as events:
        assert "".join(events.text_stream) == events.get_final_message().content[0].text != ""


@feature("stop_sequences", CHATS)
def _() -> None:
    reply = client.messages.create(model=MODEL, messages=WHERE, max_tokens=60, stop_sequences=[" the", "."])
    assert reply.stop_reason == "stop_sequence" and reply.stop_sequence in (" the", ".")


@feature("count_tokens")
def _() -> None:
    assert client.messages.count_tokens(model=MODEL, messages=WHERE, tools=TOOLS).input_tokens > 3


@feature("tools: auto")
def _() -> None:
    reply = client.messages.create(
        model=MODEL, messages=WHERE, tools=TOOLS, max_tokens=40, stop_sequences=["Observation:"]
    )
    assert reply.content[0].type == "text" or calls_of(reply)


@feature("tools: any")
def _() -> None:
    calls_of(
        client.messages.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice=ANY, max_tokens=MOST)
    )


@feature("tools: named")
def _() -> None:
    named: Any = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    calls_of(
        client.messages.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice=named, max_tokens=MOST)
    )


@feature("tools: stream")
def _() -> None:
    with client.messages.stream(
        model=MODEL, messages=WHERE, tools=TOOLS, tool_choice=ANY, max_tokens=MOST
    ) as events:
        assert any(event.type == "input_json" for event in events)
        calls_of(events.get_final_message())


@feature("tools: two turns", CHATS)
def _() -> None:
    asked = client.messages.create(model=MODEL, messages=WHERE, tools=TOOLS, tool_choice=ANY, max_tokens=MOST)
    results = [{"type": "tool_result", "tool_use_id": one.id, "content": "Sunny."} for one in calls_of(asked)]
    history: Any = [
        *WHERE,
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": results},
    ]
    assert client.messages.create(model=MODEL, messages=history, tools=TOOLS, max_tokens=40).content


@feature("tool runner")
def _() -> None:
    # `auto` is always a call of `extract`, so that its loop ends where the runner ends it
    runner = client.beta.messages.tool_runner(
        model=MODEL, messages=WHERE, tools=[beta_tool(weather)], max_tokens=60, max_iterations=2
    )
    assert 1 <= len(list(runner)) <= 2
    if EXTRACTS:
        was_asked(2)


@feature("tool runner: any")
def _() -> None:
    runner = client.beta.messages.tool_runner(
        model=MODEL,
        messages=WHERE,
        tools=[beta_tool(weather)],
        tool_choice=ANY,
        max_tokens=MOST,
        max_iterations=2,
    )
    assert len(list(runner)) == 2
    was_asked(2)


@feature("tool runner: stream")
def _() -> None:
    runner = client.beta.messages.tool_runner(
        model=MODEL,
        messages=WHERE,
        tools=[beta_tool(weather)],
        tool_choice=ANY,
        max_tokens=MOST,
        max_iterations=2,
        stream=True,
    )
    assert [True for stream in runner for event in stream if event.type == "input_json"]
    was_asked(2)


@feature("output_config")
def _() -> None:
    schema = {**Person.model_json_schema(), "additionalProperties": False}
    asked: Any = {"format": {"type": "json_schema", "schema": schema}}
    is_ada(
        client.messages.create(model=MODEL, messages=HERE, output_config=asked, max_tokens=MOST)
        .content[0]
        .text
    )


@feature("parse")
def _() -> None:
    is_ada(
        client.messages.parse(model=MODEL, messages=HERE, output_format=Person, max_tokens=MOST).parsed_output
    )


@feature("stream of a parsed object")
def _() -> None:
    with client.messages.stream(model=MODEL, messages=HERE, output_format=Person, max_tokens=MOST) as events:
        is_ada(events.get_final_message().parsed_output)


@feature("max_tokens above the context")
def _() -> None:
    reply = client.messages.parse(
        model=MODEL, messages=HERE, output_format=Person, max_tokens=64_000, timeout=600
    )
    is_ada(reply.parsed_output)


@feature("the error of a long prompt")
def _() -> None:
    long: Any = [{"role": "user", "content": "word and " * 40_000}]
    with raises(anthropic.BadRequestError, "prompt is too long", "context"):
        client.messages.create(model=MODEL, messages=long, max_tokens=60)


@feature("the error of an absent address")
def _() -> None:
    with raises(anthropic.NotFoundError, "not_found_error"):
        client.messages.batches.list()


@feature("models", BOTH)
def _() -> None:
    assert [one.id for one in client.models.list()] == [MODEL]


run()
