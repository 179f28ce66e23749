"""Replies while they are written: what is there stays, whatever stands in arguments, and wherever the text
is cut."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Any

import pytest
from for_each import for_each
from malformed_replies import malformed
from reply_texts import TOOLS, faults, reply
from test_call_formats import EXAMPLES

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS

JSON_FORMATS = [name for name, row in FORMATS.items() if not row.member]


@pytest.mark.parametrize("count", [1, pytest.param(40, marks=pytest.mark.slow)])
@for_each("format", FORMATS)
def test_nothing_is_taken_back_wherever_a_reply_is_cut(format: str, count: int) -> None:
    """In 60 places, without the tools and with them; of many replies everywhere. And a whole reply is read as
    it was written, whatever marks and quotes its strings have."""
    for seed in range(count):
        text, calls, told = reply(random.Random(f"cut {format} {seed}"), format, 2)
        for tools in (None, TOOLS):
            assert list(faults(text, format, tools, step=1 + (count == 1) * len(text) // 60)) == []
            read = sg.parse_calls(text, format, tools=tools)
            assert [call.name for call in read.calls] == [name for name, _ in calls]
            assert read.text.strip() == told.strip() and read.complete and not read.problems
        assert [(call.name, dict(call.arguments)) for call in read.calls] == calls


@for_each("format", [name for name, row in FORMATS.items() if row.thinking])
@for_each("thinking", [True, False, "auto"])
def test_thoughts_and_half_of_their_marks_are_not_taken_back(format: str, thinking: Any) -> None:
    row = FORMATS[format]
    begin, end = row.thinking
    for text in (f"{begin}So < {end[:-1]} so{end}", f"Hm {end[:4]}. So.{end}", f"Hm {end[:4]}"):
        whole = f"{text}{row.after_thinking}{EXAMPLES[format]}"
        assert list(faults(whole[: len(text) + 20], format, TOOLS, thinking)) == []


@pytest.mark.parametrize("format", ["qwen_3", "deepseek_r1"])
def test_half_a_mark_is_pending(format: str) -> None:
    for thinking in (True, False, "auto"):
        read = sg.parse_calls("Hi </thi", format, thinking=thinking, ended=False)
        assert read.pending.endswith("</thi") and "</thi" not in read.text + (read.thinking or "")


@pytest.mark.parametrize("format", JSON_FORMATS)
def test_an_unfinished_key_of_a_nested_object_leaves_a_call_a_call(format: str) -> None:
    example = EXAMPLES[format]
    quoted = FORMATS[format].calls[0].endswith("$quoted}}")
    key = '{\\"a\\": {\\"b' if quoted else '{"a": {"b'
    begin = example.index('{\\"city' if quoted else '{"city')
    read = sg.parse_calls(example[:begin] + key, format, ended=False)
    assert read.partial is not None and read.text == ""
    assert (read.partial.name, read.partial.arguments) == ("get_weather", {"a": {}})


DEEP = {
    "mistral": ("[TOOL_CALLS]f[ARGS]", '{"a":'),
    "hermes": ('<tool_call>\n{"name": "f", "arguments": ', '{"a":'),
    "gemma": ("<|tool_call>call:f", "{a:"),
    "cohere": (
        '<cofl:tool_calls><cofl:tool_call id="0" name="f">',
        '<cofl:value name="a" type="dict">',
    ),
    "minimax_m3": (']<]minimax[>[<tool_call>\n]<]minimax[>[<invoke name="f">', "]<]minimax[>[<a>"),
}


@pytest.mark.parametrize("format", DEEP)
def test_arguments_ten_thousand_deep_are_read(format: str) -> None:
    begin, level = DEEP[format]
    partial = sg.parse_calls(begin + 10_000 * level, format, ended=False).partial
    assert partial is not None
    depth, value = 0, partial.arguments
    while value:
        depth, value = depth + 1, value["a"]
    assert depth >= 9_999
    assert partial.document.count("{") >= 10_000


def test_deep_json_in_a_raw_value_is_read() -> None:
    begin = "<tool_call>\n<function=f>\n<parameter=a>\n"
    tools: list[Any] = [
        {"name": "f", "inputSchema": {"type": "object", "properties": {"a": {"type": "object"}}}}
    ]
    partial = sg.parse_calls(begin + '{"b": ' * 2000, "qwen_3_coder", tools=tools).partial
    assert partial is not None and partial.document.count("{") == 2001


@for_each("format", FORMATS)
def test_malformed_replies_are_read_without_an_exception_and_lose_nothing(format: str) -> None:
    """120 of each format: every one keeps its text, or has a call, or says what is wrong."""
    listed = malformed(format)
    assert len(listed) >= 120
    for at, text in enumerate(listed):
        read = sg.parse_calls(text, format, tools=(None, TOOLS)[at % 2])
        assert read.calls or read.partial or read.text or read.thinking or read.problems, text
        assert read.complete or read.partial or read.problems or read.thinking or read.text, text


@pytest.mark.parametrize("stride", [24, pytest.param(1, marks=pytest.mark.slow)])
@for_each("format", FORMATS)
def test_nothing_is_taken_back_of_malformed_replies(format: str, stride: int) -> None:
    for text in malformed(format)[::stride]:
        step = 1 if stride == 1 else 1 + len(text) // 20
        assert list(faults(text, format, TOOLS, step=step)) == [], text


KIMI = "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0"
DEEPSEEK = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
COHERE = "<cofl:tool_calls><cofl:tool_call id='0' name='f'>"
LOOSE = [
    ("mistral", '[TOOL_CALLS]f{"path": "a"}', {"path": "a"}),
    ("mistral", "[TOOL_CALLS]f[ARGS]{'path': 'a \"b\"', 'x': None}", {"path": 'a "b"', "x": None}),
    ("hermes", "<tool_call>\n{'name': 'f', 'arguments': {'it\\'s': [True]}}\n</tool_call>", {"it's": [True]}),
    ("hermes", '<tool_call>\n{"name": "f", "parameters": {"a": 1}}\n</tool_call>', {"a": 1}),
    ("hermes", '<tool_call>\n{"name": "f", "arguments": {"a": "1\n2"}}\n</tool_call>', {"a": "1\n2"}),
    ("hermes", '<tool_call>\n{"name": "f", "arguments": {"a": 1}}', {"a": 1}),
    ("kimi", KIMI + '{"a": 1}<|tool_call_end|>', {"a": 1}),
    ("deepseek_v3_1", DEEPSEEK + 'f{"a": 1}<｜tool▁call▁end｜>', {"a": 1}),
    ("deepseek_r1", DEEPSEEK + 'function<｜tool▁sep｜>f\n{"a": 1}<｜tool▁call▁end｜>', {"a": 1}),
    ("harmony", '<|channel|>commentary to=functions.f<|message|>{"a": 1}<|call|>', {"a": 1}),
    ("gemma", '<|tool_call>call:f{"a":"Oslo",b:\'x\'}', {"a": "Oslo", "b": "x"}),
    (
        "minimax",
        "<minimax:tool_call>\n<invoke name='f'>\n<parameter name='a'>x</parameter>\n</invoke>",
        {"a": "x"},
    ),
    ("glm_4_7", "<tool_call>f<arg_key>a</arg_key><arg_value>x</arg_value>", {"a": "x"}),
    ("qwen_3_coder", "<tool_call>\n<function=f>\n<parameter=a>\nx\n</parameter>\n</function>", {"a": "x"}),
    ("cohere", COHERE + "<cofl:value name='a' type='raw'>x</cofl:value></cofl:tool_call>", {"a": "x"}),
]


@for_each(("format", "text", "arguments"), LOOSE)
def test_calls_that_models_write_in_their_own_way_are_read_with_a_note(
    format: str, text: str, arguments: dict[str, Any]
) -> None:
    read = sg.parse_calls(text, format)
    assert [(call.name, call.arguments) for call in read.calls] == [("f", arguments)]
    assert read.text.strip() == "" and read.calls[0].error is None
    assert read.problems and all(isinstance(one, sg.errors.LooseCallError) for one in read.problems)
    assert list(faults(text, format, None)) == []


@for_each("quoted", [False, True])
@for_each("format", JSON_FORMATS)
def test_a_call_in_single_quotes_is_read_with_a_note(format: str, quoted: bool) -> None:
    """The whole call, or its arguments as a text in single quotes."""
    row, arguments = FORMATS[format], {"a": "x y", "b": [True, None, {"c": 1.5}]}
    if quoted:
        template = re.sub("[$](?:arguments|quoted)", "'$arguments'", row.calls[0])
        text = write_calls([sg.Call("f", arguments, "call_0")], replace(row, calls=template))
    else:
        written = write_calls([sg.Call("f", arguments, "call_0")], row)
        text = re.sub(r'(?<!\\)"', "'", written)
    read = sg.parse_calls(text, format)
    assert [(call.name, call.arguments) for call in read.calls] == [("f", arguments)]
    assert read.text.strip() == "" and read.problems
    assert all(isinstance(one, sg.errors.LooseCallError) for one in read.problems)
    assert list(faults(text, format, None)) == []


def test_a_broken_call_does_not_hide_the_next_one() -> None:
    text = '<tool_call>\n{"name": "f", "arguments": {"a": "b</tool_call>\n' + EXAMPLES["hermes"]
    read = sg.parse_calls(text, "hermes")
    assert [call.name for call in read.calls] == ["f", "get_weather"]
    assert read.calls[0].error is not None and read.calls[1].error is None


def test_a_call_that_breaks_off_behind_its_name_is_not_whole() -> None:
    for format, text in (("qwen_3_coder", "<tool_call>\n<function=f>\n"), ("cohere", COHERE)):
        read = sg.parse_calls(text, format)
        assert read.calls == [] and read.partial is not None and not read.complete
