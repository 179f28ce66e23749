"""Errors speak of what a client sent and can change; `/v1/messages/count_tokens` counts without writing."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from nonempty import nonempty
from served_apps import CHAT, TEXT, app_of, post
from small_models import write_chat_llama

import structgen as sg
from structgen.asking.request_reading.request_members import REQUESTS
from structgen.doors.serving.api_errors import client_cure
from structgen.errors import LimitError, StructgenError

ASKED: dict[str, Any] = {
    "model": "extract",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": TEXT}],
}
LONG = "word " * 3000
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


def tool(**members: Any) -> dict[str, Any]:
    return {"name": "save", "input_schema": SCHEMA, **members}


def form(schema: Any) -> dict[str, Any]:
    return {"format": {"type": "json_schema", "schema": schema}}


def block(**members: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [members]}]


WRONG: list[dict[str, Any]] = [
    *({"output_config": form(one)} for one in ({"type": "strnig"}, {"foo": 1}, {"$ref": "http://x/y"})),
    *(
        {"output_config": form(one)}
        for one in ({"pattern": "(a"}, {"minimum": 3, "maximum": 2, "type": "integer"})
    ),
    {"output_config": form({"type": "string", "minLength": 900})},
    {"output_config": {"format": {"type": "x"}}},
    {"output_config": {"format": {"type": "json_schema"}}},
    {"tools": [tool(), tool()]},
    *({"tools": [tool(name=name)]} for name in ("a b", "", 3)),
    *({"tools": [tool(input_schema=one)]} for one in ({"type": "strnig"}, {"type": "string"}, 3)),
    {"tools": [tool(input_schema={**SCHEMA, "properties": {"n": {"pattern": "(a"}}})]},
    {"tools": [tool(description=3)]},
    {"tools": [tool()], "tool_choice": {"type": "tool", "name": "nosuch"}},
    {"tools": [tool()], "tool_choice": {"type": "tool"}},
    *({"tool_choice": one} for one in ({"type": "any"}, {"type": "tool", "name": "x"}, {"type": "x"})),
    *({"thinking": {"type": "enabled", "budget_tokens": one}} for one in (100, -1)),
    *({"stop_sequences": one} for one in ([""], "x", [3])),
    *({name: -5} for name in ("temperature", "top_p", "top_k", "max_tokens")),
    {"max_tokens": 10**6},
    {"messages": []},
    {"messages": [{"role": "user", "content": []}]},
    {"messages": block(type="image", source={})},
    {"messages": block(type="tool_result", tool_use_id="x", content=[{"type": "image", "source": {}}])},
    {"messages": [{"role": "user", "content": LONG}]},
    {"system": [{"type": "image"}]},
    {"repetition": {"x": 1}},
]


@pytest.fixture(scope="module", params=["embedded", "template", "format"])
def served(request: pytest.FixtureRequest, engine: sg.Engine, tmp_path_factory: Any) -> Any:
    if request.param == "embedded":
        return app_of(engine)
    chat = sg.Engine(write_chat_llama(tmp_path_factory.mktemp("words")))
    return app_of(chat, tool_format="hermes" if request.param == "format" else None)


FOREIGN = {
    *REQUESTS.objects["outputs"],
    *("response_format", "function", "parameters", "chat_template_kwargs", "enable_thinking", "prompt"),
    *("target", "thinking_token_budget", "parallel_tool_calls", "max_completion_tokens", "tool_calls"),
} - {"json", "choice", "regex", "grammar"}
"""Members that bodies of other addresses have, without those that are words as well."""


def names_in(message: str) -> set[str]:
    """Return the members that an error names: in the place before it, and by words with an underscore."""
    place = re.match(r"[\w/#$]+(?=:)", message)
    said = re.split(" The known ones are|--tool-format", message)[0]
    return {*re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", said), *(place[0].split("/") if place else ())}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: json.dumps(one)[:90])
def test_errors_of_messages_name_what_the_client_sent(served: Any, wrong: dict[str, Any]) -> None:
    body = {**ASKED, **wrong}
    answer = post(served, "/v1/messages", body)
    message = answer.json()["error"]["message"] if answer.status_code != 200 else ""
    assert answer.status_code in (200, 400) and "sg." not in message
    assert not names_in(message) & FOREIGN, message
    known = {*REQUESTS.objects["anthropic"], "input_schema", "budget_tokens", "extra_body", "json_schema"}
    assert {name for name in names_in(message) if "_" in name} <= known, message


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("chat/completions", {**CHAT, "max_completion_tokens": 0}, "max_completion_tokens"),
        ("chat/completions", {**CHAT, "max_tokens": 0}, "max_tokens"),
        ("responses", {"model": "extract", "input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ("responses", {"model": "extract", "input": LONG, "max_output_tokens": 9}, "input"),
        ("completions", {"model": "extract", "prompt": LONG, "max_tokens": 9}, "prompt"),
        (
            "chat/completions",
            {**CHAT, "messages": [{"role": "user", "content": LONG}], "max_tokens": 9},
            "messages",
        ),
    ],
)
def test_other_addresses_name_their_own_members(app: Any, path: str, body: Any, name: str) -> None:
    answer = post(app, f"/v1/{path}", body)
    error = answer.json()["error"]
    assert (
        answer.status_code == 400
        and error["param"] == name
        and re.match(f"{name}(:| must be) ", error["message"])
    )


def cures() -> list[str]:
    """The cures that stand in the package as texts."""
    text = r""" "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' """
    literal = re.compile(rf"\bcure=\(?\s* ((?:(?:{text})\s*)+) [,)]", re.VERBOSE)
    sources = (file.read_text(encoding="utf-8") for file in nonempty(Path(sg.__file__).parent.rglob("*.py")))
    return [ast.literal_eval(f"({cure})") for source in sources for cure in literal.findall(source)]


def test_a_cure_for_clients_leaves_out_what_only_a_program_can_do() -> None:
    known = cures()
    assert len(known) > 300
    for cure in known:
        told = client_cure(StructgenError("It is wrong.", cure=cure))
        assert told[-1:] == cure[-1:] and "sg." not in told, (cure, told)
        if "sg." not in cure and "=" not in cure and "Python" not in cure:
            assert told == cure
    mixed = StructgenError("x", cure='Remove it, use its pattern, or compile with formats="annotate".')
    assert client_cure(mixed) == "Remove it, or use its pattern."
    assert (
        client_cure(LimitError("x", limit="depth")) == "Reduce the request: the limits are set by the server."
    )


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"system": "Be short."},
        {"tools": [tool(description="Save a number.")]},
        {"tools": [tool()], "tool_choice": {"type": "any"}},
        {"output_config": form(SCHEMA)},
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                *block(type="text", text="c"),
            ]
        },
    ],
    ids=lambda one: "+".join(one),
)
def test_tokens_are_counted_as_a_reply_counts_them(served: Any, more: dict[str, Any]) -> None:
    body = {**ASKED, **more}
    written = post(served, "/v1/messages", {**body, "max_tokens": 60})
    if written.status_code == 400:
        assert "tool-format" in written.text
        return
    found = post(served, "/v1/messages/count_tokens", {k: v for k, v in body.items() if k != "max_tokens"})
    assert found.status_code == 200
    usage = written.json()["usage"]
    # kept tokens of the prompt are counted apart
    assert found.json() == {"input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]}
    assert post(served, "/v1/messages/count_tokens", {**body, "stream": True}).json() == found.json()


def test_what_is_counted_is_checked_and_may_be_longer_than_the_context(served: Any) -> None:
    path = "/v1/messages/count_tokens"
    long = post(served, path, {"model": "extract", "messages": [{"role": "user", "content": LONG}]})
    assert long.json()["input_tokens"] > 3000
    for wrong in ({"messages": []}, {"mesages": 1}, {"max_tokens": -1}, {"tools": [tool(name=3)]}):
        answer = post(served, path, {"model": "extract", "messages": ASKED["messages"], **wrong})
        assert answer.status_code == 400 and answer.json()["type"] == "error"
    assert post(served, path, {**ASKED, "model": "x"}).status_code == 404
