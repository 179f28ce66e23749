"""What OpenAI's own client gets of the server: replies whole and in pieces, calls, samples, events."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel
from served_apps import (
    ADA,
    CHAT,
    FORMAT,
    PERSON,
    TEXT,
    TOOL,
    http_client,
    openai_client,
    post,
    run,
    schema_format,
)

import structgen as sg


class Person(BaseModel):
    name: str
    age: int
    city: Literal["London", "Paris"]


@pytest.fixture
def client(app: Any) -> Iterator[openai.AsyncOpenAI]:
    yield openai_client(app)


def create(client: openai.AsyncOpenAI, **more: Any) -> Any:
    async def work() -> Any:
        return await client.chat.completions.create(**{**CHAT, **more})

    return run(work)


def stream(client: openai.AsyncOpenAI, **more: Any) -> list[Any]:
    async def work() -> list[Any]:
        return [one async for one in await client.chat.completions.create(**{**CHAT, "stream": True, **more})]

    found: list[Any] = run(work)
    return found


# --- chat completions ---------------------------------------------------------------------------------------


def test_a_reply_is_a_document_of_its_format(client: openai.AsyncOpenAI, engine: sg.Engine) -> None:
    found = create(client, response_format=FORMAT)
    (choice,) = found.choices
    assert choice.message.content == json.dumps(ADA) and choice.finish_reason == "stop"
    assert found.usage.completion_tokens > 0 and found.usage.prompt_tokens > 0
    assert json.loads(choice.message.content) == sg.run(engine, TEXT, PERSON)


def test_a_stream_has_the_text_of_the_whole_reply(client: openai.AsyncOpenAI) -> None:
    chunks = stream(client, response_format=FORMAT, stream_options={"include_usage": True})
    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert json.loads(text) == ADA
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert all(one.usage is None for one in chunks[:-1])


def test_the_helper_of_streams_parses_the_document(client: openai.AsyncOpenAI) -> None:
    async def work() -> Any:
        async with client.chat.completions.stream(**CHAT, response_format=Person) as events:
            kinds = {event.type async for event in events}
            return kinds, await events.get_final_completion()

    kinds, found = run(work)
    assert found.choices[0].message.parsed == Person(**ADA)  # type: ignore[arg-type]
    assert "content.delta" in kinds


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "save"}}])
def test_a_call_has_arguments_of_its_schema(client: openai.AsyncOpenAI, choice: Any) -> None:
    found = create(client, tools=[TOOL], tool_choice=choice, parallel_tool_calls=False).choices[0]
    (call,) = found.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("save", ADA)
    assert found.finish_reason == "tool_calls" and found.message.content is None and call.id


def test_a_call_comes_in_pieces(client: openai.AsyncOpenAI) -> None:
    chunks = stream(client, tools=[TOOL], tool_choice="required", parallel_tool_calls=False)
    pieces = [call for one in chunks for call in one.choices[0].delta.tool_calls or ()]
    first, *rest = pieces
    assert first.id and first.function.name == "save" and first.type == "function"
    assert all(one.index == 0 and one.id is None and one.function.name is None for one in rest)
    assert json.loads("".join(one.function.arguments for one in pieces)) == ADA
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_samples_have_indices_and_the_same_seed_the_same_texts(client: openai.AsyncOpenAI) -> None:
    options = {"response_format": FORMAT, "n": 3, "temperature": 1.5, "seed": 7}
    found, again = create(client, **options), create(client, **options)
    texts = [one.message.content for one in found.choices]
    assert [one.index for one in found.choices] == [0, 1, 2]
    assert texts == [one.message.content for one in again.choices]
    assert all(set(json.loads(text)) == set(ADA) for text in texts)
    chunks = stream(client, **options)
    streamed = ["", "", ""]
    for one in chunks:
        streamed[one.choices[0].index] += one.choices[0].delta.content or ""
    assert streamed == texts


def test_without_a_seed_drawn_texts_differ(client: openai.AsyncOpenAI) -> None:
    # Two lots of sixteen texts at temperature 2: no chance worth naming that all are equal.
    options = {"temperature": 2, "max_tokens": 30, "n": 16}
    first, second = ([one.message.content for one in create(client, **options).choices] for _ in range(2))
    assert first != second


def test_a_budget_closes_the_document(client: openai.AsyncOpenAI) -> None:
    schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
    found = create(
        client, response_format=schema_format(schema), max_completion_tokens=9, temperature=2, seed=1, n=16
    )
    assert all(json.loads(one.message.content) and one.finish_reason == "stop" for one in found.choices)
    assert any(one.model_dump().get("closed_early") for one in found.choices)


def test_a_text_ends_at_a_stop_string(client: openai.AsyncOpenAI) -> None:
    options = {"seed": 3, "temperature": 1, "max_tokens": 40}
    whole = create(client, **options).choices[0].message.content
    cut = create(client, stop=[whole[4:7]], **options).choices[0]
    assert cut.message.content == whole[: whole.index(whole[4:7])] and cut.finish_reason == "stop"


def test_log_probabilities_are_those_of_the_tokens(client: openai.AsyncOpenAI) -> None:
    options = {"response_format": FORMAT, "logprobs": True, "top_logprobs": 2}
    content = create(client, **options).choices[0].logprobs.content
    assert json.loads("".join(one.token for one in content)) == ADA
    assert all(one.logprob <= 0 and len(one.top_logprobs) == 2 for one in content)
    assert all(bytes(one.bytes).decode() == one.token for one in content)
    last = stream(client, **options)[-1].choices[0]
    assert [one.token for one in last.logprobs.content] == [one.token for one in content]


# --- responses and completions ------------------------------------------------------------------------------


def test_a_response_comes_as_events(client: openai.AsyncOpenAI) -> None:
    async def work() -> Any:
        async with client.responses.stream(model="extract", input=TEXT, text_format=Person) as events:
            kinds = [event.type async for event in events]
            return kinds, await events.get_final_response()

    kinds, found = run(work)
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    assert "response.output_text.delta" in kinds and found.output_parsed == Person(**ADA)  # type: ignore[arg-type]


def test_events_are_numbered_and_their_pieces_are_the_whole(app: Any) -> None:
    body = {
        "model": "extract",
        "input": TEXT,
        "stream": True,
        "text": {"format": {"type": "json_schema", "name": "p", "schema": PERSON}},
    }
    lines = post(app, "/v1/responses", body).text.split("\n\n")
    events = [json.loads(one.partition("data: ")[2]) for one in lines if one]
    assert [one["sequence_number"] for one in events] == list(range(len(events)))
    assert [f"event: {one['type']}" for one in events] == [one.splitlines()[0] for one in lines if one]
    pieces = "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")
    assert json.loads(pieces) == ADA and events[-1]["response"]["output"][0]["content"][0]["text"] == pieces


def test_a_response_calls_a_tool_and_reads_what_came_of_it(client: openai.AsyncOpenAI) -> None:
    tool: Any = {"type": "function", "name": "save", "parameters": PERSON, "strict": True}

    async def work() -> Any:
        async with client.responses.stream(
            model="extract", input=TEXT, tools=[tool], tool_choice="required", parallel_tool_calls=False
        ) as events:
            async for _ in events:
                pass
            first = await events.get_final_response()
        (call,) = (one for one in first.output if one.type == "function_call")
        given: Any = [
            {"role": "user", "content": TEXT},
            call.model_dump(exclude={"parsed_arguments"}),
            {"type": "function_call_output", "call_id": call.call_id, "output": "saved"},
        ]
        return call, await client.responses.create(model="extract", input=given, max_output_tokens=9)

    call, second = run(work)
    assert (call.name, json.loads(call.arguments)) == ("save", ADA) and second.output


def test_completions_take_prompts_and_ids(client: openai.AsyncOpenAI, engine: sg.Engine) -> None:
    ids = engine.prompt_tokens(sg.Request(TEXT, sg.json_schema(PERSON)))
    extra = {"structured_outputs": {"json": PERSON}}

    async def work(prompt: Any) -> Any:
        return await client.completions.create(model="extract", prompt=prompt, logprobs=1, extra_body=extra)

    many, single = run(lambda: work([TEXT, "Bob, 3, Paris."])), run(lambda: work(ids))
    assert [json.loads(one.text)["name"] for one in many.choices] == ["Ada Lovelace", "Bob"]
    assert [one.index for one in many.choices] == [0, 1]
    assert json.loads(single.choices[0].text) == ADA
    shown = single.choices[0].logprobs
    assert "".join(shown.tokens) == single.choices[0].text
    assert shown.text_offset == [len("".join(shown.tokens[:at])) for at in range(len(shown.tokens))]


# --- many, and addresses ------------------------------------------------------------------------------------


def test_sixteen_connections_get_their_own_documents(app: Any) -> None:
    async def work() -> list[Any]:
        client = openai_client(app)
        names = [f"Person{number}" for number in range(16)]
        asked = [
            client.chat.completions.create(
                model="extract",
                messages=[{"role": "user", "content": f"{name}, {at}, lives in Paris."}],
                response_format=FORMAT,
                stream=False,
            )
            for at, name in enumerate(names)
        ]
        return list(await asyncio.gather(*asked))

    found = [json.loads(one.choices[0].message.content) for one in run(work)]
    assert all(set(one) == set(ADA) for one in found)
    alone = [one["age"] for one in found]
    assert alone == list(range(16))


def test_the_model_is_listed_and_healthy(app: Any) -> None:
    async def work() -> Any:
        client, http = openai_client(app), http_client(app)
        listed = [one.id async for one in await client.models.list()]
        return listed, (await client.models.retrieve("extract")).id, (await http.get("/health")).json()

    assert run(work) == (["extract"], "extract", {"status": "ok", "model": "extract"})


def test_metrics_count_answers_and_tokens(engine: sg.Engine) -> None:
    from served_apps import app_of

    app = app_of(engine)
    used = post(app, "/v1/chat/completions", {**CHAT, "response_format": FORMAT}).json()["usage"]
    post(app, "/v1/chat/completions", {**CHAT, "model": "other"})
    page = run(lambda: http_client(app).get("/metrics")).text
    assert f"structgen_generated_tokens_total {float(used['completion_tokens'])}" in page
    assert f"structgen_prompt_tokens_total {float(used['prompt_tokens'])}" in page
    for status in ("200", "404"):
        assert f'structgen_requests_total{{path="/v1/chat/completions",status="{status}"}} 1.0' in page


# --- custom tools -------------------------------------------------------------------------------------------

SUM = {"type": "grammar", "syntax": "lark", "definition": 'start: NUM "+" NUM\nNUM: /[0-9]{1,2}/\n'}


def test_a_custom_tool_is_called_with_a_text_of_its_grammar_in_chat(client: openai.AsyncOpenAI) -> None:
    format = {"type": "grammar", "grammar": {"syntax": "lark", "definition": SUM["definition"]}}
    tool: Any = {"type": "custom", "custom": {"name": "sum", "format": format}}
    choice: Any = {"type": "custom", "custom": {"name": "sum"}}
    body: Any = {"model": "extract", "messages": [{"role": "user", "content": TEXT}], "tools": [tool]}

    async def work() -> Any:
        whole = await client.chat.completions.create(**body, tool_choice=choice)
        events = await client.chat.completions.create(**body, tool_choice=choice, stream=True)
        return whole, [one async for one in events]

    whole, chunks = run(work)
    (call,) = whole.choices[0].message.tool_calls
    assert call.type == "custom" and re.fullmatch(r"\d{1,2}\+\d{1,2}", call.custom.input)
    pieces = [
        one for chunk in chunks for one in (chunk.choices[0].delta.model_dump().get("tool_calls") or ())
    ]
    assert "".join(one["custom"]["input"] for one in pieces) == call.custom.input
    assert pieces[0]["custom"]["name"] == "sum" and pieces[0]["type"] == "custom"
    messages = [
        *body["messages"],
        whole.choices[0].message,
        {"role": "tool", "tool_call_id": call.id, "content": "7"},
    ]
    again = run(lambda: client.chat.completions.create(model="extract", messages=messages, max_tokens=3))
    assert again.choices


def test_a_custom_tool_is_called_with_a_text_of_its_grammar_in_responses(client: openai.AsyncOpenAI) -> None:
    tool: Any = {"type": "custom", "name": "sum", "format": SUM}

    async def work() -> Any:
        body: Any = {"model": "extract", "input": TEXT, "tools": [tool], "tool_choice": "required"}
        body["parallel_tool_calls"] = False
        events = await client.responses.create(**body, stream=True)
        found = [one async for one in events]
        whole = await client.responses.create(**body)
        return whole, found

    whole, events = run(work)
    (call,) = (one for one in whole.output if one.type == "custom_tool_call")
    assert re.fullmatch(r"\d{1,2}\+\d{1,2}", call.input)
    deltas = [one.delta for one in events if one.type == "response.custom_tool_call_input.delta"]
    (done,) = (one for one in events if one.type == "response.custom_tool_call_input.done")
    assert "".join(deltas) == done.input == call.input
    given: Any = [call, {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "7"}]
    assert run(lambda: client.responses.create(model="extract", input=given, max_output_tokens=3)).output


def test_functions_of_before_tools_are_called(client: openai.AsyncOpenAI) -> None:
    functions: Any = [{"name": "save", "parameters": PERSON}]
    body: Any = {"model": "extract", "messages": [{"role": "user", "content": TEXT}], "verbosity": "low"}
    found = run(
        lambda: client.chat.completions.create(**body, functions=functions, function_call={"name": "save"})
    )
    assert json.loads(found.choices[0].message.tool_calls[0].function.arguments) == ADA
