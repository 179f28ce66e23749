"""Replies of models: read leniently where that is sound, told where not; and the way back to a prompt."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from test_call_formats import CALL, EXAMPLES, JSON, TOOLS

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls


def test_texts_around_calls_and_thoughts_are_kept_apart() -> None:
    call = EXAMPLES["qwen_3"]
    reply = sg.parse_calls(f"<think>a {call}</think>\n\nOne. {call} two {call} three", "qwen_3")
    assert reply.thinking == f"a {call}"
    assert reply.texts == ["One. ", " two ", " three"] and reply.text == "One.  two  three"
    assert [one.id for one in reply.calls] == ["call_0", "call_1"]


def test_thoughts_that_the_prompt_has_opened() -> None:
    reply = sg.parse_calls(f"hm</think>\n\n{EXAMPLES['qwen_3']}", "qwen_3")
    assert reply.thinking == "hm" and len(reply.calls) == 1
    assert sg.parse_calls("hm", "qwen_3", thinking=True).thinking == "hm"
    assert not sg.parse_calls("hm", "qwen_3", thinking=True).complete
    assert sg.parse_calls("hm</think>", "qwen_3", thinking=False).text == "hm</think>"


def test_an_unknown_tool_is_told_and_not_dropped() -> None:
    text = EXAMPLES["hermes"].replace("get_weather", "format_disk")
    reply = sg.parse_calls(text, "hermes", tools=TOOLS)
    (call,) = reply.calls
    assert (call.name, call.arguments) == ("format_disk", CALL)
    assert isinstance(call.error, sg.errors.GenerationError)
    assert "'format_disk'" in str(call.error) and "get_weather" in str(call.error)
    with pytest.raises(sg.errors.GenerationError):
        call.value()
    assert reply.problems == [call.error]
    assert sg.parse_calls(text, "hermes").calls[0].error is None


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("hermes", '<tool_call>{"name":"get_weather","arguments":{"city":"Oslo","days":3}}</tool_call>'),
        (
            "hermes",
            '<tool_call>\n  {\n "name" : "get_weather" , "arguments" : ' + JSON + "\n}\n\n</tool_call>",
        ),
        (
            "hermes",
            '<tool_call>\n{"name": "get_weather", "arguments": ' + json.dumps(JSON) + "}\n</tool_call>",
        ),
        ("mistral_list", f'[TOOL_CALLS][{{"name": "get_weather", "arguments": {JSON}, "id": "abcdefghi"}}]'),
        ("qwen_3_coder", EXAMPLES["qwen_3_coder"].replace("\n", "")),
        ("glm_4_7", EXAMPLES["glm_4_7"].replace("<arg", "\n<arg").replace("get_weather", "get_weather\n")),
        ("harmony", EXAMPLES["harmony"].removesuffix("<|call|>")),
        ("deepseek_v3_2", EXAMPLES["deepseek_v3_2"].replace(">\n", ">")),
    ],
)
def test_white_space_and_a_missing_end_do_not_matter(format: str, text: str) -> None:
    reply = sg.parse_calls(text, format)
    assert [(call.name, call.arguments) for call in reply.calls] == [("get_weather", CALL)]
    assert reply.problems == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "<tool_call>\nget_weather\n</tool_call>",
            "A text begins like a call, but is not one",
        ),
        ('<tool_call>\n{"name": "f", "arguments": {"a": NaN}}\n</tool_call>', "no JSON"),
        ('<tool_call>\n{"name": "f", "arguments": [1]}\n</tool_call>', "no object"),
        ('<tool_call>\n{"na', "ends before its arguments"),
    ],
)
def test_what_is_no_call_is_told_and_stays_text_or_has_an_error(text: str, said: str) -> None:
    reply = sg.parse_calls(text, "hermes")
    assert len(reply.problems) == 1
    problem = reply.problems[0]
    assert re.search(said, str(problem)) and problem.where
    assert reply.text == text or reply.calls[0].error is problem


def test_a_half_written_call_is_partial() -> None:
    text = f"Hi {EXAMPLES['hermes']} then " + '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Os'
    reply = sg.parse_calls(text, "hermes", tools=TOOLS)
    assert len(reply.calls) == 1 and not reply.complete
    assert reply.partial is not None
    assert (reply.partial.name, reply.partial.arguments, reply.partial.id) == (
        "get_weather",
        {"city": "Os"},
        "call_1",
    )
    with pytest.raises(sg.errors.GenerationError, match="is incomplete"):
        reply.partial.value()


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("{", {}),
        ('{"a', {}),
        ('{"a":', {}),
        ('{"a": "x\\', {"a": "x"}),
        ('{"a": "x\\u00', {"a": "x"}),
        ('{"a": "x\\ud83d', {"a": "x"}),
        ('{"a": 1', {}),
        ('{"a": 1,', {"a": 1}),
        ('{"a": [1, {"b": "c', {"a": [1, {"b": "c"}]}),
        ('{"a": tru', {}),
        ('{"a": true, "b": nul', {"a": True}),
    ],
)
def test_arguments_grow(written: str, there: dict[str, Any]) -> None:
    text = '<tool_call>\n{"name": "f", "arguments": ' + written
    partial = sg.parse_calls(text, "hermes", ended=False).partial
    assert partial is not None and partial.arguments == there


def test_the_end_that_may_begin_a_call_is_pending() -> None:
    assert sg.parse_calls("Hi <tool_", "hermes", ended=False).pending == "<tool_"
    assert sg.parse_calls("Hi <tool_", "hermes", ended=False).text == "Hi "
    assert sg.parse_calls("Hi <tool_", "hermes").text == "Hi <tool_"


# --- messages -----------------------------------------------------------------------------------------------


def test_results_are_messages() -> None:
    one, other = sg.parse_calls(EXAMPLES["hermes"] * 2, "hermes").calls
    assert one.result("sunny") == {
        "role": "tool",
        "tool_call_id": "call_0",
        "name": "get_weather",
        "content": "sunny",
    }
    assert other.result({"t": 5})["content"] == '{"t": 5}'
    assert other.result("no such city", error=True)["content"] == '{"error": "no such city"}'
    assert other.result(ValueError("bad"))["content"] == '{"error": "bad"}'
    with pytest.raises(sg.errors.OptionError, match="cannot be written as JSON"):
        one.result(object())


def test_the_result_of_a_type_is_json() -> None:
    import datetime

    (call,) = sg.parse_calls(EXAMPLES["hermes"], "hermes").calls
    assert call.result({"day": datetime.date(2026, 1, 2)})["content"] == '{"day": "2026-01-02"}'


def test_the_ids_that_a_format_writes_are_read_back() -> None:
    first = sg.parse_calls(EXAMPLES["kimi"] * 2, "kimi").calls
    again = sg.parse_calls(write_calls(first, "kimi"), "kimi").calls
    assert [call.id for call in first] == [call.id for call in again] == ["functions.get_weather:0"] * 2


def test_a_string_that_holds_the_end_of_its_argument_cannot_be_written() -> None:
    with pytest.raises(sg.errors.OptionError, match="'</parameter>'"):
        write_calls([sg.Call("f", {"a": "x</parameter>"}, "call_0")], "qwen_3_coder")
