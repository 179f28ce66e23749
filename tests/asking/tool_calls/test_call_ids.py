"""Ids of calls: each format writes its own form, and its chat template reads the ids of every server."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

import jinja2
import pytest
from call_templates import TEMPLATES
from for_each import for_each

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS

SERVERS = {
    "OpenAI": lambda source, name, count: f"call_{source.randbytes(12).hex()}",
    "vLLM": lambda source, name, count: f"chatcmpl-tool-{source.randbytes(16).hex()}",
    "Anthropic": lambda source, name, count: f"toolu_01{source.randbytes(11).hex()}",
    "Mistral": lambda source, name, count: source.randbytes(5).hex()[:9],
    "Kimi": lambda source, name, count: f"functions.{name}:{count}",
    "one that counts in each turn": lambda source, name, count: f"call_{count % 2}",
    "one without ids": lambda source, name, count: "",
}
NAMES = ("exec", "read_file", "a.b-c")


def refused(said: str) -> None:
    raise ValueError(said)


ENVIRONMENT = jinja2.Environment()
ENVIRONMENT.globals["raise_exception"] = refused
COMPILED = {name: ENVIRONMENT.from_string(said) for name, said in TEMPLATES.items()}


def rendered(format: str, messages: list[dict[str, Any]]) -> str:
    return COMPILED[format].render(messages=messages)


def conversation(source: random.Random, servers: list[str], turns: int = 2) -> list[dict[str, Any]]:
    """Return turns of calls and their results, which come in any order, the ids of these servers by turns."""
    found: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    count = 0
    for server in itertools.islice(itertools.cycle(servers), turns):
        calls = []
        for _ in range(source.randrange(1, 3)):
            name = source.choice(NAMES)
            identity = SERVERS[server](source, name, count)
            calls.append({"id": identity, "function": {"name": name, "arguments": {"n": count}}})
            count += 1
        found.append({"role": "assistant", "content": "", "tool_calls": calls})
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": str(call["function"]["arguments"]["n"])}
            for call in calls
        ]
        found += results if server.endswith("ids") else source.sample(results, len(results))
    return found


def check(format: str, given: list[dict[str, Any]]) -> None:
    """The template takes the ids; each result has the id of its call, and no two calls have one."""
    row, messages = FORMATS[format], FORMATS[format].renamed(given)
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    by_id = {call["id"]: call["function"] for call in calls}
    assert len(by_id) == len(calls)
    for call in calls:
        name = re.escape(call["function"]["name"])
        assert re.fullmatch(row.ids.replace("$name", name), call["id"]), call
    for message in messages:
        if message["role"] == "tool":
            called = by_id[message["tool_call_id"]]
            assert called["arguments"]["n"] == int(message["content"])
            assert message["name"] == called["name"]
    text = rendered(format, messages)
    assert re.findall("<id ([^>]+)>", text) == [*by_id]
    assert len(re.findall("<result ([^> ]+) [^>]+>", text)) == sum(one["role"] == "tool" for one in messages)
    if format == "kimi":
        named = re.findall(r"begin\|>functions\.([^:]+):\d+<", text)
        assert named == [call["function"]["name"] for call in calls]


@for_each("format", FORMATS)
def test_the_template_of_a_format_takes_the_ids_of_every_server(format: str) -> None:
    source = random.Random(f"ids {format}")
    for first, second in itertools.product(SERVERS, SERVERS):
        given = conversation(source, [first, second])
        check(format, given)
        messages = FORMATS[format].renamed(given)
        assert FORMATS[format].renamed(messages) == messages
        for end in range(len(given)):  # the beginning of a conversation stays what it was
            assert FORMATS[format].renamed(given[:end]) == messages[:end]


@for_each("format", FORMATS)
def test_own_ids_stay_and_foreign_ones_take_no_other_s(format: str) -> None:
    row = FORMATS[format]
    own = [row.new_id("exec", 1), row.counted_id("exec", 2), row.counted_id("exec", 3)]
    given = [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": one, "function": {"name": "exec", "arguments": {"n": at}}}
                for at, one in enumerate(["a b c", *own, "d:e:f"])
            ],
        }
    ]
    calls = row.renamed(given)[0]["tool_calls"]
    assert [call["id"] for call in calls[1:4]] == own
    assert len({call["id"] for call in calls}) == 5


@for_each("format", FORMATS)
def test_a_new_id_is_of_the_format_and_of_no_other_call(format: str) -> None:
    row = FORMATS[format]
    ids = [row.new_id("exec", number) for number in range(200)]
    assert len(set(ids)) == 200
    assert all(re.fullmatch(row.ids.replace("$name", "exec"), one) for one in ids)
    assert all(
        re.fullmatch(row.ids.replace("$name", "exec"), row.counted_id("exec", at)) for at in (0, 12, 99999)
    )


def test_ids_that_come_twice_belong_to_the_last_turn_that_has_them() -> None:
    def turn(*ids: str, begin: int = 0) -> dict[str, Any]:
        calls = [
            {"id": one, "function": {"name": "exec", "arguments": {"n": begin + at}}}
            for at, one in enumerate(ids)
        ]
        return {"role": "assistant", "content": "", "tool_calls": calls}

    def result(id: str, said: int) -> dict[str, Any]:
        return {"role": "tool", "tool_call_id": id, "content": str(said)}

    for format in FORMATS:
        check(format, [turn("x", "x"), result("x", 0), result("x", 1)])
        check(format, [turn("x"), result("x", 0), turn("x", begin=1), result("x", 1)])
        check(format, [turn("x", "y"), turn("x", begin=2), result("x", 2), result("y", 1)])
        check(format, [turn("", "y"), result("y", 1), result("", 0)])


@for_each("format", FORMATS)
def test_calls_with_and_without_ids_stand_in_one_turn(format: str) -> None:
    """Results with an id go to their call in any order, those without one to the calls without, in theirs."""
    source = random.Random(f"mixed {format}")
    for _ in range(30):
        given, count = list[dict[str, Any]](), 0
        for _ in range(source.randrange(1, 4)):
            ids = source.sample(["", "", "call_0", "toolu_1", "functions.exec:0", "abcdefghi"], 3)
            calls = [
                {"id": id, "function": {"name": source.choice(NAMES), "arguments": {"n": count + at}}}
                for at, id in enumerate(ids)
            ]
            count += 3
            given.append({"role": "assistant", "content": "", "tool_calls": calls})
            named = [at for at in range(3) if ids[at]]
            order = source.sample(named, len(named))
            for at in [at for at in range(3) if not ids[at]]:
                order.insert(source.randrange(len(order) + 1) if at == ids.index("") else len(order), at)
            for at in order:
                said = str(calls[at]["function"]["arguments"]["n"])
                given.append({"role": "tool", "tool_call_id": ids[at], "content": said})
        check(format, given)


@pytest.mark.parametrize("id", ["call_9", ""])
def test_a_result_of_no_call_is_refused_by_its_place(id: str) -> None:
    given = [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": id, "content": "5"}]
    with pytest.raises(sg.errors.OptionError, match="no earlier message contains that call") as caught:
        FORMATS["hermes"].renamed(given)
    assert caught.value.where == "messages/1/tool_call_id" and "tool_calls" in caught.value.cure
