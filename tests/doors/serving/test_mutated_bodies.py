"""Bodies with a fault: no error of ours, the shape of the address's protocol, and the member's own path."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served_apps import PERSON, http_client, run

sys.path.append(str(Path(__file__).parents[2] / "asking" / "request_reading"))

from good_requests import GOOD, SCHEMA

from structgen.asking.request_reading.request_members import members_of

PATHS = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
SHORT = {"responses": "max_output_tokens"}
USER = {"role": "user", "content": "Hi"}
ANTHROPIC: list[dict[str, Any]] = [
    {
        "messages": [USER],
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 1,
        "top_k": 4,
        "stop_sequences": ["a"],
    },
    {
        "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
        ],
        "max_tokens": 40,
        "tools": [{"name": "f", "description": "F.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "disabled"},
    },
    {
        "messages": [USER],
        "max_tokens": 60,
        "output_config": {"format": {"type": "json_schema", "schema": PERSON}, "effort": "low"},
        "metadata": {"user_id": "u"},
        "stream": True,
    },
]
BLOCKS: list[dict[str, Any]] = [
    {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Ada Lovelace, 36, London."},
        "title": "mail.txt",
        "context": "Sent in May.",
        "citations": {"enabled": True},
        "cache_control": {"type": "ephemeral"},
    },
    {
        "type": "document",
        "source": {"type": "content", "content": [{"type": "text", "text": "Ada is 36."}]},
        "citations": {"enabled": True},
    },
    {
        "type": "search_result",
        "source": "https://a.example",
        "title": "Ada",
        "content": [{"type": "text", "text": "Ada is 36."}, {"type": "text", "text": "In London."}],
        "citations": {"enabled": True},
    },
]
FILE = {"file_data": "data:text/plain;base64,QWRhIExvdmVsYWNlLCAzNiwgTG9uZG9uLg==", "filename": "ada.txt"}
DOCUMENTS: list[tuple[str, dict[str, Any]]] = [
    (
        "messages",
        {
            "messages": [{"role": "user", "content": BLOCKS}],
            "max_tokens": 60,
            "output_config": {"format": {"type": "json_schema", "schema": PERSON}},
            "grounded": True,
            "quotes": True,
        },
    ),
    (
        "messages",
        {
            "messages": [
                {"role": "user", "content": [BLOCKS[0], {"type": "text", "text": "Who?"}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "content": BLOCKS[1:]}],
                },
            ],
            "max_tokens": 9,
            "stream": True,
        },
    ),
    (
        "chat",
        {
            "messages": [{"role": "user", "content": [{"type": "file", "file": FILE}]}],
            "max_tokens": 60,
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PERSON}},
            "grounded": True,
        },
    ),
    (
        "responses",
        {
            "input": [
                {"role": "user", "content": [{"type": "input_file", **FILE}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file", **FILE}]},
            ],
            "max_output_tokens": 9,
        },
    ),
]
VALUES: list[Any] = [True, 7, -1.5, "x?", "", [], [3], {}, {"x?": 1}]


def address_of(body: dict[str, Any]) -> str:
    return "completions" if "prompt" in body else "responses" if "input" in body else "chat"


BODIES = [
    *(
        (address_of(one), {"max_tokens" if "input" not in one else "max_output_tokens": 30, **one})
        for one in GOOD
    ),
    *(("messages", one) for one in ANTHROPIC),
]


FUNCTION = {"type": "function", "name": "f", "description": "F.", "parameters": SCHEMA}
SEARCH = {"type": "tool_search", "execution": "client", "description": "Find.", "parameters": SCHEMA}
SPACE = {
    "type": "namespace",
    "name": "n",
    "description": "N.",
    "tools": [FUNCTION, {"type": "custom", "name": "run", "format": {"type": "text"}}],
}
LOCAL = {"type": "exec", "command": ["ls"], "env": {}}
NEWER: list[Any] = [
    (
        "responses",
        {
            "input": [{"type": "additional_tools", "role": "developer", "tools": [SEARCH, SPACE]}, USER],
            "client_metadata": {"a": "b"},
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "reasoning": {"effort": "medium", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "max_output_tokens": 60,
        },
    ),
    (
        "responses",
        {
            "input": [
                USER,
                {"type": "tool_search_call", "call_id": "a", "execution": "client", "arguments": {"q": "x"}},
                {"type": "tool_search_output", "call_id": "a", "status": "completed", "tools": [SPACE]},
                {"type": "function_call", "call_id": "b", "name": "f", "namespace": "n", "arguments": "{b"},
                {"type": "function_call_output", "call_id": "b", "output": "x"},
                {"type": "local_shell_call", "call_id": "c", "status": "completed", "action": LOCAL},
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_text", "text": "x"}],
                },
                {"type": "web_search_call", "id": "d", "action": {"type": "search", "query": "x"}},
                {"type": "compaction", "encrypted_content": "x"},
            ],
            "tools": [SEARCH, FUNCTION, {"type": "web_search"}],
            "max_output_tokens": 60,
        },
    ),
    (
        "chat",
        {
            "messages": [USER],
            "tools": [SPACE],
            "tool_choice": "any",
            "reasoning_effort": "high",
            "priority": 3,
            "usage": {"include": True},
            "keep_alive": "5m",
            "max_tokens": 60,
        },
    ),
    ("completions", {"prompt": "x", "stop_token_ids": [3, 5], "skip_special_tokens": False, "max_tokens": 4}),
]


def asked_for(app: Any, bodies: list[tuple[str, Any]]) -> list[tuple[int, Any]]:
    """Return the status and the error of each body, sent one after another."""

    async def work() -> list[tuple[int, Any]]:
        found = []
        async with http_client(app) as http:
            for address, body in bodies:
                data = json.dumps(body).encode()
                headers = {"content-type": "application/json"}
                answer = await http.post(PATHS[address], content=data, headers=headers)
                found.append((answer.status_code, None if answer.status_code == 200 else answer.json()))
        await asyncio.sleep(0)
        return found

    result: list[tuple[int, Any]] = run(work)
    return result


def param_of(address: str, status: int, answer: Any) -> str | None:
    """Return the path that an error names, whose shape is that of the protocol."""
    assert status in (400, 404), (status, answer)
    if address == "messages":
        assert answer.keys() == {"type", "error"} and answer["type"] == "error"
        assert {"type", "message"} <= answer["error"].keys() and answer["error"]["message"]
        return None
    assert answer.keys() == {"error"}
    error = answer["error"]
    assert error.keys() == {"message", "type", "param", "code"} and error["message"]
    found: str | None = error["param"]
    return found


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_in(inner, (*path, key))


def holder_of(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body


def mutated(draw: random.Random, bodies: list[Any]) -> tuple[str, Any, str, tuple[Any, ...]]:
    """Return a body with a fault, or perhaps none, the kind of change, and where it is."""
    address, body = draw.choice(bodies)
    body = copy.deepcopy({**body, "model": "extract"})
    path = draw.choice([one for one in paths_in(body) if one != ("model",)])
    holder, key = holder_of(body, path), path[-1]
    kind = draw.choice(["value", "value", "removed", "renamed", "added", "text", "number"])
    if kind == "value":
        holder[key] = draw.choice([None, *VALUES])
    elif kind == "removed":
        del holder[key]
    elif kind == "renamed" and isinstance(holder, dict):
        name = draw.choice([f"{key}s", str(key)[1:], str(key).upper(), "x/y~z", "\u202e", "a" * 300])
        holder[name] = holder.pop(key)
        path = (*path[:-1], name)
    elif kind == "added" and isinstance(holder, dict):
        path = (*path[:-1], draw.choice(["no_such", "-", "a b", "\u00e9"]))
        holder[path[-1]] = draw.choice(VALUES)
    elif kind == "text":
        holder[key] = draw.choice(["\ud800", "\u202e" * 3, "x" * 5000, "\x00", "{", "a' b"])
    else:
        holder[key] = draw.choice([10**30, -1, 0, 1e308, 2**63])
    return address, body, kind, path


def resolves(body: Any, param: str) -> bool:
    """Tell whether a path leads to a member that was sent, or to one that is missing in such a one."""
    left, names = body, param
    while names:
        if isinstance(left, dict):
            keys = [str(one) for one in left if names == str(one) or names.startswith(f"{one}.")]
            if not keys:
                return True  # the missing member, or an inner place of what was sent
            name = max(keys, key=len)
            left, names = next(one for key, one in left.items() if str(key) == name), names[len(name) + 1 :]
        elif isinstance(left, list):
            name, _, names = names.partition(".")
            if not name.isdecimal() or int(name) >= len(left):
                return False
            left = left[int(name)]
        else:
            return False
    return True


def check_mutated(app: Any, seeds: range, bodies: list[Any] = BODIES) -> None:
    cases = [mutated(random.Random(seed), bodies) for seed in seeds]
    answers = asked_for(app, [case[:2] for case in cases])
    for seed, (address, body, kind, path), (status, answer) in zip(seeds, cases, answers, strict=True):
        if status == 200:
            continue
        told = (seed, address, kind, path, answer)
        param = param_of(address, status, answer)
        if address != "messages":
            assert param, told
            assert resolves(body, param) or len(param) == 200, told
        text = json.dumps(answer)
        assert "x" * 201 not in text and "a" * 201 not in text and "\\u202e" not in text, told
        assert "sg." not in text and "Traceback" not in text, told


def test_mutated_bodies_are_refused_by_the_path_of_the_fault(app: Any) -> None:
    check_mutated(app, range(150))


@pytest.mark.slow
def test_ten_thousand_mutated_bodies_are_refused_by_the_path_of_the_fault(app: Any) -> None:
    check_mutated(app, range(1000, 11_000))


def test_mutated_bodies_with_documents_are_refused_by_the_path_of_the_fault(app: Any) -> None:
    check_mutated(app, range(150), DOCUMENTS)


@pytest.mark.slow
def test_ten_thousand_mutated_bodies_with_documents_are_refused_by_the_path_of_the_fault(app: Any) -> None:
    check_mutated(app, range(1000, 11_000), DOCUMENTS)


def test_mutated_bodies_of_newer_forms_are_refused_by_the_path_of_the_fault(app: Any) -> None:
    check_mutated(app, range(150), NEWER)


@pytest.mark.slow
def test_ten_thousand_mutated_bodies_of_newer_forms_are_refused_by_the_path_of_the_fault(app: Any) -> None:
    check_mutated(app, range(1000, 11_000), NEWER)


# --- each member of each address ----------------------------------------------------------------------------

BARE: dict[str, dict[str, Any]] = {
    "chat": {"messages": [USER], "max_tokens": 1},
    "completions": {"prompt": "x", "max_tokens": 1},
    "responses": {"input": "x", "max_output_tokens": 1},
    "messages": {"messages": [USER], "max_tokens": 1},
}
KINDS = {bool: "flag", int: "whole", float: "number", str: "text", list: "list", dict: "object"}


def allows(declared: str, value: Any) -> bool:
    """Tell whether a declaration may take a value, as far as the type of JSON tells."""
    for one in declared.rstrip("!").split("|"):
        if one == "any":
            return True
        own = {"text": "text", "word": "text", "flag": "flag", "integer": "whole", "count": "whole"}.get(one)
        own = own or {"number": "number", "list": "list", "some": "list", "none": "list"}.get(one)
        own = own or ("text" if one[0] == "'" else "list" if one[0] == "[" else "object")
        kind = KINDS[type(value)]
        if own == kind or (own == "number" and kind == "whole"):
            return True
    return False


def check_members(app: Any, share: int) -> None:
    cases = []
    for address, bare in BARE.items():
        for at, (name, declared) in enumerate(sorted(members_of(address).items())):
            for number, value in enumerate(VALUES):
                if (at + number) % share == 0 and name != "extra_body":
                    body = {"model": "extract", **bare, name: value}
                    cases.append((address, body, name, allows(declared, value)))
    answers = asked_for(app, [case[:2] for case in cases])
    for (address, body, name, is_allowed), (status, answer) in zip(cases, answers, strict=True):
        told = (address, name, body[name], answer)
        assert status != 200 or is_allowed, told
        if status == 200:
            continue
        param = param_of(address, status, answer)
        if "No document fits" in answer["error"]["message"]:
            assert is_allowed, told
            continue
        if address == "messages":
            # a message begins with the place: "tools/0/name must be a text", "system: ..."
            place = re.split("[: ]", answer["error"]["message"])[0]
            assert place.split("/")[0] == name or is_allowed, told
            continue
        assert param is not None and param.split(".")[0] == name, told
        if not is_allowed:
            assert param == name, told


def test_a_bad_value_of_a_member_gives_its_path(app: Any) -> None:
    check_members(app, 12)


@pytest.mark.slow
def test_a_bad_value_of_each_member_of_each_type_gives_its_path(app: Any) -> None:
    check_members(app, 1)


# --- places of many kinds -----------------------------------------------------------------------------------

NO_TEXT = {"type": "integer", "minimum": 3, "maximum": 2}
BAD = {"type": "object", "properties": {"a": {"type": "strnig"}}}
SAVE: dict[str, Any] = {"type": "function", "function": {"name": "save", "parameters": BAD}}
CALL_ITEM = {"type": "function_call", "call_id": "c", "name": "a", "arguments": "{}"}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "x"}


def called(arguments: str) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "a", "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"tools": [{"type": "web_search"}, SAVE]}, "tools.1.function.parameters"),
    ("chat", {"functions": [SAVE["function"]]}, "functions.0.parameters"),
    ("chat", {"functions": [{"name": "a b"}]}, "functions.0.name"),
    ("chat", {"functions": [{"nam": "a"}]}, "functions.0.nam"),
    ("chat", {"functions": [{"name": "a"}], "function_call": {"name": "b"}}, "function_call.name"),
    ("chat", {"tools": [{"name": "a"}], "tool_choice": {"function": {"name": "b"}}}, "tool_choice.function.name"),  # noqa: E501
    ("chat", {"tools": [{"name": "a"}], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"name": "a"}, {"function": {"name": "b"}}]}}}, "tool_choice.allowed_tools.tools.1.function.name"),  # noqa: E501
    ("responses", {"tools": [{"name": "a"}], "tool_choice": {"type": "function", "name": "b"}}, "tool_choice.name"),  # noqa: E501
    ("chat", {"extra_body": {"tools": [SAVE]}}, "extra_body.tools.0.function.parameters"),
    ("chat", {"extra_body": {"temperature": -1}}, "extra_body.temperature"),
    ("chat", {"extra_body": {"temprature": 1}}, "extra_body.temprature"),
    ("chat", {"extra_body": {"guided_regex": "("}}, "extra_body.guided_regex"),
    ("responses", {"tools": [{"type": "function", "name": "f", "parameters": BAD}]}, "tools.0.parameters"),
    ("chat", {"tools": [{"name": "f", "inputSchema": BAD}]}, "tools.0.inputSchema"),
    ("chat", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name"),
    ("chat", {"response_format": {"type": "json_schema", "json_schema": {"schema": NO_TEXT}}}, "response_format.json_schema.schema"),  # noqa: E501
    ("chat", {"response_format": {"type": "json_schema", "json_schema": {"schema": BAD}}}, "response_format.json_schema.schema"),  # noqa: E501
    ("chat", {"response_format": {"type": "json_object", "schema": BAD}}, "response_format.schema"),
    ("responses", {"text": {"format": {"type": "json_schema", "name": "x", "schema": BAD}}}, "text.format.schema"),  # noqa: E501
    ("chat", {"response_format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}, "response_format.grammar.definition"),  # noqa: E501
    ("chat", {"structured_outputs": {"json": BAD}}, "structured_outputs.json"),
    ("chat", {"structured_outputs": {"choice": ["a", "a\ud800"]}}, "structured_outputs.choice"),
    ("chat", {"structured_outputs": {"regex": "("}}, "structured_outputs.regex"),
    ("chat", {"structured_outputs": {"json": True, "regex": "a"}}, "structured_outputs"),
    ("chat", {"guided_choice": []}, "guided_choice"),
    ("chat", {"guided_json": BAD}, "guided_json"),
    ("chat", {"json_schema": BAD}, "json_schema"),
    ("chat", {"ebnf": "root ::= ("}, "ebnf"),
    ("chat", {"regex": "(a", "response_format": {"type": "text"}}, "regex"),
    ("chat", {"logit_bias": {"x": 1}}, "logit_bias"),
    ("chat", {"logit_bias": {"-5": 1}}, "logit_bias.-5"),
    ("chat", {"repetition": {"length": 1}}, "repetition.length"),
    ("chat", {"stop": ["a", ""]}, "stop.1"),
    ("chat", {"stop": ["a"] * 10_000, "response_format": {"type": "json_object"}}, "stop"),
    ("chat", {"max_completion_tokens": 0, "max_tokens": 5}, "max_completion_tokens"),
    ("chat", {"messages": [USER, {"role": "assistant"}]}, "messages.1.content"),
    ("chat", {"tool_choice": "required"}, "tool_choice"),
    ("chat", {"model": None, "Model": "extract"}, "Model"),
    ("chat", {"model": None, "models": ["extract"]}, "models"),
    ("chat", {"model": None}, "model"),
    ("chat", {"model": "x"}, "model"),
    ("completions", {"prompt": ["a", 3]}, "prompt.1"),
    ("completions", {"prompt": [-1]}, "prompt.0"),
    ("completions", {"prompt": [10**9]}, "prompt.0"),
    ("responses", {"input": [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "x"}]}, "input.1.type"),  # noqa: E501
    ("responses", {"tools": [{"type": "namespace", "name": "n", "tools": [{"name": "f", "parameters": {}}, {"name": "g", "parameters": BAD}]}]}, "tools.0.tools.1.parameters"),  # noqa: E501
    ("responses", {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "namespace", "name": "m", "tools": []}]}]}, "tools.0.tools.0.type"),  # noqa: E501
    ("responses", {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]}, "tools.0.tools.0.type"),  # noqa: E501
    ("responses", {"tools": [{"type": "tool_search", "execution": "client", "parameters": BAD}]}, "tools.0.parameters"),  # noqa: E501
    ("responses", {"tools": [{"type": "tool_search"}]}, "tools.0.type"),
    ("responses", {"input": [{"role": "user", "content": "x"}, {"type": "additional_tools", "role": "developer", "tools": [{"name": "f"}, {"name": "g", "parameters": BAD}]}]}, "input.1.tools.1.parameters"),  # noqa: E501
    ("responses", {"input": [{"type": "additional_tools", "role": "user", "tools": []}]}, "input.0.role"),
    ("responses", {"input": [{"type": "tool_search_output"}]}, "input.0.tools"),
    ("responses", {"input": [{"type": "local_shell_call", "call_id": []}]}, "input.0.call_id"),
    ("responses", {"input": [{"type": "compaction_trigger"}]}, "input.0.type"),
    ("completions", {"stop_token_ids": [3, 10**9]}, "stop_token_ids.1"),
    ("chat", {"messages": [called("{}"), {**RESULT, "tool_call_id": "d"}], "tools": [{"name": "a"}]}, "messages.1.tool_call_id"),  # noqa: E501
    ("responses", {"instructions": "x", "input": [CALL_ITEM, CALL_ITEM, {"type": "function_call_output", "call_id": "d", "output": "x"}], "tools": [{"name": "a"}]}, "input.2.call_id"),  # noqa: E501
    ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input.0.content.0"),  # noqa: E501
]  # fmt: skip


def test_each_error_names_the_member_as_it_was_sent(app: Any) -> None:
    cases = [(address, {"model": "extract", **BARE[address], **more}) for address, more, _ in WRONG]
    for (address, more, path), (status, answer) in zip(WRONG, asked_for(app, cases), strict=True):
        assert param_of(address, status, answer) == path, (address, more, answer)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"metadata": {"a": NaN}}', "metadata.a"),
        (b'{"a": [1, {"b/c": [-Infinity]}], "d": 1e999}', "a.1.b/c.0"),
        (b'{"temperature": 1e999}', "temperature"),
    ],
)
def test_a_number_that_is_none_has_its_place(app: Any, body: bytes, place: str) -> None:
    async def work() -> Any:
        async with http_client(app) as http:
            headers = {"content-type": "application/json"}
            return await http.post(PATHS["chat"], content=body, headers=headers)

    error = run(work).json()["error"]
    assert error["param"] == place and "is not finite" in error["message"]


@pytest.mark.parametrize("text", ["\u202e\u4e2d\u6587", "\u00e9\u200d\U0001f600", "\x1b[2J", "\u4e2d" * 400])
def test_what_was_sent_is_repeated_in_its_own_letters(app: Any, text: str) -> None:
    shown = text.replace("\u202e", "U+202E").replace("\x1b", "U+001B")
    bodies: list[dict[str, Any]] = [
        {**BARE["chat"], text: 1},
        {**BARE["chat"], "messages": [{**USER, "role": text}]},
        {**BARE["chat"], "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": text},
        {"messages": [USER], "model": text},
    ]
    for status, answer in asked_for(app, [("chat", {"model": "extract", **one}) for one in bodies]):
        message = answer["error"]["message"]
        assert status in (400, 404) and shown[:50] in message, message
        assert max(map(len, message.split())) <= 200 and len(answer["error"]["param"]) <= 200


@pytest.mark.parametrize("pattern", ["\ud800", "a\udfff", "[\ud800-\udfff]x"])
def test_half_a_character_in_the_grammar_of_a_tool_is_no_fault_of_ours(app: Any, pattern: str) -> None:
    grammar = {"type": "grammar", "syntax": "regex", "definition": pattern}
    tools = [{"type": "custom", "name": "sum", "format": grammar}]
    body = {
        "model": "extract",
        "input": "Hi",
        "max_output_tokens": 30,
        "tools": tools,
        "tool_choice": "required",
    }
    ((status, _),) = asked_for(app, [("responses", body)])
    assert status in (200, 400)
