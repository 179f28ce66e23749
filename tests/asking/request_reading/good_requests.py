"""Requests as people send them, and what makes malformed ones of them.

`GOOD` are right in every member. `malformed` changes one member of one: its name, or its value to one of
another type. Members below `OPEN` hold what nobody checks: schemas, tags of one's own.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
LARK = 'start: "a" | WORD\nWORD: /[b-z]+/\n'
EBNF = 'root ::= "a" | word\nword ::= [b-z]+\n'
USER: dict[str, Any] = {"role": "user", "content": "Hi"}
FUNCTION: dict[str, Any] = {"name": "clock", "description": "The time.", "parameters": SCHEMA, "strict": True}
TOOL: dict[str, Any] = {"type": "function", "function": FUNCTION}
FLAT: dict[str, Any] = {"type": "function", **FUNCTION}
TAG: dict[str, Any] = {
    "type": "structural_tag",
    "format": {"type": "tag", "begin": "<a>", "content": {"type": "any_text"}, "end": "</a>"},
}
CALLED: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": '{"n": 1}'}}],
}
ANSWERED: dict[str, Any] = {"role": "tool", "tool_call_id": "c1", "content": "12"}


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages) or [USER], **more}


def response(given: Any = "Hi", **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": given, **more}


def lark_tool(syntax: str, definition: str) -> dict[str, Any]:
    return {"type": "grammar", "syntax": syntax, "definition": definition}


GOOD: list[dict[str, Any]] = [
    chat(temperature=0.5, top_p=1, n=2, seed=7, stop=["a", "b"], presence_penalty=0.1, frequency_penalty=1.5),
    chat(logprobs=True, top_logprobs=3, logit_bias={"5": -100}, max_completion_tokens=20, stop="a"),
    chat(stream=True, stream_options={"include_usage": True, "include_obfuscation": False}),
    chat(user="u", store=False, metadata={"a": "b"}, service_tier="auto", prompt_cache_key="k"),
    chat(verbosity="low", reasoning_effort="high", safety_identifier="s", modalities=["text"]),
    chat(chat_template_kwargs={"enable_thinking": False, "own": [1]}, reasoning_effort="none"),
    chat(top_k=40, min_p=0.05, repetition_penalty=1.1, min_tokens=1, ignore_eos=False, stop_token_ids=[2]),
    chat(extra_body={"guided_json": SCHEMA, "top_k": 5}, temperature=0),
    chat(extra_body={"structured_outputs": {"regex": "[ab]"}, "chat_template_kwargs": {"thinking": True}}),
    chat(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": SCHEMA, "strict": True},
        }
    ),
    chat(response_format={"type": "json_object"}, max_tokens=100),
    chat(response_format={"type": "text"}, tools=[]),
    chat(response_format={"type": "grammar", "syntax": "lark", "definition": LARK}),
    chat(response_format={"type": "grammar", "grammar": {"syntax": "regex", "definition": "[ab]+"}}),
    chat(response_format={"type": "grammar", "grammar": EBNF}),
    chat(response_format=TAG),
    chat(structured_outputs={"json": SCHEMA, "disable_any_whitespace": True}),
    chat(structured_outputs={"choice": ["yes", "no"]}),
    chat(structured_outputs={"grammar": LARK}),
    chat(guided_json=SCHEMA, guided_whitespace_pattern="[ ]?"),
    chat(guided_choice=["yes", "no"]),
    chat(guided_grammar=EBNF),
    chat(regex="[ab]"),
    chat(ebnf=EBNF),
    chat(
        {"role": "developer", "content": [{"type": "text", "text": "Be short."}]},
        {
            "role": "user",
            "name": "Ada",
            "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": "?"}],
        },
        {"role": "assistant", "content": "I.", "refusal": None, "reasoning_content": "Hm."},
        USER,
    ),
    chat(
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "f", "filename": "n"}},
            ],
        }
    ),
    chat(USER, CALLED, ANSWERED, tools=[TOOL], tool_choice="auto", parallel_tool_calls=False),
    chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "clock"}}),
    chat(
        tools=[TOOL],
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [{"type": "function", "function": {"name": "clock"}}],
            },
        },
    ),
    chat(
        tools=[
            {
                "type": "custom",
                "custom": {
                    "name": "sum",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": LARK}},
                },
            },
            {"type": "custom", "custom": {"name": "say", "description": "Say.", "format": {"type": "text"}}},
        ],
        tool_choice={"type": "custom", "custom": {"name": "sum"}},
    ),
    chat(functions=[{"name": "clock", "parameters": SCHEMA}], function_call={"name": "clock"}),
    chat(
        {"role": "assistant", "content": None, "function_call": {"name": "clock", "arguments": "{}"}},
        {"role": "function", "name": "clock", "content": "12"},
        functions=[{"name": "clock", "parameters": SCHEMA}],
        function_call="auto",
    ),
    response(
        instructions="Be short.",
        max_output_tokens=9,
        temperature=0.1,
        reasoning={"effort": "low", "summary": "auto"},
    ),
    response(
        text={
            "format": {"type": "json_schema", "name": "x", "schema": SCHEMA, "strict": True},
            "verbosity": "high",
        }
    ),
    response(
        tools=[FLAT], tool_choice={"type": "function", "name": "clock"}, truncation="disabled", include=[]
    ),
    response(
        tools=[{"type": "custom", "name": "sum", "format": lark_tool("regex", "[0-9]+")}],
        tool_choice="required",
    ),
    response(
        [
            {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {
                "type": "reasoning",
                "id": "r",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "Hm"}],
            },
            {
                "type": "function_call",
                "call_id": "c",
                "name": "clock",
                "arguments": "{}",
                "status": "completed",
            },
            {"type": "function_call_output", "call_id": "c", "output": "12"},
            {"type": "custom_tool_call", "call_id": "d", "name": "sum", "input": "1+1"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": "2"},
            {
                "type": "message",
                "role": "assistant",
                "id": "m",
                "status": "completed",
                "content": [{"type": "output_text", "text": "It is.", "annotations": []}],
            },
        ],
        store=False,
        prompt_cache_key="k",
    ),
    {"model": "m", "prompt": ["a", "b"], "max_tokens": 5, "logprobs": 2, "echo": False, "suffix": None},
    {"model": "m", "prompt": [[1, 2], [3]], "best_of": 1, "guided_regex": "[ab]"},
    chat(tools=[{"name": "clock", "description": "The time.", "inputSchema": SCHEMA}], tool_choice="none"),
]
"""Forty requests without a fault."""

OPEN = frozenset(
    "schema json guided_json parameters inputSchema metadata logit_bias chat_template_kwargs format".split()
)


class Malformed(NamedTuple):
    """A request with one fault."""

    request: dict[str, Any]
    place: str
    """The JSON pointer of the member at fault."""
    meant: str
    """The name that was misspelt; "" where a value is of another type."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all members that are read."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict):
            yield *path, key
        is_tag = isinstance(inner, dict) and inner.get("type") == "structural_tag"
        if key not in OPEN and not is_tag:
            yield from places(inner, (*path, key))


def other_type(value: Any, random_: random.Random) -> Any:
    """Return a value whose type no member that has this one allows."""
    nested: Any = [[{"a": 1}]]
    if isinstance(value, bool):
        return random_.choice(["yes", "true", nested])
    if isinstance(value, int | float):
        return random_.choice(["hot", "1", nested, {"a": 1}, True])
    if isinstance(value, str):
        return random_.choice([5, 0.5, nested])
    return random_.choice([5, 0.5])


def misspelt(name: str, random_: random.Random) -> str:
    at = random_.randrange(len(name))
    return random_.choice(
        [name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:], f"{name}s", f"{name[:at]}x{name[at:]}"]
    )


def malformed(seed: int) -> Malformed:
    """Return a good request with one fault."""
    random_ = random.Random(seed)
    request = copy.deepcopy(random_.choice(GOOD))
    path = random_.choice([one for one in places(request) if _at(request, one) is not None])
    inside = _at(request, path[:-1])
    if random_.random() < 0.5 and len(path[-1]) > 3:
        name = misspelt(path[-1], random_)
        if name not in inside:
            value = inside.pop(path[-1])
            inside[name] = value
            return Malformed(request, pointer((*path[:-1], name)), path[-1])
    inside[path[-1]] = other_type(inside[path[-1]], random_)
    return Malformed(request, pointer(path), "")


def pointer(path: tuple[Any, ...]) -> str:
    return "/".join(map(str, path))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def text_of(request: Any) -> str:
    return json.dumps(request, ensure_ascii=False)
