"""Replies for the laws of streams: random calls, written by their format, and what must hold of their
beginnings."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS, ROWS

MARKS = [one for row in ROWS for one in (*row.triggers, *row.section, *row.thinking) if one]
PIECES = (
    *r"""" \ \\\ \n \" \u00e9 { } [ ] ]} ' é 😀 漢字 5 -1.5e3 true null None </ < x Oslo ` |""".split(),
    *('{"a": [', ", ", ": ", "\n", "\n\n", " ", "\t", "abc def", "\u2028"),
    *MARKS,
)
TEXTS = ("Let me see. ", "é 😀 < [ { ", "One\ntwo ", "", " <b>5</b> ", '{"a": 1} ')
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "exact": {"type": "boolean"},
        "maybe": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "place": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "at": {
                    "type": "object",
                    "properties": {
                        "x": {"type": "number"},
                        "notes": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["x"],
                    "additionalProperties": False,
                },
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}
NAMES = ("search", "get_weather", "f")
TOOLS: list[Any] = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES]


def words(source: random.Random, most: int = 8) -> str:
    return "".join(source.choices(PIECES, k=source.randrange(most)))


def value(source: random.Random, schema: Any) -> Any:
    """Return a random value of a schema."""
    kind = schema["type"]
    kind = source.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        there = [
            key for key in schema["properties"] if key in schema.get("required", ()) or source.randrange(2)
        ]
        return {key: value(source, schema["properties"][key]) for key in there}
    if kind == "array":
        return [value(source, schema["items"]) for _ in range(source.randrange(3))]
    return {
        "string": lambda: words(source),
        "integer": lambda: source.randrange(-99, 9999),
        "number": lambda: source.choice([0.5, -12.25, 1e-7, 3, 1e21]),
        "boolean": lambda: source.randrange(2) == 0,
        "null": lambda: None,
    }[kind]()


def reply(source: random.Random, format: str, calls: int) -> tuple[str, list[tuple[str, Any]], str]:
    """Return a reply with so many calls, the calls, and the text outside of them."""
    row = FORMATS[format]
    made: list[tuple[str, Any]] = []
    while len(made) < calls:
        name, arguments = source.choice(NAMES), value(source, SCHEMA)
        try:
            write_calls([sg.Call(name, arguments, "call_0")], row)
        except sg.errors.OptionError:
            continue  # a string that the format cannot write
        made.append((name, arguments))
    listed = [sg.Call(name, arguments, f"call_{index}") for index, (name, arguments) in enumerate(made)]
    text = source.choice(TEXTS)
    if row.blocks:
        begin, end, _ = row.text
        return row.blocks.join([begin + text + end, write_calls(listed, row)]), made, text
    if row.text:
        return text + row.text[1] + write_calls(listed, row) + row.end, made, text
    if row.section[0]:
        return text + write_calls(listed, row), made, text
    parts, told = [text], text
    for one in listed:
        between = source.choice(TEXTS) if format != "mistral" else source.choice(("\n", ""))
        parts += [write_calls([one], row), between]
        told += between
    return "".join(parts), made, told


def grows(before: Any, after: Any) -> bool:
    """Tell whether what is there later has all that was there before: members, items, characters."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            key in after and grows(one, after[key]) for key, one in before.items()
        )
    if isinstance(before, list):
        return isinstance(after, list) and len(before) <= len(after) and all(map(grows, before, after))
    if isinstance(before, str):
        return isinstance(after, str) and after.startswith(before)
    return type(before) is type(after) and bool(before == after)


def faults(text: str, format: str, tools: Any, thinking: Any = "auto", step: int = 1) -> Iterator[str]:
    """Yield what a beginning of a reply says that a later one takes back."""
    cuts = [*range(0, len(text), step), len(text)]
    read = [sg.parse_calls(text[:at], format, tools=tools, thinking=thinking, ended=False) for at in cuts]
    read.append(sg.parse_calls(text, format, tools=tools, thinking=thinking))
    for at, (one, two) in zip([*cuts, len(text)], itertools.pairwise(read), strict=False):
        was = [*one.calls, *([one.partial] if one.partial else [])]
        now = [*two.calls, *([two.partial] if two.partial else [])]
        if len(was) > len(now):
            yield f"{at}: a call is lost"
            continue
        if not two.text.startswith(one.text) or not (two.thinking or "").startswith(one.thinking or ""):
            yield f"{at}: text is taken back: {one.text!r} {two.text!r} {one.thinking!r} {two.thinking!r}"
        for a, b in zip(was, now, strict=False):
            if a.name != b.name or (a.id and a.id != b.id) or (a.complete and not b.complete):
                yield f"{at}: {a} became {b}"
            if not grows(a.arguments, b.arguments):
                yield f"{at}: {a.arguments} shrank to {b.arguments}"
            if not b.begun.startswith(a.begun) or (b.complete and not b.document.startswith(a.begun)):
                yield f"{at}: {a.begun!r} became {b.begun!r}"
