"""A document beside tools: its strings may hold what models write to call them, and it stays the document."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from for_each import for_each
from reply_texts import words
from served_apps import CHAT, TEXT, post, schema_format
from test_call_formats import EXAMPLES, TOOLS
from test_reply_parts import joined

import structgen as sg
from structgen.asking.request_reading.request_reader import read_request
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_definitions import read_tools
from structgen.doors.serving.app import make_app
from structgen.doors.serving.reply_parts import ReplyParts
from structgen.doors.serving.served_model import ServedModel

KNOWN = read_tools(TOOLS)
SCHEMA = {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}


def document(draw: random.Random, format: str) -> str:
    """Return a document whose string quotes calls of a format, equal ones too."""
    quoted = [EXAMPLES[format]] * 2 + [EXAMPLES[draw.choice([*FORMATS])], words(draw)]
    draw.shuffle(quoted)
    return json.dumps({"note": "".join(quoted)}, ensure_ascii=draw.random() < 0.3)


@for_each("format", FORMATS)
def test_a_document_that_quotes_calls_has_none(format: str) -> None:
    draw = random.Random(f"quoted {format}")
    asked = {"tools": TOOLS, "response_format": schema_format(SCHEMA)}
    grammar: Any = read_request(asked).grammar(format)
    for _ in range(8):
        text = document(draw, format)
        parts = ReplyParts(FORMATS[format], KNOWN, answers=True)
        assert joined(parts, text, draw.choices(range(len(text)), k=6)) == (text, [])
        assert grammar.repeats(text) == ""
    parts = ReplyParts(FORMATS[format], KNOWN, answers=True)
    _, calls = joined(parts, EXAMPLES[format], [3, 9])
    assert [name for name, _ in calls] == ["get_weather"]


@pytest.mark.parametrize("stream", [False, True])
@for_each("format", ["glm_4_7", "harmony"])
def test_every_address_answers_with_the_document(format: str, stream: bool) -> None:
    text = document(random.Random(f"{format} {stream}"), format)
    app = make_app(ServedModel(sg.testing.Scripted(lambda _: text), "extract", tool_format=format))
    flat = [{"type": "function", **one["function"]} for one in TOOLS]
    tools = [{"name": one["name"], "input_schema": one["parameters"]} for one in flat]
    shape = {"type": "json_schema", "name": "x", "schema": SCHEMA}
    bodies: dict[str, Any] = {
        "chat/completions": {"tools": TOOLS, "response_format": schema_format(SCHEMA)},
        "responses": {"input": TEXT, "tools": flat, "text": {"format": shape}},
        "messages": {
            "max_tokens": 900,
            "tools": tools,
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        },
    }
    for path, body in bodies.items():
        more = {} if "input" in body else {"messages": CHAT["messages"][1:]}
        answer = post(app, f"/v1/{path}", {"model": "extract", "stream": stream, **more, **body})
        assert answer.status_code == 200, answer.text
        if not stream:
            found = answer.json()
            told = found.get("choices") or found.get("output") or found
            said = told[0] if isinstance(told, list) else told
            content = said.get("message", said)["content"]
            assert (content if isinstance(content, str) else content[0]["text"]) == text, path
            continue
        events = [
            json.loads(one.partition("data: ")[2]) for one in answer.text.split("\n\n")[:-1] if "{" in one
        ]
        assert "get_weather" not in [str(one.get("name")) for one in events], path
        assert pieces_of(events) == text, path


def pieces_of(events: list[Any]) -> str:
    """Return the text that the events of a stream join to."""
    found = ""
    for one in events:
        delta = one["choices"][0]["delta"] if one.get("choices") else one.get("delta")
        if isinstance(delta, str):
            found += delta
        elif delta:
            found += delta.get("content") or delta.get("text") or ""
    return found
