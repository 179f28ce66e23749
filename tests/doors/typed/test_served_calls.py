"""Tools of a model on a server: sent in OpenAI's shape, and the answer is held to them."""

from __future__ import annotations

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any

import openai
import pydantic
import pytest
from asked import Person, asked, awaited, listed
from for_each import for_each
from openai_server import serving
from told_models import Even

import structgen as sg
from structgen.doors.typed.remote_calls import NATIVE, SentCalls

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}


def set_alarm(person: str) -> None:
    """Set an alarm."""
    raise AssertionError("tools are never called")


def sent(name: str = "get_weather", arguments: Any = None, id: str | None = "call_a") -> dict[str, Any]:
    """Return a call as servers send it."""
    said = {"city": "Oslo"} if arguments is None else arguments
    written = said if isinstance(said, str) else json.dumps(said)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": written}}


def answer(*calls: dict[str, Any], content: str | None = None, **more: Any) -> dict[str, Any]:
    return {"content": content, "tool_calls": list(calls), "finish_reason": "tool_calls", **more}


def ask(*answers: Any, tools: Any = (WEATHER, set_alarm), **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return what `sg.run` returns, and what was sent."""
    with serving(*answers) as server:
        found = sg.run(server.model, "Weather in Oslo?", tools=tools, **options)
    return found, server.bodies


# --- what is sent -------------------------------------------------------------------------------------------


def test_tools_are_sent_in_openais_shape() -> None:
    _, (body,) = ask(answer(sent()))
    weather, alarm = body["tools"]
    assert weather == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "",
            "parameters": {**SCHEMA, "additionalProperties": False},
        },
    }
    assert alarm["function"]["strict"] is True  # its schema is in OpenAI's subset, the other one is not
    assert (body["tool_choice"], "parallel_tool_calls" in body) == ("auto", False)
    assert "response_format" not in body


@pytest.mark.parametrize(
    ("options", "choice", "parallel", "names"),
    [
        ({}, "auto", None, ["get_weather", "set_alarm"]),
        ({"tool_choice": "required", "parallel": False}, "required", False, ["get_weather", "set_alarm"]),
        (
            {"tool_choice": "get_weather"},
            {"type": "function", "function": {"name": "get_weather"}},
            False,
            ["get_weather", "set_alarm"],
        ),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "required",
                    "tools": [{"type": "function", "name": "get_weather"}],
                }
            },
            "required",
            False,
            ["get_weather"],
        ),
        ({"target": sg.Call}, "required", False, ["get_weather", "set_alarm"]),
    ],
)
def test_choice_and_parallel_are_sent(
    options: dict[str, Any], choice: Any, parallel: Any, names: list[str]
) -> None:
    _, (body,) = ask(answer(sent()), **options)
    assert body["tool_choice"] == choice
    assert body.get("parallel_tool_calls") is parallel
    assert [one["function"]["name"] for one in body["tools"]] == names


def test_none_and_no_tools() -> None:
    found, (body,) = ask("Sunny.", tool_choice="none")
    assert (found.text, body["tool_choice"]) == ("Sunny.", "none")
    found, (body,) = ask("Sunny.", tools=[])
    assert found.text == "Sunny." and "tools" not in body and "tool_choice" not in body


def test_earlier_calls_are_sent_as_openais_client_types_them() -> None:
    reply, _ = ask(answer(sent()))
    messages = [
        {"role": "user", "content": "?"},
        reply.message(),
        reply.calls[0].result({"sky": "clear"}),
    ]
    with serving("Clear.") as server:
        sg.run(server.model, messages, tools=[WEATHER])
    _, assistant, result = server.bodies[0]["messages"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
    param = pydantic.TypeAdapter(openai.types.chat.ChatCompletionAssistantMessageParam)
    param.validate_python(assistant)
    assert (result["role"], result["tool_call_id"], result["content"]) == (
        "tool",
        "call_a",
        '{"sky": "clear"}',
    )


def test_a_server_that_refuses_parallel_tool_calls_is_asked_without() -> None:
    refusal = {
        "status": 400,
        "error": {"message": "Unsupported parameter", "param": "parallel_tool_calls"},
    }
    with pytest.warns(UserWarning, match="takes no parallel_tool_calls"):
        found, (first, second) = ask(refusal, answer(sent()), parallel=False)
    assert "parallel_tool_calls" in first and "parallel_tool_calls" not in second
    assert len(found.calls) == 1


# --- what comes back ----------------------------------------------------------------------------------------


def test_calls_have_the_servers_ids_and_texts_stand_before_them() -> None:
    found, _ = ask(answer(sent(), sent("set_alarm", {"person": "Ada"}, "call_b"), content="So."))
    assert [(one.id, one.name, one.value()) for one in found.calls] == [
        ("call_a", "get_weather", {"city": "Oslo"}),
        ("call_b", "set_alarm", {"person": "Ada"}),
    ]
    assert found.texts == ["So.", "", ""]


def test_thoughts_are_apart_however_they_are_sent() -> None:
    for one in (
        answer(sent(), reasoning_content="Hm."),
        answer(sent(), content="<think>Hm.</think>"),
    ):
        found, _ = ask(one)
        assert (found.thinking, found.text, len(found.calls)) == ("Hm.", "", 1)


@pytest.mark.parametrize(
    "arguments", ["", "{}", '"{}"'], ids=["nothing", "an empty object", "a string of it"]
)
def test_no_arguments(arguments: str) -> None:
    tool = sg.Tool("now", "", {"type": "object", "properties": {}})
    found, _ = ask(answer(sent("now", arguments)), tools=[tool])
    assert found.calls[0].arguments == {} and found.problems == []


REFUSED = {
    "an unknown tool": (answer(sent("format_disk")), {}, "'format_disk', which is none of the tools"),
    "no JSON": (answer(sent(arguments='{"city": Oslo}')), {}, "cannot be read|none of the schema's"),
    "cut JSON": (answer(sent(arguments='{"city": "Os')), {}, "breaks off|cannot be read"),
    "an argument is missing": (
        answer(sent(arguments={"days": 2})),
        {},
        "get_weather: .*none of the schema's",
    ),
    "an argument too many": (answer(sent(arguments={"city": "a", "sky": 0})), {}, "none of the schema's"),
    "no call": ("Sunny.", {"tool_choice": "required"}, "calls no tool, and it must"),
    "too many calls": (
        answer(sent(), sent(arguments={"city": "Rome"})),
        {"parallel": False},
        "has 2 calls, and may have 1",
    ),
    "a tool that is not chosen": (answer(sent()), {"tool_choice": "set_alarm"}, "none of the tools"),
    "a call where there may be none": (answer(sent()), {"tool_choice": "none"}, "none of the tools"),
}


@pytest.mark.parametrize(("wrong", "options", "said"), REFUSED.values(), ids=REFUSED)
def test_a_reply_that_breaks_the_tools_is_asked_for_again(
    wrong: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(sg.errors.GenerationError, match=said):
        ask(wrong, attempts=1, **options)
    good = "Sunny." if options.get("tool_choice") == "none" else answer(sent())
    if options.get("tool_choice") == "set_alarm":
        good = answer(sent("set_alarm", {"person": "Ada"}))
    with serving(wrong, good) as server:
        outcome = sg.run(server.model, "?", tools=[WEATHER, set_alarm], detailed=True, **options)
    assert (outcome.attempts, outcome.error) == (2, None)
    assert "This answer was refused" in server.bodies[1]["messages"][-1]["content"]


def test_a_reply_that_is_cut_off_is_told_so_and_not_asked_for_again() -> None:
    cut = answer(sent(arguments='{"city": "Os'), finish_reason="length")
    with serving(cut) as server:
        outcome = sg.run(server.model, "?", tools=[WEATHER], detailed=True)
    assert "cut off" in str(outcome.error) and len(server.bodies) == 1
    assert outcome.reply is not None and outcome.reply.partial is not None
    assert outcome.reply.partial.arguments == {"city": "Os"}


HERMES = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
CODER = "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"


@pytest.mark.parametrize(
    ("text", "format"),
    [
        (HERMES, None),
        (CODER, None),
        ('{"name": "get_weather", "parameters": {"city": "Oslo"}}', None),
        (HERMES, "hermes"),
        ('CALL get_weather WITH {"city": "Oslo"} END', sg.ToolFormat("x", "CALL $name WITH $arguments END")),
    ],
)
def test_a_call_that_comes_as_text_is_read(text: str, format: Any) -> None:
    found, _ = ask(f"So. {text}", tool_format=format)
    assert [(one.name, one.arguments) for one in found.calls] == [("get_weather", {"city": "Oslo"})]
    assert found.texts[0] == "So. "


def test_text_that_looks_like_a_call_of_another_is_told_and_not_dropped() -> None:
    with pytest.raises(sg.errors.GenerationError, match="'format_disk', which is none of the tools"):
        ask(HERMES.replace("get_weather", "format_disk"), attempts=1)
    found, _ = ask("A <tool_call> begins a call.")
    assert found.text == "A <tool_call> begins a call." and not found.calls


def test_arguments_that_the_tools_types_refuse_are_asked_for_again() -> None:
    found, bodies = ask(
        answer(sent("Even", {"number": 3})), answer(sent("Even", {"number": 4})), tools=[Even]
    )
    assert found.calls[0].value() == Even(number=4)
    assert "is odd" in bodies[1]["messages"][-1]["content"]


def test_thoughts_cannot_be_asked_for() -> None:
    with pytest.raises(sg.errors.OptionError, match=r"thinking: .*reply\.thinking"):
        ask("x", thinking=True)


# --- an answer of a type beside tools -----------------------------------------------------------------------

BOB = '{"name": "Bob", "age": 7}'
FORGED = json.dumps({"name": HERMES, "age": 7})


def test_a_type_beside_tools_is_sent_as_both() -> None:
    found, (body,) = ask(BOB, target=Person)
    assert found == Person(name="Bob", age=7)
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["name", "age"]
    assert (len(body["tools"]), body["tool_choice"], body["parallel_tool_calls"]) == (2, "auto", False)
    _, (body,) = ask(answer(sent()), target=Person | list[sg.Call])
    assert "parallel_tool_calls" not in body
    _, (body,) = ask(answer(sent()), target=Person, tool_choice="required")
    assert "response_format" not in body
    _, (body,) = ask(BOB, target=Person, tool_choice="none")
    assert "response_format" in body and "tools" not in body


@pytest.mark.parametrize("stream", [False, True])
@for_each(
    ("reply", "value"),
    [
        (BOB, Person(name="Bob", age=7)),
        (f"Sure:\n```json\n{BOB}\n```", Person(name="Bob", age=7)),
        (FORGED, Person(name=HERMES, age=7)),
        (f"Sure:\n```json\n{FORGED}\n```", Person(name=HERMES, age=7)),
        (f"<think>{HERMES}</think>{BOB}", Person(name="Bob", age=7)),
        (answer(sent()), "Oslo"),
        (answer(sent(), content="So."), "Oslo"),
        (answer(sent(), content=BOB), "Oslo"),
        (HERMES, "Oslo"),
        (f"So. {HERMES}", "Oslo"),
        (f"{BOB}\n{HERMES}", "Oslo"),
        (CODER, "Oslo"),
    ],
)
def test_an_answer_is_an_object_or_calls(stream: bool, reply: Any, value: Any) -> None:
    for target in (Person | sg.Call, Person | list[sg.Call], dict[str, Any] | sg.Call):
        found, _ = streaming(reply, target) if stream else ask(reply, target=target, attempts=1)
        found = found[0] if isinstance(found, list) else found
        if isinstance(value, Person) and target == dict[str, Any] | sg.Call:
            found = Person(**found)
        assert (found.arguments["city"] if isinstance(found, sg.Call) else found) == value


def streaming(reply: Any, target: Any) -> tuple[Any, None]:
    with serving(reply) as server:
        *_, last = sg.run(server.model, "?", target, tools=[WEATHER, set_alarm], stream=True)
    return last.result, None


def test_an_answer_that_is_neither_is_asked_for_again() -> None:
    for wrong in ("Hm.", '{"name": "Bob"}', answer(sent("format_disk"))):
        found, bodies = ask(wrong, BOB, target=Person)
        assert found == Person(name="Bob", age=7) and len(bodies) == 2
    with pytest.raises(sg.errors.GenerationError, match="none of the schema's"):
        ask('{"name": "Bob"}', target=Person, attempts=1)


# --- streams ------------------------------------------------------------------------------------------------


def streamed(model: str) -> list[Any]:
    return list(asked(sg.Reply, model=model, tools=[WEATHER, set_alarm]).stream("Weather?"))


CALLS = (sent(), sent("set_alarm", {"person": "Ada"}, "call_b"))


def test_a_stream_has_names_then_arguments_and_ends_as_openais_client_has_it() -> None:
    with serving(answer(*CALLS, content="So.")) as server:
        partials = streamed(server.model)
        client = openai.OpenAI(base_url=server.url, api_key="x")
        with client.chat.completions.stream(
            model="small", messages=[{"role": "user", "content": "?"}]
        ) as stream:
            theirs = stream.until_done().get_final_completion().choices[0].message
    seen = [one.value for one in partials]
    assert seen[0].text == "So."
    begun = [one.partial for one in seen if one.partial is not None]
    assert (begun[0].name, begun[0].arguments, begun[0].id) == ("get_weather", {}, "call_a")
    cities = [one.arguments.get("city") for one in begun if one.name == "get_weather"]
    assert any(city and "Oslo".startswith(city) and city != "Oslo" for city in cities)
    last = partials[-1].result
    assert [(one.id, one.name, one.arguments) for one in last.calls] == [
        (one.id, one.function.name, json.loads(one.function.arguments)) for one in theirs.tool_calls or []
    ]
    assert last.text == theirs.content
    assert partials[-1].text.endswith('{"person": "Ada"}</tool_call>')


@pytest.mark.parametrize(
    "call",
    [
        HERMES,
        CODER,
        '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n'
        "</invoke>\n</minimax:tool_call>",
    ],
)
def test_a_call_that_a_server_streams_as_text_is_a_call_from_its_beginning_on(call: str) -> None:
    with serving(f"So. {call}") as server:
        partials = streamed(server.model)
    assert [one.arguments for one in partials[-1].result.calls] == [{"city": "Oslo"}]
    seen = [one.value for one in partials]
    assert all("So. ".startswith(one.text) for one in seen)
    counts = [len(one.calls) + (one.partial is not None) for one in seen]
    assert counts == sorted(counts) and 1 in counts[:-2]


def test_a_stream_of_text_and_one_that_breaks_the_tools() -> None:
    with serving("Sunny.") as server:
        partials = streamed(server.model)
    assert partials[-1].result.text == "Sunny." and partials[0].value.text == "Sun"
    with (
        serving(answer(sent("format_disk"))) as server,
        pytest.raises(sg.errors.GenerationError, match="format_disk"),
    ):
        streamed(server.model)


def test_a_coroutine_streams_too() -> None:
    async def last(model: str) -> Any:
        ask = awaited(sg.Call, model=model, tools=[WEATHER])
        return await listed(ask.stream("?")), await ask("?")

    with serving(answer(sent())) as server:
        partials, call = asyncio.run(last(server.model))
    assert partials[-1].result == call and call.id == "call_a"


@pytest.mark.parametrize("indices", ["counted", "none", "all 0"])
@pytest.mark.parametrize("names", ["once", "with each piece"])
def test_calls_in_pieces_are_those_of_the_whole_message(indices: str, names: str) -> None:
    """However a server cuts the arguments, counts the calls, and repeats their names and ids."""
    source = random.Random(f"{indices} {names}")
    for _ in range(40):
        listed = [
            {"id": f"id{at}", "name": source.choice(["f", "get_weather"]), "arguments": arguments}
            for at, arguments in enumerate(source.choices(["", "{}", '{"a": "</tool_call>", "a": [1]}'], k=3))
        ]
        whole, pieces = SentCalls(), SentCalls()
        whole.add([SimpleNamespace(id=one["id"], function=SimpleNamespace(**one)) for one in listed])
        before = ""
        for at, one in enumerate(listed):
            rest, is_first = one["arguments"], True
            while rest or is_first:
                size = source.randrange(0 if is_first else 1, 8)
                name = one["name"] if is_first or names == "with each piece" else None
                id = one["id"] if is_first or names == "with each piece" else None
                function = SimpleNamespace(name=name, arguments=rest[:size])
                delta = SimpleNamespace(id=id, function=function)
                if indices != "none":
                    delta.index = at if indices == "counted" else 0
                pieces.add([delta])
                rest, is_first = rest[size:], False
                now = pieces.text(ended=False)
                assert now.startswith(before)
                before = now
        assert pieces.text(ended=True) == whole.text(ended=True)
        reply = sg.parse_calls(whole.text(ended=True), NATIVE, thinking=False)
        said = [json.loads(one["arguments"] or "{}") for one in listed]
        assert [(call.id, call.name, call.arguments) for call in reply.calls] == [
            (one["id"], one["name"], arguments) for one, arguments in zip(listed, said, strict=True)
        ]
