"""What a call makes, at whichever door: one request, one question to the model and one source of its prompt.
No schema is read twice; a call that comes again reads none."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field, create_model
from served_apps import post, schema_format
from small_models import write_chat_llama

import structgen as sg
from structgen.decoding.engine.model_prompts import ModelQuestion
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.typed.prompts import PromptSource
from structgen.schema.reading.document import Document

TEXT = "Ada Lovelace, 36, lives in London with her cats Tom and Kit."
MESSAGES = [{"role": "user", "content": TEXT}]
MOST = 24
KINDS = (sg.Request, ModelQuestion, PromptSource)
SERVED = ("chat", "chat with tools", "responses", "completions", "Anthropic's messages")


@pytest.fixture(scope="module", params=["structgen/extract", "a chat model"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> sg.Engine:
    if request.param == "a chat model":
        return sg.Engine(str(write_chat_llama(tmp_path_factory.mktemp("objects"))))
    return sg.Engine(request.param)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[Any]]:
    """How often each of the classes was made, and how often each schema was read under its options."""
    found = Counter[Any]()

    def count(kind: type, key: Callable[..., Any]) -> None:
        make = kind.__init__

        def counted(self: Any, *given: Any, **named: Any) -> None:
            make(self, *given, **named)
            found[key(*given, **named)] += 1

        monkeypatch.setattr(kind, "__init__", counted)

    for kind in KINDS:
        count(kind, lambda *_, kind=kind, **__: kind)
    count(Document, lambda value, **options: (Document, repr((value, options["policies"]))))
    return found


def random_type(draw: random.Random) -> type[BaseModel]:
    """Return a model of some members, perhaps with others inside, that nobody has read."""
    kinds: list[Any] = [str, int, bool, list[str], float | None]
    if draw.random() < 0.5:
        kinds.append(create_model(f"Inner{draw.randrange(10**9)}", size=(int, Field(description="in cm"))))
    members: dict[str, Any] = {
        f"key_{draw.randrange(10**6)}": (draw.choice(kinds), ...) for _ in range(draw.randint(1, 3))
    }
    return create_model(f"Outer{draw.randrange(10**9)}", **members)


def doors_of(engine: sg.Engine, draw: random.Random) -> dict[str, Callable[[], Any]]:
    """Return calls of all doors, each about another type or schema."""
    app = make_app(ServedModel(engine, "m", tool_format="hermes"))

    def schema() -> Any:
        return random_type(draw).model_json_schema()

    def posted(path: str, **body: Any) -> Callable[[], Any]:
        data = json.dumps({"model": "m", **body}).encode()

        def send() -> None:
            answer = post(app, path, data)
            assert answer.status_code == 200, answer.text

        return send

    kinds = {
        name: random_type(draw) for name in ("run", "detailed", "stream", "arun", "engine", "turn", "call")
    }
    schemas = {name: json.dumps(schema()) for name in ("run", "engine")}
    tool: Any = {"type": "function", "function": {"name": "save", "parameters": schema()}}
    ask = sg.generate(model=engine, max_tokens=MOST * 4)

    def function(text: str) -> Any:
        """Read: {text}"""

    function.__annotations__["return"] = kinds["call"]
    typed = ask(function)
    options: Any = {"max_tokens": MOST * 4}
    begun = [*MESSAGES, {"role": "assistant", "content": "{"}]
    words = sg.choice([f"word {draw.randrange(10**6)}" for _ in range(3)])
    return {
        "a type": lambda: sg.run(engine, TEXT, kinds["run"], **options),
        "a schema": lambda: sg.run(engine, TEXT, json.loads(schemas["run"]), **options),
        "a choice": lambda: sg.run(engine, TEXT, words),
        "free text": lambda: sg.run(engine, TEXT, max_tokens=3),
        "messages": lambda: sg.run(engine, MESSAGES, kinds["run"], **options),
        "a turn that goes on": lambda: sg.run(engine, begun, kinds["turn"], **options),
        "detailed": lambda: sg.run.detailed(engine, TEXT, kinds["detailed"], **options),
        "a stream": lambda: list(sg.run.stream(engine, TEXT, kinds["stream"], **options)),
        "tools": lambda: sg.run(engine, TEXT, tools=[tool], tool_format="hermes", max_tokens=80),
        "arun": lambda: asyncio.run(sg.arun(engine, TEXT, kinds["arun"], **options)),
        "a function": lambda: typed("Ada"),
        "a function with details": lambda: typed.detailed("Ada"),
        "an engine": lambda: engine.generate(sg.Request(TEXT, kinds["engine"])),
        "an engine and a schema": lambda: engine.generate(sg.Request(TEXT, json.loads(schemas["engine"]))),
        "chat": posted("/v1/chat/completions", messages=MESSAGES, response_format=schema_format(schema())),
        "chat with tools": posted("/v1/chat/completions", messages=MESSAGES, tools=[tool], max_tokens=80),
        "responses": posted(
            "/v1/responses",
            input=TEXT,
            text={"format": {"type": "json_schema", "name": "x", "schema": schema()}},
        ),
        "completions": posted("/v1/completions", prompt=TEXT, guided_json=schema()),
        "Anthropic's messages": posted("/v1/messages", messages=MESSAGES, max_tokens=3),
    }


def schemas_of(made: Counter[Any]) -> Counter[str]:
    """Return how often each schema was read."""
    return Counter({key[1]: count for key, count in made.items() if isinstance(key, tuple)})


@pytest.mark.filterwarnings("ignore::structgen.errors.ShortenedWarning")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_each_door_makes_one_of_each_and_reads_no_schema_twice(
    engine: sg.Engine, made: Counter[Any], seed: int
) -> None:
    is_embedded = engine.prompts.is_embedded
    for name, call in doors_of(engine, random.Random(seed)).items():
        for is_again in (False, True):
            made.clear()
            call()
            # a text with the marks of tool calls is guarded: the question is made once more
            is_guarded = "tools" in name and not is_embedded
            most = {kind: 1 + (is_guarded and kind is ModelQuestion) for kind in KINDS}
            # the server adds the salt of its client to the request
            most[sg.Request] += name in SERVED
            assert made[sg.Request] and all(made[kind] <= most[kind] for kind in KINDS), (name, made)
            read = schemas_of(made)
            assert max(read.values(), default=0) <= 1, (name, read)
            # the outline of a tool is that of a schema which nobody compiles
            assert not is_again or not read or "tools" in name, (name, read)
