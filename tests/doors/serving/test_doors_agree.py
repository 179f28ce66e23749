"""The same task at every door has the same prompt and, greedy, the same text."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter
from served_apps import post, schema_format
from small_models import write_chat_llama
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file
from structgen.doors.cli import app as commands
from structgen.doors.cli.model_requests import ModelRequests
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel

MOST = 50
TEXT = "Ada Lovelace, 36, lives in London with her cats Tom and Kit."
MESSAGES = [{"role": "user", "content": TEXT}]


class Cat(BaseModel):
    name: str


class Owner(BaseModel):
    name: str
    cats: list[Cat]


class Mood(BaseModel):
    mood: Literal["calm", "cross"]


class City(Enum):
    PARIS = "Paris"
    LONDON = "London"


TARGETS: dict[str, Any] = {
    "object": TypeAdapter(dict[str, int]).json_schema() | {"maxProperties": 2},
    "nested": Owner.model_json_schema(),
    "labels": TypeAdapter(Literal["calm", "cross", "crossed"]).json_schema(),
    "enum": TypeAdapter(City).json_schema(),
    "flag": {"type": "boolean"},
    "only member": Mood.model_json_schema() | {"additionalProperties": False},
    "integer": {"type": "integer"},
    "list": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
}
TOOL = {
    "type": "function",
    "function": {"name": "save", "description": "Save an owner.", "parameters": Owner.model_json_schema()},
}


class Asked:
    """An engine with the prompts, as token ids, that it was asked last."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.engine = sg.Engine(model)
        self.prompts: list[tuple[int, ...]] = []
        inner = self.engine._submit_checked

        def submitted(request: sg.Request) -> Any:
            self.prompts.append(tuple(self.engine.reading.read_request(request).tokens))
            return inner(request)

        self.engine._submit_checked = submitted  # type: ignore[method-assign]
        self.app = make_app(ServedModel(self.engine, "m", tool_format="hermes"))

    def answer(self, ask: Callable[[], str]) -> tuple[str, tuple[int, ...]]:
        """Return a text, and the prompt that it was written behind."""
        self.prompts.clear()
        text = ask()
        (prompt,) = self.prompts
        return text, prompt

    def posted(self, path: str, **body: Any) -> Any:
        found = post(self.app, path, {"model": "m", **body})
        assert found.status_code == 200, found.text
        return found.json()


@pytest.fixture(
    scope="module",
    params=["structgen/extract", "a chat model", pytest.param("smollm2", marks=pytest.mark.slow)],
)
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    if request.param == "a chat model":
        return Asked(str(write_chat_llama(tmp_path_factory.mktemp("doors"))))
    if request.param == "smollm2":
        try:
            gguf_file("smollm2")
        except sg.StructgenError:
            pytest.skip("smollm2 is not installed")
    return Asked(request.param)


def commanded(asked: Asked, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Return what a command prints, whose model is the engine that is there."""
    monkeypatch.setattr(ModelRequests, "load_engine", lambda _: asked.engine)
    done = CliRunner().invoke(
        commands(), [*arguments, "--model", asked.model, "--max-tokens", str(MOST)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def chat(asked: Asked, **more: Any) -> str:
    body = asked.posted("/v1/chat/completions", messages=MESSAGES, max_tokens=MOST, **more)
    return str(body["choices"][0]["message"]["content"])


@pytest.mark.parametrize("name", TARGETS)
def test_a_schema_is_answered_alike_at_every_door(
    asked: Asked, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    schema = TARGETS[name]
    policies = ServedModel(asked.engine).policies  # a grammar has its own
    named = {"name": "x", "schema": schema}
    wanted = {"max_tokens": MOST}
    prompts, out = tmp_path / "prompts.jsonl", tmp_path / "out.jsonl"
    prompts.write_text(json.dumps({"prompt": TEXT}))

    def bulk() -> str:
        files = ("--prompts", str(prompts), "--out", str(out))
        commanded(asked, monkeypatch, "bulk", "--schema", json.dumps(schema), *files)
        return str(json.loads(out.read_text())["text"])

    def generated() -> str:
        given = ("--schema", json.dumps(schema), "--prompt", TEXT)
        return commanded(asked, monkeypatch, "generate", *given).removesuffix("\n")

    doors = {
        "response_format": lambda: chat(asked, response_format=schema_format(schema)),
        "guided_json": lambda: chat(asked, guided_json=schema),
        "structured_outputs": lambda: chat(asked, structured_outputs={"json": schema}),
        "responses": lambda: asked.posted(
            "/v1/responses",
            input=TEXT,
            text={"format": {"type": "json_schema", **named}},
            max_output_tokens=MOST,
        )["output"][0]["content"][0]["text"],
        "messages": lambda: asked.posted(
            "/v1/messages",
            messages=MESSAGES,
            output_config={"format": {"type": "json_schema", "schema": schema}},
            **wanted,
        )["content"][0]["text"],
        "generate": generated,
        "bulk": bulk,
        "engine": lambda: (
            asked.engine.generate(sg.Request(TEXT, sg.json_schema(schema, **policies), **wanted))[0].text
        ),
    }
    ours = asked.answer(lambda: sg.run(asked.engine, TEXT, schema, detailed=True, **wanted).text)
    for door, ask in doors.items():
        assert asked.answer(ask) == ours, door


@pytest.mark.parametrize("hint", [Owner, Mood, Literal["calm", "cross"], City, bool, int, list[str]])
def test_a_type_is_answered_alike_at_every_door(
    asked: Asked, hint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = sg.generate(model=asked.engine, max_tokens=MOST)(_returning(hint))
    ours = asked.answer(lambda: sg.run(asked.engine, TEXT, hint, detailed=True, max_tokens=MOST).text)
    assert asked.answer(lambda: written.detailed(TEXT).text) == ours
    schema = written.schema
    assert asked.answer(lambda: chat(asked, response_format=schema_format(schema))) == ours


def _returning(hint: Any) -> Any:
    def written(text: str) -> Any:
        """{text}"""
        return sg.filled()

    written.__annotations__["return"] = hint
    return written


@pytest.mark.parametrize("choice", ["required", "auto"])
def test_tools_are_told_and_called_alike_at_every_door(asked: Asked, choice: str) -> None:
    ours = asked.answer(
        lambda: _call(
            sg.run(
                asked.engine,
                TEXT,
                tools=[TOOL],
                tool_format="hermes",
                tool_choice=choice,
                parallel=False,
                max_tokens=MOST,
            )
        )
    )
    more = {"tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False}

    def completed() -> str:
        body = asked.posted("/v1/chat/completions", messages=MESSAGES, max_tokens=MOST, **more)
        message = body["choices"][0]["message"]
        calls = message.get("tool_calls")
        return calls[0]["function"]["arguments"] if calls else message["content"]

    def responded() -> str:
        flat = {"type": "function", **TOOL["function"]}
        asking = {**more, "tools": [flat], "max_output_tokens": MOST}
        item = asked.posted("/v1/responses", input=TEXT, **asking)["output"][0]
        return item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"]

    def messaged() -> str:
        function = TOOL["function"]
        tool = {"name": "save", "description": "Save an owner.", "input_schema": function["parameters"]}
        how = {"type": {"required": "any"}.get(choice, choice), "disable_parallel_tool_use": True}
        asking = {"messages": MESSAGES, "tools": [tool], "tool_choice": how, "max_tokens": MOST}
        block = asked.posted("/v1/messages", **asking)["content"][0]
        return json.dumps(block["input"]) if block["type"] == "tool_use" else block["text"]

    for ask in (completed, responded, messaged):
        text, prompt = asked.answer(ask)
        assert (_plain(text), prompt) == (_plain(ours[0]), ours[1]), ask.__name__


def _call(reply: sg.Reply) -> str:
    return json.dumps(reply.calls[0].arguments) if reply.calls else reply.text


def _plain(text: str) -> Any:
    """Return the arguments of a call as values; any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


OPTIONAL = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
}
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}


@pytest.mark.parametrize(
    ("text", "schema", "stated"),
    [
        (
            "Ada Lovelace, 36, lives in London.",
            OPTIONAL,
            {"name": "Ada Lovelace", "age": 36, "city": "London"},
        ),
        ("Ada is 36 and lives in Rome.", OPTIONAL, {"name": "Ada", "age": 36}),
        ("What is the weather in Oslo for 3 days?", WEATHER, {"city": "Oslo", "days": 3}),
        ("What is the weather in Oslo?", {**WEATHER, "required": []}, {"city": "Oslo"}),
    ],
)
def test_optional_members_that_the_text_states_are_filled_in_calls_too(
    text: str, schema: Any, stated: dict[str, Any]
) -> None:
    """The embedded model fills in a call what it fills under `response_format`, at both doors."""
    engine = sg.Engine("structgen/extract")
    name = "get_weather" if "days" in schema["properties"] else "save"
    tool = {"type": "function", "function": {"name": name, "parameters": schema}}
    messages = [{"role": "user", "content": text}]
    body = {"model": "m", "messages": messages, "tools": [tool], "temperature": 0}
    said = post(make_app(ServedModel(engine, "m")), "/v1/chat/completions", body).json()
    (call,) = said["choices"][0]["message"]["tool_calls"]
    (ours,) = sg.run(engine, messages, tools=[tool]).calls
    assert json.loads(call["function"]["arguments"]) == ours.arguments
    assert stated.items() <= ours.arguments.items()
    document = sg.run(engine, messages, {**schema, "additionalProperties": False})
    assert document.keys() & stated.keys() <= ours.arguments.keys()
