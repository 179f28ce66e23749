"""What servers say, and what their callers get: OpenAI's protocol, Ollama's and Anthropic's, row by row.

A row: the replies of a server, one after another; what the caller gets, as `checked` reads it; what is asked;
and what the last request has. Each row is asked by `sg.run` and `sg.arun`, and where there is one reply also
as a stream.
"""

from __future__ import annotations

import asyncio
import enum
import importlib.util
import json
import random
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from http.server import HTTPServer
from operator import attrgetter
from pathlib import Path
from socket import socket
from typing import Annotated, Any, Literal

import openai
import pydantic
import pytest
from asked import ADA, Person, asked
from command_line import commanded
from for_each import for_each
from openai_server import claude_events, serving
from pydantic import BaseModel
from told_models import Even

import structgen as sg
from structgen.doors.typed.remote import LOST
from structgen.doors.typed.servers import ServerHabits, server_of

pytest.importorskip("anthropic")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key")


PAGE = Path(__file__).parents[3] / "docs" / "typed-functions.md"
FIELDS = ("max_tokens", "max_completion_tokens", "temperature", "seed", "response_format")
JSON, EVENTS, HTML = "application/json", "text/event-stream", "text/html"
PERSON, BOB, BO = Person(name="Ada", age=36), '{"name": "Bob", "age": 7}', '{"name": "Bo", "age": 7}'
PRETTY = json.dumps(json.loads(ADA), indent=2)
THOUGHT = 'The text says {"name": "Bo", "age": 7}, no: Ada.'
REFUSED_BEFORE = {"messages/-1/content": re.compile("This answer was refused: ")}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
told = re.compile
"""Words of an error."""


class Empty(BaseModel):
    note: str = ""


class Colour(enum.Enum):
    RED = "red"
    THREE = 3


class Priced(BaseModel):
    value: int


class Named(BaseModel):
    name: str


def set_alarm(person: str) -> None:
    """Set an alarm."""
    raise AssertionError("tools are never called")


def tooled(**options: Any) -> dict[str, Any]:
    return {"target": None, "tools": [WEATHER, set_alarm], **options}


def sent(name: str = "get_weather", arguments: Any = None, id: str | None = "call_a") -> dict[str, Any]:
    """Return a call as servers send it."""
    said = {"city": "Oslo"} if arguments is None else arguments
    written = said if isinstance(said, str) else json.dumps(said)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": written}}


def answer(*calls: dict[str, Any], content: str | None = None, **more: Any) -> dict[str, Any]:
    return {"content": content, "tool_calls": list(calls), "finish_reason": "tool_calls", **more}


def refusal(message: str | None, status: int = 400, **more: Any) -> dict[str, Any]:
    return {"status": status, "error": {"message": message, **more}}


def raw(status: int, said: Any, kind: str = "", **more: str) -> dict[str, Any]:
    """Return a whole reply: a text, or a value as JSON."""
    if isinstance(said, str):
        kind = kind or (HTML if said.startswith("<") else "text/plain")
    text = said if isinstance(said, str) else json.dumps(said)
    return {"status": status, "raw": text.encode(), "kind": kind or JSON, **more}


def streamed(*chunks: Any) -> dict[str, Any]:
    return raw(200, "".join(f"data: {json.dumps(one)}\n\n" for one in chunks), EVENTS)


def chunk(**delta: Any) -> dict[str, Any]:
    reason = delta.pop("reason", None)
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def called(outcome: sg.Outcome[Any]) -> list[Any]:
    return [(one.id, one.name, one.value()) for one in outcome.calls]


def value_of(outcome: sg.Outcome[Any]) -> Any:
    """Return the members of the object, or the arguments of the first call."""
    value = outcome.value[0] if isinstance(outcome.value, list) else outcome.value
    return (
        value.arguments if isinstance(value, sg.Call) else value if isinstance(value, dict) else dict(value)
    )


def named(body: Mapping[str, Any]) -> list[str]:
    return [one["function"]["name"] for one in body["tools"]]


def fields(body: Mapping[str, Any]) -> set[str]:
    return {field for field in FIELDS if field in body}


# --- the table ----------------------------------------------------------------------------------------------


async def _later(stream: bool, *call: Any, **how: Any) -> Any:
    if stream:
        return [one async for one in sg.arun.stream(*call, detailed=True, **how)][-1].outcome
    return await sg.arun.detailed(*call, **how)


DOORS: dict[str, Callable[..., Any]] = {
    "run": sg.run.detailed,
    "stream": lambda *call, **how: [*sg.run.stream(*call, detailed=True, **how)][-1].outcome,
    "arun": lambda *call, **how: asyncio.run(_later(False, *call, **how)),
    "astream": lambda *call, **how: asyncio.run(_later(True, *call, **how)),
}
SHARES = [
    ("run", 1),
    ("stream", 1),
    *((door, 3) for door in ("arun", "astream")),
    *(pytest.param(door, 1, marks=pytest.mark.slow) for door in ("arun", "astream")),
]
"""A door, and that it takes one row in so many: coroutine functions share the core of the others."""
WHOLE, STREAM = {"doors": ("run", "arun")}, {"doors": ("stream", "astream")}


def of_path(held: Any, path: Any) -> Any:
    """Return a member of a body by its path, None where it is not there; or what a function says of it."""
    if callable(path):
        return path(held)
    for key in path.split("/"):
        if isinstance(held, list):
            held = held[int(key)] if int(key) < len(held) else None
        elif held is not None:
            held = held.get(key)
    return held


def checked(found: Any, wanted: Any) -> None:
    """Hold what was found to a value of its type, or to a pattern of its text."""
    if isinstance(wanted, re.Pattern):
        assert wanted.search(str(found)), (wanted, found)
    else:
        assert (found, repr(found)) == (wanted, repr(wanted))


def check_row(door: str, row: Any, *, is_claude: bool = False) -> None:
    says, gets, given, has = (*row, {}, {})[:4]
    replies = says if isinstance(says, tuple) else (says,)
    attempts = sum(not (isinstance(one, dict) and "status" in one) for one in replies) or 1
    given = {"target": Person, "prompt": "Who?", "attempts": attempts, **given}
    name, leave_out = given.pop("name", "small"), given.pop("leave_out", ())
    requests, doors = given.pop("requests", len(replies)), given.pop("doors", DOORS)
    if door not in doors or (attempts > 1 and "stream" in door):
        return
    with serving(*replies) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = server.claude if is_claude else sg.Server(server.url, name, leave_out=leave_out)
        outcome = DOORS[door](model, given.pop("prompt"), given.pop("target"), **given)
    assert len(server.bodies) == requests
    if isinstance(gets, re.Pattern):
        assert str(outcome.error).endswith(outcome.error.cure)
        gets = {"error": gets}
    elif not isinstance(gets, dict):
        gets = {"value": gets}
    for path, wanted in gets.items():
        checked((path if callable(path) else attrgetter(path))(outcome), wanted)
    for path, wanted in has.items():
        checked(of_path(server.bodies[-1], path), wanted)


CASES: list[tuple[str, str, Any]] = [
    # the row of docs/typed-functions.md, what becomes of it, the reply
    ("the document alone", "read", ADA),
    ("a fence: ` ```json `", "read", f"```json\n{PRETTY}\n```"),
    ("a fence with another word behind the marks", "read", f"```python\n{ADA}\n```\n"),
    ("a sentence before and after", "read", f"Sure! Here it is [1]: {ADA} Hope it helps :)"),
    ("`<think>...</think>`, then the document", "read", f"<think>\n{THOUGHT}\n</think>\n\n{ADA}"),
    ("`</think>` without `<think>`", "read", f"Okay. {THOUGHT}\n</think>\n```json\n{ADA}\n```"),
    ("a byte order mark before it", "read", f"\ufeff{ADA}"),
    ("the same document twice", "read", f"{ADA}\n\nAs asked:\n```json\n{PRETTY}\n```"),
    ("two JSON values, of which exactly one is valid", "read", f'A draft: {{"name": "Ada"}}. Done: {ADA}'),
    ("two valid documents", "asked again", f"{BO}\nNo, I mean:\n{ADA}"),
    ("`<think>` that is never closed", "asked again", f"<think>{THOUGHT} {ADA}"),
    ("comments, trailing commas", "asked again", '{"name": "Ada", "age": 36,} // an age'),
    ("typographic quotes", "asked again", "{“name”: “Ada”, “age”: 36}"),
    ("a document that breaks the schema", "asked again", '{"name": "Ada", "age": "36"}'),
    ("a list around the document", "asked again", f"[{ADA}]"),
    ("a call of a tool, as text", "asked again", f'{{"name": "person", "arguments": {ADA}}}'),
    ("a refusal, as text", "asked again", "I'm sorry, but I can't help with that."),
    ("an empty reply, or null", "asked again", None),
    (
        "an empty reply beside a full `reasoning_content` or `reasoning`",
        "asked again",
        {"content": None, "reasoning_content": THOUGHT},
    ),
    ("a fence that is cut off", "error", {"content": f"```json\n{ADA[:-3]}", "finish_reason": "length"}),
    ("a refusal in the field `refusal`", "error", {"refusal": "I will not."}),
    ("a call of a tool in `tool_calls`", "error", {"finish_reason": "tool_calls", "tool_calls": []}),
]
ENUM, PATTERN = {"choice": ["red", "blue"]}, {"regex": "(.|\n)*"}
SENT = "response_format/json_schema"
DOCUMENTS: list[Any] = [
    # what is sent
    (
        ADA,
        {"value": PERSON, "usage.prompt_tokens": 5, "usage.tokens": 7},
        {"sampling": sg.Sampling(temperature=0.2, seed=4), "max_tokens": 99, "outline": True, **WHOLE},
        {"model": "small", "temperature": 0.2, "seed": 4, "max_tokens": 99, f"{SENT}/strict": True},
    ),
    (
        "one",
        "one",
        {"target": str, "stop": ["."], "sampling": sg.Sampling(logit_bias={5: -100})},
        {"stop": ["."], "logit_bias": {"5": -100.0}},
    ),
    *(
        (says, PERSON, {"leave_out": leave_out}, {fields: {*left}})
        for says in (ADA, ('{"name": 1}', ADA))
        for leave_out, left in [
            ((), (FIELDS[0], *FIELDS[2:])),
            ("max_tokens", FIELDS[1:]),
            (FIELDS[:2], FIELDS[2:]),
            (["temperature", "seed"], (FIELDS[0], FIELDS[4])),
            ("response_format", (FIELDS[0], *FIELDS[2:4])),
        ]
    ),
    (
        ADA,
        PERSON,
        {"prompt": [{"role": "user", "content": [IMAGE]}], "leave_out": "response_format"},
        {"messages/0/content/0": IMAGE, "messages/0/content/1/text": told("of this JSON Schema")},
    ),
    (('{"name": "Ada"}', ADA), PERSON, {"outline": False}, {"messages": told(r"^(?!.*JSON Schema)")}),
    *(
        (
            ('{"value": "green"}', '{"value": "red"}'),
            {"value": "red", "result.value": "red", "attempts": 2},
            {"target": target},
            {f"{SENT}/schema/properties/value": {"type": "string", **schema}},
        )
        for target, schema in [
            (ENUM, {"enum": ["blue", "red"]}),
            ({"regex": "red|[a-z]{3}"}, {"pattern": "^(?:red|[a-z]{3})$"}),
        ]
    ),
    (
        said := '{ "value" : [1, 2]}',
        {"value": [1, 2], "text": said},
        {"target": list[int]},
        {f"{SENT}/schema/required": ["value"]},
    ),
    *(
        (
            says,
            {"value": json.loads(says), "text": text},
            {"target": target, "wrap": False},
            {f"{SENT}/schema/type": kind},
        )
        for says, text, target, kind in [
            ("[1, 2]", "[1, 2]", list[int], "array"),
            ('"red"', "red", ENUM, "string"),
        ]
    ),
    # what is read
    *(
        (f'{{"value": {says}}}', {"text": text}, {"target": target})
        for says, text, target in [
            ("3", "3", {"type": "integer"}),
            ('{"name": "Bo"}', '{"name": "Bo"}', {}),
            ('"red"', "red", ENUM),
        ]
    ),
    *(
        ((says, '{"value": [1, 2]}'), {"value": [1, 2], "attempts": 2}, {"target": list[int]})
        for says in ('{"other": [1, 2]}', '{"value": [1, 2], "more": 3}')
    ),
    (
        said := f"<think>\n{THOUGHT}\n</think>\nSure: {ADA}.",
        {"text": ADA, "result.thoughts": THOUGHT, "result.reply": said},
    ),
    *(
        (
            {"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": ADA}], key: "Hm."},
            {"value": PERSON, "result.thoughts": "Hm."},
            WHOLE,
        )
        for key in ("reasoning_content", "reasoning")
    ),
    *(
        (says, {"value": 5, "attempts": 1, "text": '{"value": 5}'}, {"target": int})
        for says in ('{"value": 5}', "5", "```\n5\n```", "<think>2+3</think>\n5", 'So: {"value": 5}')
    ),
    *(
        (
            (says, '{"value": [5]}'),
            [5],
            {"target": list[int] if "[" in says else int | list[int]},
            {"messages": told("inside a sentence" if "[" in says else "^(?!.*inside a sentence)")},
        )
        for says in ("It is 5.", "See [5].", "```\n5\n```\n```\n6\n```", "5 6")
    ),
    *(
        (says, {"value": "red", "attempts": 1}, {"target": target})
        for says in ('{"value": "red"}', "red", '"red"\n', "```\nred\n```", "<think>red, blue</think> red")
        for target in (ENUM, {"regex": "red|blue"}, Literal["red", "blue"], Literal["red"] | None)
    ),
    *(
        (says, {"value": value, "attempts": 1}, {"target": target})
        for target, says, value in [
            (Colour, "red", Colour.RED),
            (Colour, "```\nred\n```", Colour.RED),
            (Colour, "<think>3 or red</think>\n3", Colour.THREE),
            (Literal["red"], "'red'", "red"),
            (Literal["red"], "\u201cred\u201d", "red"),
            (Literal["red", "blue"], "`blue`", "blue"),
            (Literal[1, "1"], "1", 1),
            (Literal[1, "1"], '"1"', "1"),
            (Literal[True, "x"], "true", True),
            (Literal["x"] | int, "x", "x"),
            (Literal["x"] | int, "7", 7),
            (Literal["x"] | None, "null", None),
            ({"oneOf": [{"const": "red"}, {"const": "blue"}]}, "red", "red"),
        ]
    ),
    *(
        ((says, '{"value": "red"}'), {"value": "red", "attempts": 2}, {"target": target})
        for says in ("Red", "red.", "It is red.", "red blue", "```\nred\n```\n```\nblue\n```", "{red}")
        for target in (ENUM, Literal["red", "blue"])
    ),
    (("red", '{"value": "red"}'), {"value": "red", "attempts": 2}, {"target": str | int}),
    # an answer that is reasoning alone
    *(
        (({**said, "content": content}, ADA), {"value": PERSON, "attempts": 2}, {}, {"messages": told(words)})
        for content in (None, "", " \n")
        for said, words in [
            ({"reasoning_content": "Hm."}, "all of it is reasoning .3 characters.. Increase max_tokens"),
            ({"reasoning": THOUGHT}, f"is reasoning .{len(THOUGHT)} characters"),
            ({}, "The reply is empty"),
        ]
    ),
    (
        ("<think>Hm.</think>\n", ADA),
        {"value": PERSON, "attempts": 2},
        {},
        {"messages": told("no answer follows")},
    ),
    *(
        (f'{{"value": {said}}}', value, {"target": target})
        for text in ("-0", "-0.0", "-0.00", "100.0", "100.00")
        for target, said, value in [
            ({"type": "integer"}, text, int(float(text))),
            (list[int], f"[{text}]", [int(float(text))]),
        ]
    ),
    ('<think>Hm.</think>\n{"value": "red"}', "red", {"target": PATTERN}),
    *(
        ((says, '{"value": "red"}'), {"value": "red", "attempts": 2}, {"target": PATTERN})
        for says in ('{"value": "a"} or {"value": "b"}', "<think>Hm", "", {"content": None})
    ),
    ('{"value": ""}', "", {"target": {"regex": "a*"}}),
    ('{"value": {"value": 5}}', Priced(value=5), {"target": Priced | Named}),
    ('{"value": 5}', Priced(value=5), {"target": Priced | Named, **WHOLE}),
    (('{"value": "abc"}', '{"value": "ABC"}'), "ABC", {"target": Annotated[str, sg.Regex("[A-Z]{3}")]}),
    (
        ('{"value": ' + "[" * 20_000 + "]" * 20_000 + "}", '{"value": ["S"]}'),
        ["S"],
        {"target": list[Literal["S"]]},
    ),
    # what is asked again, and told
    *(
        ((says, says), told(words), {}, REFUSED_BEFORE | {"messages/1/role": "assistant" if says else "user"})
        for says, words in [
            (f"{ADA} or {BO}", "contains 2 different documents that match the schema"),
            (f"<think>{ADA}", "contains only reasoning: no answer follows it"),
            (" \n", "is empty"),
            ("", "is empty"),
            ('{"name": "Ada", ', 'unexpected end of text at byte 16: expected the key "age"'),
            ('Sure: {"name": "Ada"}!', '"," \\(the key "age" must still come\\)'),
        ]
    ),
    ("x", told("unexpected 'x' at byte 0: expected an integer"), {"target": int}),
    ("purple", told("unexpected 'p' at byte 0: expected .*blue"), {"target": ENUM}),
    ('"re', told("unexpected end of text at byte 3: expected .*red"), {"target": ENUM}),
    ('{"value": 5}', told("unexpected '5' at byte 10: expected .*red"), {"target": ENUM}),
    # what is not asked again
    (
        {"content": f"Sure!\n```json\n{ADA[:-3]}", "finish_reason": "length"},
        {"error": told("truncated"), "error.text": ADA[:-3], "finish_reason": sg.FinishReason.MAX_TOKENS},
        {"attempts": 3},
    ),
    ({"content": "", "finish_reason": "content_filter"}, told("content_filter"), {"attempts": 3}),
]
WORDS: list[Any] = [
    {"error": {"message": "the words", "type": "x", "param": None, "code": None}},
    {"error": "the words"},
    {"error": "Bad Request", "message": "the words", "statusCode": 400},
    {"error": True, "message": "the words"},
    {"detail": "the words"},
    {"detail": [{"type": "missing", "loc": ["body", "top_j"], "msg": "the words", "input": {}}]},
    {"detail": {"error": {"message": "the words"}}},
    {"object": "error", "message": "the words", "code": 40001},
    {"errors": [{"message": "the words"}, {"message": "and others"}]},
    [{"error": {"message": "the words", "code": 400}}],
    "the words",
    "<html><head><title>400</title></head><body><p>the\nwords</p></body></html>",
]
ONCE, OTHER_URL = told(r"(?s)^(?!.*the words.*the words).*the words"), told("it usually ends in /v1\\.")
deep: Any = "the words"
for _ in range(300):
    deep = {"error": deep}
FAILURES: list[Any] = [
    *(
        (refusal(said), told("its message says why" if said else "without a reason"), {"attempts": 3})
        for said in (
            "max_tokens is too large: 512. This model supports at most 100.",
            "temperature must be at most 1.",
            "The prompt has an unsupported character.",
            "Unknown model 'small'.",
            None,
        )
    ),
    *(
        (refusal(said.format(name)), told("message says why"), {"name": name, "attempts": 3})
        for name in ("seed", "seed-coder", "org/seed:7b", "grammar", "unsupported-seed")
        for said in ("Unknown model '{}'.", "The model `{}` is not supported.", "Unsupported model: {}")
    ),
    *(
        (refusal("the words", status), told(f"the words.*{cure}"), {"requests": 1 + (status in (429, 500))})
        for status, cure in [
            (404, "which usually ends in /v1, and the model's name 'small': curl http"),
            (401, "OPENAI_API_KEY"),
            (403, "OPENAI_API_KEY"),
            (400, "its message says why"),
            (422, "its message says why"),
            (429, "request fewer texts at a time"),
            (500, "Check the server's log\\."),
        ]
    ),
    *((raw(400, said), ONCE) for said in WORDS),
    *((raw(200, said), ONCE, WHOLE) for said in WORDS if not isinstance(said, list)),
    (raw(400, WORDS[5]), told("body/top_j: the words")),
    *((raw(200, said), told("the words"), STREAM) for said in WORDS if isinstance(said, dict)),
    *(
        (streamed(said), told("the words"), STREAM)  # of both openai keeps the member error alone
        for said in WORDS
        if isinstance(said, dict) and not {"error", "message"} <= said.keys()
    ),
    *(
        (raw(status, said), {"error": told(cure), "error.cure": told(f"^{cure}")}, {"attempts": 3})
        for said in ("", {}, {"error": None}, {"error": {}}, [1], {"detail": [[]]})
        for status, cure in [
            (400, "The server rejected the request without a reason: check its log\\.$"),
            (404, "Check the URL, which usually ends in /v1"),
        ]
    ),
    *((raw(400, said), told(r"(?s)\A.{1,899}\Z")) for said in (deep, {"error": "x" * 10**6})),
    *(
        (
            {"content": content, key: "Hm, Ada.", "finish_reason": reason},
            {"error": told(words), "result.thoughts": "Hm, Ada."},
            {"target": target, **WHOLE},
        )
        for content in (None, "")
        for key in ("reasoning_content", "reasoning")
        for target in (Person, int, str, Literal["red"])
        for reason, words in [
            (
                "stop",
                r"reply is empty: all of it is reasoning \(8 characters\)\. Increase max_tokens; or turn off",
            ),
            ("length", r"The reply is empty: all of it is reasoning.* Increase max_tokens\.$"),
        ]
    ),
    (
        streamed(chunk(reasoning_content="Hm."), chunk(reason="stop")),
        told("all of it is reasoning"),
        STREAM,
    ),
    (raw(200, {}), told("no choices\\."), WHOLE),
    (raw(200, {"choices": []}), told(r"no choices\[0\]\."), WHOLE),
    (raw(200, {"choices": [{"finish_reason": "stop"}]}), told(r"no choices\[0\]\.message\."), WHOLE),
    (raw(200, "<html>"), told("no choices\\."), WHOLE),
    (raw(200, "<html>"), {"error": told("has no finish_reason"), "error.cure": OTHER_URL}, STREAM),
    (raw(200, "data: {\n\n", EVENTS), {"error": told("is not JSON"), "error.cure": OTHER_URL}, STREAM),
    (streamed({"choices": []}), {"error": told("has no finish_reason"), "error.cure": OTHER_URL}, STREAM),
    (
        raw(200, {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}),
        told("does not support streaming: it returned a single JSON object.*Call the function itself"),
        STREAM,
    ),
    (raw(200, "data: {}\n\n", EVENTS, promised="999"), told("Cannot reach the server: "), STREAM),
    (streamed(chunk(content=ADA[:9]), {"detail": "the words"}), {"error.text": ADA[:9]}, STREAM),
    (ADA, told("^stop: "), {"stop": ".", "requests": 0, **STREAM}),
]
OPENAI_TOKENS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
)
OPENAI_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0 with this model. Only 1 is supported."
)
LEARNT: list[Any] = [
    (
        (refusal(OPENAI_TOKENS), refusal("seed is not supported"), ADA),
        PERSON,
        {},
        {"max_completion_tokens": 512},
    ),
    (
        (refusal("This model does not support response format `json_schema`."), '["S"]'),
        ["S"],
        {"target": list[str]},
        {"messages/0/content": told(r"(?s)^Who\?\n\nAnswer with one JSON document of this JSON Schema.*\n{")},
    ),
    *(
        ((raw(422, said), ADA), PERSON, {}, {fields: {FIELDS[0], FIELDS[2], FIELDS[4]}})
        for said in [
            {"error": "seed: extra inputs are not permitted"},
            {"detail": "seed: extra inputs are not permitted"},
            {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        ]
    ),
]


REFUSALS = (
    OPENAI_TOKENS,
    OPENAI_TEMPERATURE,
    "seed: extra inputs are not permitted",
    "Unrecognized request argument supplied: seed",
    "not supported by this model: seed",
    "This model does not support response format `json_schema`.",
    "body.seed: Extra inputs are not permitted",
    "temperature must be at most 1.",
    "`temperature` is deprecated for this model.",
    "Invalid schema for response_format 'answer'.",
)


def learnt(said: str, name: str, **more: Any) -> tuple[bool, list[str | None]]:
    """Return whether a refusal is worth another request, and the fields that are then sent."""
    habits = ServerHabits(sg.Server("http://h/v1", name))
    error: Any = Exception(said)
    error.status_code, error.body = 400, {"message": said}
    schema = {"json_schema": {"schema": {"type": "object"}}}
    for key, value in more.items():
        setattr(error, key, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        again = habits.learn_from_error(error, {**dict.fromkeys(FIELDS, 1), "response_format": schema})
    sent = [habits.sent_name_of(field) for field in FIELDS]
    return again, [*sent, str(habits.accepts_schema(schema["json_schema"]["schema"]))]


@pytest.mark.parametrize("seeds", [range(300), pytest.param(range(300, 20_000), marks=pytest.mark.slow)])
def test_which_field_is_refused_does_not_depend_on_the_name_of_the_model(seeds: range) -> None:
    wanted = {said: learnt(said, "small") for said in REFUSALS}
    assert len({str(one) for one in wanted.values()}) > 4
    for seed in seeds:
        source = random.Random(seed)
        said = source.choice(REFUSALS)
        words = said.split()
        name = source.choice(
            [
                source.choice(said).strip() or "m",
                source.choice(words),
                source.choice(words).strip(".,:'`\"") or "m",
                source.choice(words)[source.randrange(3) :] or "m",
                "".join(source.choices("aems.*+?()[]{}|\\^$-_/:é漢\u0307", k=source.randrange(1, 9))),
            ]
        )
        assert learnt(said, name) == wanted[said], (said, name)


@for_each(
    ("name", "said", "left_out"),
    [
        ("m", OPENAI_TOKENS, "max_tokens"),
        ("seed-coder", "seed-coder does not support temperature", "temperature"),
        ("seed-coder", "The model `seed-coder` does not support temperature.", "temperature"),
        ("org/seed", "temperature is not supported by org/seed", "temperature"),
        ("org/seed", "Model 'org/seed' does not support temperature.", "temperature"),
        ("any", "not supported by this model: seed", "seed"),
        ("any", "The model's temperature is not supported", "temperature"),
        ("seed", "Unsupported parameter: seed", "seed"),
        ("temperature", "model 'temperature' does not support 'seed'", "seed"),
    ],
)
def test_a_field_is_told_from_the_name_of_a_model(name: str, said: str, left_out: str) -> None:
    again, sent = learnt(said, name)
    assert again and left_out not in (sent[FIELDS.index(left_out)],)
    others = [field for field in FIELDS if field not in (left_out, "max_completion_tokens")]
    assert all(sent[FIELDS.index(field)] == field for field in others)


@for_each(("row", "becomes", "reply"), CASES)
def test_a_typical_reply_becomes_what_the_page_says(row: str, becomes: str, reply: Any) -> None:
    with serving(reply, ADA) as server:
        outcome = sg.run.detailed(server.model, "Who?", Person)
    bodies = server.bodies
    assert len(bodies) == len({body["seed"] for body in bodies}) == {"asked again": 2}.get(becomes, 1)
    assert (outcome.error is None) == (becomes != "error")
    if becomes != "error":
        assert outcome.value == PERSON
    assert f"| {row} | {becomes} |" in PAGE.read_text(encoding="utf-8")


def test_the_page_has_no_other_rows() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert sum(page.count(f" | {becomes} |\n") for becomes in ("read", "asked again", "error")) == len(CASES)


@pytest.mark.parametrize(("door", "share"), SHARES)
@for_each("at, row", enumerate([*DOCUMENTS, *LEARNT]))
def test_a_document_is_read_or_asked_for_again(door: str, share: int, at: int, row: Any) -> None:
    if at % share == 0:
        check_row(door, row)


@pytest.mark.parametrize(("door", "share"), SHARES)
@for_each("at, row", enumerate(FAILURES))
def test_what_is_no_answer_is_told_with_its_cure(door: str, share: int, at: int, row: Any) -> None:
    if at % share == 0:
        check_row(door, row)


# --- tools --------------------------------------------------------------------------------------------------

OSLO = ("call_a", "get_weather", {"city": "Oslo"})
ALARM = sent("set_alarm", {"person": "Ada"}, "call_b")
HERMES = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
CODER = "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
MINIMAX = (
    '<minimax:tool_call>\n<invoke name="get_weather">\n<parameter name="city">Oslo</parameter>\n'
    "</invoke>\n</minimax:tool_call>"
)
FORGED = json.dumps({"name": HERMES, "age": 7})
BOTH, NAMED = ["get_weather", "set_alarm"], [{"type": "function", "name": "get_weather"}]
ALLOWED = {"type": "allowed_tools", "mode": "required", "tools": NAMED}
UNKNOWN = "'format_disk', which is not one of the tools"
TOOLS: list[Any] = [
    (
        answer(sent()),
        {called: [OSLO]},
        tooled(),
        {
            "tools/0/function": {
                "name": "get_weather",
                "description": "",
                "parameters": {**SCHEMA, "additionalProperties": False},
            },
            "tools/0/type": "function",
            "tools/1/function/strict": True,  # its schema is in OpenAI's subset, the other one is not
            "response_format": None,
        },
    ),
    *(
        (
            answer(sent()),
            {},
            tooled(**options),
            {"tool_choice": choice, "parallel_tool_calls": parallel, named: names},
        )
        for options, choice, parallel, names in [
            ({}, "auto", None, BOTH),
            ({"tool_choice": "required", "parallel": False}, "required", False, BOTH),
            (
                {"tool_choice": "get_weather"},
                {"type": "function", "function": {"name": "get_weather"}},
                False,
                BOTH,
            ),
            (
                {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": NAMED}},
                "required",
                False,
                ["get_weather"],
            ),
            ({"target": sg.Call}, "required", False, BOTH),
        ]
    ),
    ("Sunny.", {"reply.text": "Sunny."}, tooled(tool_choice="none"), {"tool_choice": "none"}),
    ("Sunny.", {"reply.text": "Sunny."}, tooled(tools=[]), {"tools": None, "tool_choice": None}),
    (
        (refusal("Unsupported parameter", param="parallel_tool_calls"), answer(sent())),
        {called: [OSLO]},
        tooled(parallel=False),
        {"parallel_tool_calls": None},
    ),
    (
        answer(sent(), ALARM, content="So."),
        {called: [OSLO, ("call_b", "set_alarm", {"person": "Ada"})], "reply.texts": ["So.", "", ""]},
        tooled(),
    ),
    (
        answer(sent(), reasoning_content="Hm."),
        {called: [OSLO], "reply.thinking": "Hm.", "reply.text": ""},
        tooled(**WHOLE),
    ),
    (
        answer(sent(), content="<think>Hm.</think>"),
        {called: [OSLO], "reply.thinking": "Hm.", "reply.text": ""},
        tooled(),
    ),
    *(
        (
            answer(sent("now", arguments)),
            {called: [("call_a", "now", {})], "reply.problems": []},
            tooled(tools=[sg.Tool("now")]),
        )
        for arguments in ("", "{}", '"{}"')
    ),
    *(
        row
        for wrong, options, good, words in [
            (answer(sent("format_disk")), {}, answer(sent()), UNKNOWN),
            (
                answer(sent(arguments='{"city": Oslo}')),
                {},
                answer(sent()),
                "cannot be read|do not match the schema",
            ),
            (answer(sent(arguments='{"city": "Os')), {}, answer(sent()), "ends inside|cannot be read"),
            (
                answer(sent(arguments={"days": 2})),
                {},
                answer(sent()),
                "get_weather: .*do not match the schema",
            ),
            (answer(sent(arguments={"city": "a", "sky": 0})), {}, answer(sent()), "do not match the schema"),
            ("Sunny.", {"tool_choice": "required"}, answer(sent()), "calls no tool, but a call is required"),
            (
                answer(sent(), sent(arguments={"city": "Rome"})),
                {"parallel": False},
                answer(sent()),
                "has 2 calls; the limit is 1",
            ),
            (answer(sent()), {"tool_choice": "set_alarm"}, answer(ALARM), "not one of the tools"),
            (answer(sent()), {"tool_choice": "none"}, "Sunny.", "not one of the tools"),
            (
                answer(sent("Even", {"number": 3})),
                {"tools": [Even]},
                answer(sent("Even", {"number": 4})),
                "is odd",
            ),
        ]
        for row in (
            (wrong, told(words), tooled(**options)),
            ((wrong, good), {"attempts": 2, "error": None}, tooled(**options), REFUSED_BEFORE),
        )
    ),
    (
        answer(sent(arguments='{"city": "Os'), finish_reason="length"),
        {"error": told("truncated"), "reply.partial.arguments": {"city": "Os"}},
        tooled(attempts=3),
    ),
    *(
        (
            f"So. {text}",
            {lambda one: called(one)[0][1:]: OSLO[1:], "reply.texts": ["So. ", ""]},
            tooled(tool_format=format),
        )
        for text, format in [
            (HERMES, None),
            (CODER, None),
            ('{"name": "get_weather", "parameters": {"city": "Oslo"}}', None),
            (HERMES, "hermes"),
            (
                'CALL get_weather WITH {"city": "Oslo"} END',
                sg.ToolFormat("x", "CALL $name WITH $arguments END"),
            ),
        ]
    ),
    (HERMES.replace("get_weather", "format_disk"), told(UNKNOWN), tooled()),
    ("A <tool_call> begins a call.", {"reply.text": "A <tool_call> begins a call.", "calls": []}, tooled()),
    # an answer of a type beside tools
    (
        BOB,
        Person(name="Bob", age=7),
        tooled(target=Person),
        {
            f"{SENT}/schema/required": ["name", "age"],
            named: BOTH,
            "tool_choice": "auto",
            "parallel_tool_calls": False,
        },
    ),
    (answer(sent()), {}, tooled(target=Person | list[sg.Call]), {"parallel_tool_calls": None}),
    (answer(sent()), {}, tooled(target=Person, tool_choice="required"), {"response_format": None}),
    (BOB, {}, tooled(target=Person, tool_choice="none"), {"tools": None, SENT: told("schema")}),
    *(
        (says, {value_of: value}, tooled(target=target))
        for target in (Person | sg.Call, Person | list[sg.Call], dict[str, Any] | sg.Call)
        for says, value in [
            (BOB, json.loads(BOB)),
            (f"Sure:\n```json\n{BOB}\n```", json.loads(BOB)),
            (FORGED, json.loads(FORGED)),
            (f"Sure:\n```json\n{FORGED}\n```", json.loads(FORGED)),
            (f"<think>{HERMES}</think>{BOB}", json.loads(BOB)),
            (answer(sent()), OSLO[2]),
            (answer(sent(), content="So."), OSLO[2]),
            (answer(sent(), content=BOB), OSLO[2]),
            (HERMES, OSLO[2]),
            (f"So. {HERMES}", OSLO[2]),
            (f"{BOB}\n{HERMES}", OSLO[2]),
            (CODER, OSLO[2]),
        ]
    ),
    *(
        ((wrong, BOB), Person(name="Bob", age=7), tooled(target=Person))
        for wrong in ("Hm.", '{"name": "Bob"}', answer(sent("format_disk")))
    ),
    ('{"name": "Bob"}', told("does not match the schema"), tooled(target=Person)),
]


@pytest.mark.parametrize(("door", "share"), SHARES)
@for_each("at, row", enumerate(TOOLS))
def test_a_reply_beside_tools_is_read_or_asked_for_again(door: str, share: int, at: int, row: Any) -> None:
    if at % share == 0:
        check_row(door, row)


def test_earlier_calls_are_sent_as_openais_client_types_them() -> None:
    with serving(answer(sent()), "Clear.") as server:
        reply = sg.run(server.model, "?", tools=[WEATHER])
        turns = [{"role": "user", "content": "?"}, reply.message(), reply.calls[0].result({"sky": "clear"})]
        sg.run(server.model, turns, tools=[WEATHER])
    _, assistant, result = server.bodies[1]["messages"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == {"city": "Oslo"}
    pydantic.TypeAdapter(openai.types.chat.ChatCompletionAssistantMessageParam).validate_python(assistant)
    assert (result["role"], result["tool_call_id"], result["content"]) == (
        "tool",
        "call_a",
        '{"sky": "clear"}',
    )


def partials_of(model: Any) -> list[Any]:
    return list(asked(sg.Reply, model=model, tools=[WEATHER, set_alarm]).stream("Weather?"))


def test_a_stream_has_names_then_arguments_and_ends_as_openais_client_has_it() -> None:
    with serving(answer(sent(), ALARM, content="So.")) as server:
        partials = partials_of(server.model)
        client = openai.OpenAI(base_url=server.url, api_key="x")
        question: Any = [{"role": "user", "content": "?"}]
        with client.chat.completions.stream(model="small", messages=question) as stream:
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
    assert last.text == theirs.content and partials[-1].text.endswith('{"person": "Ada"}</tool_call>')


@pytest.mark.parametrize("call", [HERMES, CODER, MINIMAX])
def test_a_call_that_a_server_streams_as_text_is_a_call_from_its_beginning_on(call: str) -> None:
    with serving(f"So. {call}") as server:
        partials = partials_of(server.model)
    assert [one.arguments for one in partials[-1].result.calls] == [{"city": "Oslo"}]
    seen = [one.value for one in partials]
    assert all("So. ".startswith(one.text) for one in seen)
    counts = [len(one.calls) + (one.partial is not None) for one in seen]
    assert counts == sorted(counts) and 1 in counts[:-2]


@pytest.mark.parametrize("indices", ["counted", "none", "all 0"])
@pytest.mark.parametrize("names", ["once", "with each piece"])
def test_calls_in_pieces_are_those_of_the_whole_message(indices: str, names: str) -> None:
    """However a server cuts the arguments, counts the calls, and repeats their names and ids."""
    source = random.Random(f"{indices} {names}")
    for _ in range(10):
        said = source.choices(["", "{}", '{"a": "</tool_call>", "b": [1]}'], k=3)
        calls = [sent(f"f{at}", arguments, f"id{at}") for at, arguments in enumerate(said)]
        chunks = []
        for at, call in enumerate(calls):
            rest, is_first = call["function"]["arguments"], True
            while rest or is_first:
                size = source.randrange(0 if is_first else 1, 8)
                delta: dict[str, Any] = {"function": {"arguments": rest[:size]}}
                if is_first or names == "with each piece":
                    delta["id"], delta["function"]["name"] = call["id"], call["function"]["name"]
                if indices != "none":
                    delta["index"] = at if indices == "counted" else 0
                chunks.append(chunk(tool_calls=[delta]))
                rest, is_first = rest[size:], False
        tools = [sg.Tool(f"f{at}", "", {"type": "object", "additionalProperties": True}) for at in range(3)]
        with serving(answer(*calls), streamed(*chunks, chunk(reason="tool_calls"))) as server:
            whole = sg.run.detailed(server.model, "?", tools=tools)
            *partials, last = sg.run.stream(server.model, "?", tools=tools)
        assert last.text == whole.text and all(last.text.startswith(one.text) for one in partials)
        assert called(last.outcome) == [
            (one["id"], one["function"]["name"], json.loads(one["function"]["arguments"] or "{}"))
            for one in calls
        ]


# --- Anthropic ----------------------------------------------------------------------------------------------

TOLD, SUNNY = {"type": "text", "text": "So."}, {"type": "text", "text": "Sunny."}
ADA_SAID = {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": json.loads(ADA)}
ASKED = {"type": "tool_use", "id": "toolu_2", "name": "get_weather", "input": {"city": "Oslo"}}


def ended(reason: str | None, *content: Any) -> dict[str, Any]:
    return {"content": list(content), "stop_reason": reason}


CLAUDE: list[Any] = [
    (
        [TOLD, ADA_SAID],
        {"value": PERSON, "usage.prompt_tokens": 5, "usage.tokens": 7},
        {
            "prompt": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Who?"}, IMAGE]},
            ],
            "max_tokens": 99_999,
        },
        {
            "model": "claude",
            "max_tokens": 99_999,
            "temperature": 0.0,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages/0/content/1/source/media_type": "image/png",
            "tool_choice": {"type": "tool", "name": "answer"},
            "tools/0/name": "answer",
            "tools/0/input_schema/required": ["name", "age"],
        },
    ),
    *(
        ([{**ADA_SAID, "input": {"value": [5]}}], [5], {"target": target})
        for target in (list[int], {"type": "array", "items": {"type": "integer"}})
    ),
    ([{**ADA_SAID, "input": {}}], Empty(), {"target": Empty}),
    (
        [{"type": "thinking", "thinking": "Hm.", "signature": ""}, ADA_SAID],
        {"value": PERSON, "result.thoughts": "Hm."},
    ),
    (
        ([{**ADA_SAID, "input": {"name": "Ada"}}], [ADA_SAID]),
        {"value": PERSON, "attempts": 2},
        {},
        {"messages/-1/content/0/text": told("This answer was refused")},
    ),
    *(
        (
            says,
            {value_of: value},
            tooled(target=Person | sg.Call),
            {
                lambda body: [one["name"] for one in body["tools"]]: [*BOTH, "answer"],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            },
        )
        for says, value in [([TOLD, ADA_SAID], json.loads(ADA)), ([TOLD, ASKED], OSLO[2])]
    ),
    *(
        (ended(end, said), {called: [("toolu_2", *OSLO[1:])] * count}, tooled(tool_choice=choice), sends)
        for choice, end, said, count, sends in [
            ("required", "tool_use", ASKED, 1, {"tool_choice/type": "any"}),
            ("none", "end_turn", TOLD, 0, {"tool_choice/type": "none"}),
            ("get_weather", "tool_use", ASKED, 1, {"tool_choice/type": "tool"}),
        ]
    ),
    (ended("refusal"), told("The model refused")),
    (ended("max_tokens", ADA_SAID), told("truncated. Increase max_tokens")),
    (ended("pause_turn"), told("for the reason 'pause_turn'")),
    ({"content": None, "stop_reason": "end_turn"}, told("The reply is empty")),
    (ended(None), told("has no finish_reason"), WHOLE),
    *(
        (refusal(said, status), told(words), {"requests": 1 + (status in (429, 529))})
        for status, said, words in [
            (401, "invalid x-api-key", "x-api-key.*ANTHROPIC_API_KEY"),
            (404, "model: claude", "Check the model's name 'claude'"),
            (429, "too many", "too many.*request fewer texts"),
            (400, "no credit", "no credit.*message says why"),
            (529, "Overloaded", "Overloaded.*server's log"),
        ]
    ),
    (
        {
            "events": [
                *list(claude_events({**ended(None, ADA_SAID), "usage": {"input_tokens": 5}}))[:4],
                {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            ]
        },
        {"error": told("Overloaded"), "error.text": ADA[:5]},
        STREAM,
    ),
    ((refusal("`temperature` is deprecated for this model."), [ADA_SAID]), PERSON, {}, {"temperature": None}),
    (
        (
            refusal("tools.0.custom.input_schema: $ref is not supported"),
            ended("end_turn", {"type": "text", "text": ADA}),
        ),
        PERSON,
        {},
        {"tools": None, "messages": told("of this JSON Schema")},
    ),
]


@pytest.mark.parametrize("door", DOORS)
@for_each("row", CLAUDE)
def test_what_claude_says_is_read_or_told(door: str, row: Any) -> None:
    check_row(door, row, is_claude=True)


def test_calls_that_claude_wrote_are_sent_back_in_its_words() -> None:
    with serving([TOLD, ASKED], ended("end_turn", TOLD)) as server:
        reply = sg.run(server.claude, "Weather?", tools=[WEATHER], parallel=False)
        (call,) = reply.calls
        turns = [{"role": "user", "content": "Weather?"}, reply.message(), call.result({"sky": "clear"})]
        assert sg.run(server.claude, turns, tools=[WEATHER]).text == "So."
    assert (reply.text, call.id, call.arguments) == ("So.", "toolu_2", {"city": "Oslo"})
    assert server.bodies[0]["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    said, result = (one["content"][-1] for one in server.bodies[1]["messages"][1:])
    assert (said["type"], said["id"], said["input"]) == ("tool_use", "toolu_2", {"city": "Oslo"})
    assert (result["type"], result["tool_use_id"]) == ("tool_result", "toolu_2")


def test_claude_is_asked_where_the_environment_says_by_the_command_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving([{**ADA_SAID, "input": {"value": "red"}}]) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.claude.url)
        assert sg.run("anthropic:claude", "?", {"regex": "red|blue"}) == "red"
        done = commanded("generate", "--model", "anthropic:claude", "--prompt", "?", "--regex", "red|blue")
    assert (done.exit_code, done.stdout) == (0, "red\n"), done.stderr


def test_a_missing_key_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    person = asked(Person, model="anthropic:claude")
    for call in (person, lambda: list(person.stream())):
        with pytest.raises(
            sg.StructgenError, match=r"No API key.*Set the environment variable ANTHROPIC_API_KEY"
        ):
            call()


# --- Ollama -------------------------------------------------------------------------------------------------


@for_each(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        (":5000", "http://127.0.0.1:5000/v1"),
        ("there:5000", "http://there:5000/v1"),
        ("[::1]:5000", "http://[::1]:5000/v1"),
        ("http://there", "http://there:80/v1"),
        ("https://there/ollama/", "https://there:443/ollama/v1"),
        ("ftp://there", None),
    ],
)
def test_the_address_is_the_one_that_ollama_reads(
    host: str, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    if url is None:
        with pytest.raises(sg.errors.OptionError, match=r"^OLLAMA_HOST: .*Write it as"):
            server_of("ollama:qwen3:8b")
    else:
        found = server_of("ollama:qwen3:8b")
        assert (found.url, found.name) == (url, "qwen3:8b")


def test_ollama_gets_the_schema_and_no_key_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with serving(ADA) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        for door in DOORS.values():
            assert door("ollama:qwen3", "Who?", Person).value == PERSON
        done = commanded("generate", "--model", "ollama:qwen3", "--prompt", "Who?")
    assert (done.exit_code, done.stdout) == (0, f"{ADA}\n")
    body, *_ = server.bodies
    assert body["model"] == "qwen3" and body["response_format"]["json_schema"]["schema"]["required"]
    assert {one["authorization"] for one in server.headers} == {"Bearer ollama"}


def test_a_model_that_is_not_there_and_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(refusal("model 'qwen3' not found", 404)) as server:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.port}")
        with pytest.raises(sg.errors.GenerationError, match=r"not found.*ollama pull qwen3"):
            sg.run("ollama:qwen3", "Who?", Person)
    with pytest.raises(sg.errors.GenerationError, match="Start it: ollama serve"):
        sg.run("ollama:qwen3", "Who?", Person)
    with pytest.raises(sg.errors.GenerationError, match="Check that the server runs"):
        sg.run(server.model, "Who?", Person)


def test_a_server_that_says_nothing_in_time() -> None:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        model = sg.Server(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", "small")
        with pytest.raises(sg.errors.GenerationError, match=r"timed out.*Increase timeout="):
            sg.run(model, "Ada is 36.", Person, timeout=0.05, attempts=1)


# --- what a server was found to take ------------------------------------------------------------------------


def refusing(refused: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return an answer to a body: the error of the first field in it that is refused, or a document."""

    def said(body: dict[str, Any]) -> dict[str, Any]:
        error = next((error for field, error in refused.items() if field in body), None)
        return {"content": ADA} if error is None else refusal(error) if isinstance(error, str) else error

    return said


def ask(server: Any, target: Any = Person, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return sg.run(server.model, "Who?", target, **options)


@for_each(
    ("refused", "left"),
    [
        ({"max_tokens": refusal(OPENAI_TOKENS, param="max_tokens", code="unsupported_parameter")}, 4),
        ({"max_tokens": OPENAI_TOKENS}, 4),
        ({"max_tokens": "max_tokens: Extra inputs are not permitted"}, 4),
        ({"max_tokens": OPENAI_TOKENS, "temperature": OPENAI_TEMPERATURE}, 3),
        ({"temperature": refusal("Wrong.", param="temperature", code="unsupported_value")}, 3),
        ({"temperature": "`temperature` is deprecated for this model."}, 3),
        ({"seed": "Unrecognized request argument supplied: seed"}, 3),
        ({"seed": refusal("body.seed: Extra inputs are not permitted", 422)}, 3),
        ({"response_format": "'response_format' of type 'json_schema' is not supported with this model."}, 3),
        ({"response_format": "This response_format type is unavailable now"}, 3),
        ({"response_format": refusal("Wrong.", param="response_format.type")}, 3),
        ({field: f"{field} is not supported" for field in FIELDS}, 0),
    ],
)
def test_a_field_that_a_refusal_names_is_not_sent_a_second_time(refused: dict[str, Any], left: int) -> None:
    with serving(refusing(refused)) as server:
        assert ask(server) == ask(server) == PERSON
        *tried, first, second = server.bodies
    assert fields(first) == fields(second) and len(fields(second)) == left
    assert len(tried) == len(refused)


def test_what_is_left_out_is_told_once_with_the_option_and_a_new_name_is_not_told() -> None:
    refused = {"max_tokens": OPENAI_TOKENS, "temperature": OPENAI_TEMPERATURE}
    with serving(refusing(refused)) as server, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(2):
            sg.run(server.model, "Who?", Person)
    (one,) = [str(warning.message) for warning in warned if "omitted" in str(warning.message)]
    assert "does not support temperature" in one and "'small', leave_out='temperature')" in one


def test_texts_that_are_asked_for_together_learn_together() -> None:
    refused = {"max_tokens": OPENAI_TOKENS, "seed": "seed is not supported"}
    with serving(refusing(refused)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert asked(Person, model=server.model).batch(["a", "b", "c"]) == [PERSON] * 3


def test_a_schema_that_is_refused_by_itself_does_not_cost_the_others_their_field() -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if "value" in str(body.get("response_format")):
            return refusal("Invalid schema for response_format 'answer'.")
        return {"content": '{"value": 3}' if "value" in str(body["messages"]) else ADA}

    with serving(reply) as server:
        assert ask(server, Priced) == Priced(value=3)
        ask(server), ask(server, Priced)
    refused, prompted, *others = server.bodies
    assert ["response_format" in body for body in (prompted, *others)] == [False, True, False]
    sent, said = refused["response_format"]["json_schema"]["schema"], prompted["messages"][0]["content"]
    assert sg.json_schema(said.rpartition("\n")[2]) == sg.json_schema(sent)


def test_after_a_reply_that_broke_its_schema_the_schema_is_in_the_prompts_too() -> None:
    with serving('{"name": "Ada"}', ADA) as server:
        ask(server), ask(server)
        first, second, third = server.bodies
    assert "JSON Schema" not in str(first["messages"])
    for body in (second, third):
        assert "of this JSON Schema" in body["messages"][0]["content"] and "response_format" in body


# --- what is refused before anything is sent ----------------------------------------------------------------


@for_each(
    ("model", "options", "words"),
    [
        ("openai:localhost#x", {}, "does not name a model"),
        ("openai:http://localhost/v1", {}, "does not name a model"),
        *(
            (name, {}, r"does not name a model on a server.*ollama:NAME")
            for name in ("ollama:", "anthropic:", "openai:x")
        ),
        ("openai:http://h/v1#x", {"sampling": sg.Sampling(banned="x")}, "banned is not in .*protocol"),
        ("ollama:x", {"sampling": sg.Sampling(top_k=3)}, "top_k is not in .*protocol"),
        ("ollama:x", {"policies": {"max_items": 3}}, "policies is not available"),
        *(
            ("anthropic:claude", {"sampling": sg.Sampling(**how)}, rf"{next(iter(how))} is not in .*protocol")
            for how in ({"seed": 4}, {"logit_bias": {5: 1.0}}, {"presence_penalty": 1.0}, {"top_k": 3})
        ),
        *(
            (sg.Server("http://h/v1", "m", leave_out), options, words)
            for leave_out, options, words in [
                ("temperature", {"sampling": sg.Sampling(temperature=0.5)}, "^temperature is "),
                ("seed", {"sampling": sg.Sampling(temperature=0.0, seed=4)}, "^seed is "),
                (FIELDS[:2], {"max_tokens": 9}, "^max_tokens is "),
            ]
        ),
        ("openai:http://h/v1#x", tooled(thinking=True), r"thinking .*reply\.thinking"),
        ("ollama:x", {"target": {"grammar": 'root ::= "a" root "b" | "c"'}}, "cannot be sent"),
        ("anthropic:claude", {"tools": [sg.Tool("answer")]}, "Rename it"),
    ],
)
def test_what_a_server_does_not_have_is_refused_by_name(model: Any, options: Any, words: str) -> None:
    with pytest.raises((sg.errors.OptionError, sg.errors.UnsupportedError), match=words):
        sg.run(model, "Who?", **{"target": Person, **options})
    if not options.keys() & {"target", "tools"}:  # told at decoration too
        with pytest.raises(sg.errors.OptionError, match=words):
            asked(Person, model=model, **options)


@for_each(
    ("options", "words"),
    [
        ({"leaves_out": "seed"}, "no option 'leaves_out'. Did you mean leave_out"),
        ({"max_tokens_field": None}, "no option 'max_tokens_field'. Write leave_out=\"max_tokens\""),
        ({"leave_out": "top_p"}, "leave_out must be one of max_tokens.*, got 'top_p'"),
        ({"leave_out": 5}, "leave_out must be .*, got 5"),
        ({"url": "localhost:8000"}, "url: 'localhost:8000' is not the address"),
        ({"name": ""}, "name must be .*, got ''"),
    ],
)
def test_a_wrong_option_of_a_server_is_told_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=words):
        sg.Server(**{"url": "http://h/v1", "name": "m", **options})
    with pytest.raises(sg.errors.OptionError, match=r"Write sg\.Server\("):
        sg.Server("http://h/v1")


def test_a_function_tells_what_it_sends_and_what_a_server_costs() -> None:
    with serving(ADA) as server:
        person = asked(Person, "Who is in: {text}", model=server.model, outline=True)
        person("Ada")
        (body,) = server.bodies
    assert body["response_format"]["json_schema"]["schema"] == person.schema
    assert body["messages"][0]["content"].startswith("Who is in: Ada\n\nAnswer in JSON: {name: string")
    assert (person.prompt("Ada"), person.lost) == (body["messages"][0]["content"], LOST)


# --- where the document stands ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        (f"```json\n{ADA}\n```\nHope it helps.", True),
        (f"<think>{THOUGHT}\n{BO}</think>{ADA}\n", True),
        (f"Sure!\n\n{ADA}\n", True),
        (f"Sure: {ADA}.", False),
        (f"Hm: {THOUGHT}</think>Sure: {ADA}", False),
    ],
)
def test_a_stream_is_the_document_alone(reply: str, pieces: bool) -> None:
    with serving(reply) as server:
        partials = list(asked(Person, model=server.model).stream())
    assert partials[-1].text == ADA and partials[-1].result == PERSON
    assert (len(partials) > 3) == pieces


def test_a_stream_of_items_may_begin_late() -> None:
    with serving(f'<think>x</think>\n```json\n{{"value": [{ADA}, {BO}]}}\n```') as server:
        assert [one.name for one in asked(Iterator[Person], model=server.model)()] == ["Ada", "Bo"]


@pytest.mark.parametrize("reply", [f"{BO}\n{ADA}", f'{{"name": "Ada"}}\n\n{ADA}', f"{ADA}</think>{BO}"])
def test_a_stream_that_began_with_another_object_is_an_error(reply: str) -> None:
    said = r"different documents|began with another object"
    with serving(reply) as server, pytest.raises(sg.errors.GenerationError, match=said):
        list(asked(Person, model=server.model).stream())


ONE_A: dict[str, Any] = {"properties": {"a": {}}, "required": ["a"], "additionalProperties": False}


@for_each(
    ("reply", "found"),
    [
        ('{"a": "}```"}', '{"a": "}```"}'),
        ('x {"a": "}"} y', '{"a": "}"}'),
        ('{"x": {"a": 1},} {', None),
        ('[{"a": 1}', None),
        ('~~~\n{"a": 1}\n~~~~\n', '{"a": 1}'),
        ('```\n{"a": 1}', '{"a": 1}'),
        ('{"a": 1} {"a": 1.0}', None),
        ('He said "{" and: {"a": 1}', None),
        ('{"a": "</think>"}', '{"a": "</think>"}'),
        ('<think>a</think><think>b</think>{"a": 1}', '{"a": 1}'),
        ('[THINK]{"a": 2}[/THINK]{"a": 1}', '{"a": 1}'),
        ('{"a": ' * 5000, None),
        ("[" * 50_000 + "]" * 50_000 + '{"a": 1}', '{"a": 1}'),
        ('{"a": "\\', None),
    ],
)
def test_where_the_document_stands(reply: str, found: str | None) -> None:
    outcome = sg.outcome_of(reply, {**ONE_A, "type": "object"})
    assert (outcome.text if outcome.error is None else None) == found


PARTS = (
    *("<think>", "</think>", "[THINK]", "[/THINK]", "<thinking>", "```json", "{", "}", "<b>"),
    *(
        "Sure: ",
        "[1] ",
        "\n",
        " ",
        "\ufeff",
        '{"a": 1}',
        '{"a": 2}',
        '{"a": "é\\u00e9 }"}',
        '{"a": [1,',
        "x" * 30,
    ),
)


def begun_object(reply: str) -> str:
    """Return where the object of a reply begins, by its lines: the text from there on, or ""."""
    hidden, at = False, 0
    while at < len(reply):
        line = reply[at:].partition("\n")[0]
        closing = re.search(r"</(think|thinking|reasoning)>|\[/THINK\]", line)
        said = line if closing is None else line[: closing.start()]
        head = said.lstrip(" \t\r\ufeff")
        if head.startswith("{") and not hidden:
            return reply[at + len(said) - len(head) :]
        opening = re.match(r"<(think|thinking|reasoning)>|\[THINK\]", head)
        hidden = hidden or opening is not None or bool({"{", "["} & {*said})
        if closing is not None:
            hidden, at = False, at + closing.end()
        else:
            at += len(line) + 1
    return ""


def test_the_object_in_a_reply_is_found_wherever_its_pieces_are_cut() -> None:
    source = random.Random(7)
    for _ in range(300):
        reply = "".join(source.choices(PARTS, k=source.randrange(1, 9)))
        cuts = sorted(source.choices(range(len(reply) + 1), k=6))
        pieces = [reply[a:b] for a, b in zip([0, *cuts], [*cuts, len(reply)], strict=True)]
        whole, shown, end = sg.outcome_of(reply, {**ONE_A, "type": "object"}), "", ""
        try:
            for partial in sg.outcome_of(pieces, {**ONE_A, "type": "object"}):
                shown, before = partial.text, shown
                assert shown.startswith(before)
                if not partial.is_done and (before or begun_object(reply)):
                    assert begun_object(reply).startswith(shown)
        except sg.errors.GenerationError as error:
            end = str(error)
        if whole.error is None:
            is_whole = end == "" and shown.strip() == whole.text.strip()
            assert is_whole or "began with another object" in end
        else:
            assert end == str(whole.error)


# --- the example server -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example() -> Iterator[str]:
    path = Path(__file__).parents[3] / "examples/openai_server.py"
    spec = importlib.util.spec_from_file_location("example_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with HTTPServer(("127.0.0.1", 0), module.Handler) as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"openai:http://127.0.0.1:{host.server_address[1]}/v1#extract"
        host.shutdown()
        thread.join()


def test_the_example_server_streams_writes_free_texts_and_refuses(example: str) -> None:
    person = asked(Person, "Extract the person from: {text}", model=example)
    *parts, last = person.stream("Ada Lovelace is 36 years old.")
    assert len(parts) > 2 and last.result == person("Ada Lovelace is 36 years old.")
    with pytest.warns(sg.errors.ShortenedWarning):
        assert isinstance(sg.run(example, "Hello", str, max_tokens=4), str)
    with pytest.raises(sg.errors.GenerationError, match="max_tokens"):
        sg.run(example, "Ada is 36.", Person, max_tokens=1)
