"""Calls whose marks are missing, doubled or others; members of JSON calls in any order; preambles."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from for_each import for_each
from malformed_replies import mark_faults
from reply_texts import faults
from test_call_formats import CALL, EXAMPLES, TOOLS, takes

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS

LOOSE = sg.errors.LooseCallError


@for_each("format", FORMATS)
def test_no_fault_in_the_marks_of_a_call_is_silent(format: str) -> None:
    """Each mark left out, doubled, or replaced by each other mark of the format: a problem, and no reply is
    complete. Where a mark of a call's end is left out, or one is doubled there, the call is read."""
    for at, (what, text) in enumerate(mark_faults(format)):
        read = sg.parse_calls(text, format, tools=(None, TOOLS)[at % 2])
        if format == "harmony" and text == EXAMPLES[format].removesuffix("<|call|>"):
            assert read.calls and read.complete  # the mark ends the reply too
            continue
        assert read.problems, (what, text)
        assert not read.complete, (what, text)


@pytest.mark.parametrize("most", [4, pytest.param(10**6, marks=pytest.mark.slow)])
@for_each("format", FORMATS)
def test_what_is_read_of_a_call_with_a_wrong_mark_stays(format: str, most: int) -> None:
    listed = list(dict.fromkeys(text for _, text in mark_faults(format)))
    for text in random.Random(format).sample(listed, min(most, len(listed))):
        step = 1 + len(text) // 30 if most == 4 else 1
        assert list(faults(text, format, TOOLS, step=step)) == [], text


OPENINGS = {
    "hermes": "<tool_call>\n",
    "qwen_3": "<tool_call>\n",
    "exaone": "<tool_call>",
    "openai-json": '{"tool_calls": [',
    "mistral_list": "[TOOL_CALLS] [",
    "gemma": "<|tool_call>",
    "function_gemma": "<start_function_call>",
    "kimi": "<|tool_calls_section_begin|>",
    "kimi_k3": "<|close|>response<|sep|><|open|>tools<|sep|>",
    "deepseek_r1": "<｜tool▁calls▁begin｜>",
    "deepseek_v3_1": "<｜tool▁calls▁begin｜>",
    "qwen_3_coder": "<tool_call>\n",
    "qwen_3_5": "<tool_call>\n",
    "mimo": "<tool_call>",
    "deepseek_v3_2": "<｜DSML｜function_calls>\n",
    "deepseek_v4": "<｜DSML｜tool_calls>\n",
    "deepseek_v4_1": "<｜DSML｜ calls>\n",
    "minimax": "<minimax:tool_call>\n",
    "minimax_m3": "]<]minimax[>[<tool_call>\n",
    "cohere": "<cofl:tool_calls>",
    "harmony": "<|channel|>commentary",
}
"""The mark that opens a call, in the formats that have more of them."""


@for_each("format", OPENINGS)
def test_a_call_without_its_opening_mark_is_read(format: str) -> None:
    text = EXAMPLES[format].removeprefix(OPENINGS[format])
    assert text != EXAMPLES[format]
    read = sg.parse_calls(f"See.\n{text}", format, tools=TOOLS)
    assert [(call.name, call.arguments) for call in read.calls] == [("get_weather", CALL)]
    assert all(isinstance(one, LOOSE) for one in read.problems) and read.problems and not read.complete
    assert list(faults(f"See.\n{text}", format, TOOLS)) == []


OPENED = [
    *("kimi", "deepseek_r1", "deepseek_v3_1", "qwen_3_coder", "qwen_3_5"),
    *("deepseek_v3_2", "deepseek_v4", "deepseek_v4_1", "minimax", "cohere"),
]


@for_each("format", OPENED)
def test_free_text_opens_a_call_without_its_opening_mark(format: str) -> None:
    text = "See.\n" + EXAMPLES[format].removeprefix(OPENINGS[format])
    for most in (True, False):
        grammar = sg.tools(TOOLS, format=format, parallel=most)
        assert takes(grammar, text) and not takes(grammar, text.replace("get_weather", "get_wether"))
        assert takes(grammar, text + " And.") is most


@for_each("format", ["hermes", "qwen_3", "exaone", "gemma", "function_gemma", "mimo", "minimax_m3"])
def test_free_text_holds_no_call_without_its_opening_mark(format: str) -> None:
    text = EXAMPLES[format].removeprefix(OPENINGS[format])
    assert sg.parse_calls(text, format).calls and not takes(sg.tools(TOOLS, format=format), text)


def test_free_text_opens_the_calls_of_others() -> None:
    for format, text in (
        (
            "qwen_3_coder",
            "<function=get_weather>\n<parameter=city>\nls\n</parameter>\n</function>\n</tool_call>",
        ),
        ("llama", '{"type": "function", "name": "get_weather", "parameters": {"city": "Oslo"}}'),
    ):
        grammar = sg.tools(TOOLS, format=format)
        assert takes(grammar, f"I see.\n{text}") and not takes(grammar, text.replace("weather", "wether"))
        assert not takes(grammar, text.replace("city", "town"))
        assert len(sg.parse_calls(text, format, tools=TOOLS).calls) == 1


@for_each("format", FORMATS)
def test_a_mark_of_calls_is_no_free_text(format: str) -> None:
    """What the mask lets through as text is read as text."""
    last = EXAMPLES[format][-30:].split("<")[-1]
    mark = f"<{last}"
    if "<" in EXAMPLES[format][-30:] and not FORMATS[format].text:
        for choice in ("auto", "none"):
            assert not takes(sg.tools(TOOLS, format=format, tool_choice=choice), f"See {mark}.")
        assert takes(sg.tools(TOOLS, format=format), f"See {mark[:-1]}.")


@for_each("format", FORMATS)
def test_a_reply_that_ends_in_an_opening_mark_is_not_complete(format: str) -> None:
    row = FORMATS[format]
    for begin in (row.triggers[0], row.section[0].strip()) if row.section[0] else row.triggers:
        for text in (begin, f"{begin}\n", f"Let me see. {begin}"):
            read = sg.parse_calls(text, format)
            assert not read.complete and not read.calls, (begin, text)
            assert read.problems, (begin, text)


# --- members of calls that are JSON objects -----------------------------------------------------------------


def calls_of(format: str) -> tuple[str, list[dict[str, Any]], str]:
    """Return what stands before the object of a call, it and the one inside of it, and what follows."""
    text = EXAMPLES[format]
    at = text.index('{"name"') if format != "openai-json" else text.index('{"id"')
    found, end = json.JSONDecoder().raw_decode(text, at)
    return text[:at], [found, *([found["function"]] if "function" in found else [])], text[end:]


OBJECTS = ("hermes", "qwen_3", "exaone", "llama", "openai-json", "mistral_list")
MORE = [("type", "function"), ("note", {"a": ["}", 1]}), ("strict", None), ("n", -1.5e3), ("index", "0")]


@for_each("format", OBJECTS)
def test_members_stand_in_any_order_among_others(format: str) -> None:
    before, objects, after = calls_of(format)
    source = random.Random(format)
    for inner in itertools.permutations(objects[-1].items()):
        for more in ([], *([one] for one in MORE), source.sample(MORE, 2)):
            members = [*inner, *more]
            if more:
                source.shuffle(members)
            made: Any = dict(members)
            if len(objects) > 1:
                outer = list({**objects[0], "function": made}.items())
                source.shuffle(outer)
                made = dict(outer)
            text = before + json.dumps(made) + after
            read = sg.parse_calls(text, format, tools=TOOLS)
            assert [(call.name, call.arguments) for call in read.calls] == [("get_weather", CALL)], text
            assert read.text.strip() == "" and read.complete
            assert text == EXAMPLES[format] or read.problems, text
            assert all(isinstance(one, LOOSE) for one in read.problems)
            assert list(faults(text, format, TOOLS, step=7)) == [], text


@for_each("format", OBJECTS)
@for_each("absent", [None, "", MORE])
def test_a_call_without_arguments_has_none(format: str, absent: Any) -> None:
    before, objects, after = calls_of(format)
    made = {**objects[-1]}
    key = next(one for one in ("arguments", "parameters") if one in made)
    if absent is MORE:
        del made[key]
    else:
        made[key] = absent
    whole = made if len(objects) == 1 else {**objects[0], "function": made}
    read = sg.parse_calls(before + json.dumps(whole) + after, format, tools=TOOLS)
    assert [(call.name, call.arguments) for call in read.calls] == [("get_weather", {})]
    assert read.problems and all(isinstance(one, LOOSE) for one in read.problems)


def test_an_object_that_calls_nothing_is_text() -> None:
    for text in ("They call: {a:1}", "call:f{a:1} and more", "call:f{a:1}}"):
        read = sg.parse_calls(text, "gemma")
        assert (read.text, read.calls, read.problems, read.complete) == (text, [], [], True)
        assert list(faults(text, "gemma", None)) == []
    for text in ('{"name": "Ada", "age": 36}', '{"a": {"name": "x"}, "arguments": 5}', '{"arguments": {}}'):
        for format in ("hermes", "mistral_list", "qwen_3"):
            read = sg.parse_calls(text, format, tools=TOOLS)
            assert (read.text, read.calls, read.problems, read.complete) == (text, [], [], True)


# --- arguments ----------------------------------------------------------------------------------------------

RAW = [name for name, row in FORMATS.items() if row.ends]


@for_each("format", RAW)
def test_no_string_holds_a_mark_that_shows_that_it_is_over(format: str) -> None:
    """So a string whose closing mark is missing does not run on under a mask."""
    row = FORMATS[format]
    grammar = sg.tools(TOOLS, format=format)
    for mark in row.ends:
        assert takes(grammar, EXAMPLES[format].replace("Oslo", f"Os{mark[:-1]}"))
        assert not takes(grammar, EXAMPLES[format].replace("Oslo", f"Os{mark}lo"))


WRONG = [
    ("qwen_3_coder", "<tool_call>\n<function=f>\n<parameter=a>\nx\n</function>\n</tool_call>", {"a": "x"}),
    (
        "qwen_3_coder",
        "<tool_call>\n<function=f>\n<parameter=a>\nx\n</function>\n<parameter=b>\ny\n</parameter>\n"
        "</function>\n</tool_call>",
        {"a": "x", "b": "y"},
    ),
    (
        "qwen_3_coder",
        "<tool_call>\n<function=f>\n<parameter=a>\nx\n<parameter=b>\ny\n</parameter>\n</function>\n</tool_call>",
        {"a": "x", "b": "y"},
    ),
    ("gemma", '<|tool_call>call:f{a:<|"|>x<tool_call|>', {"a": "x"}),
    ("gemma", '<|tool_call>call:f{a:<|"|>x}<tool_call|>', {"a": "x"}),
    ("gemma", '<|tool_call>call:f{a:<|"|>x,b:<|"|>y<|"|>}<tool_call|>', {"a": "x", "b": "y"}),
    ("gemma", '<|tool_call>call:f{a:<|"|>x,b:<|"|>y}<tool_call|>', {"a": "x", "b": "y"}),
    ("glm_4_7", "<tool_call>f<arg_key>a</arg_key><arg_value>x</tool_call>", {"a": "x"}),
    (
        "minimax",
        '<minimax:tool_call>\n<invoke name="f">\n<parameter name="a">x</invoke>\n</minimax:tool_call>',
        {"a": "x"},
    ),
]


@for_each(("format", "text", "arguments"), WRONG)
def test_an_argument_with_a_wrong_closing_mark_is_read(
    format: str, text: str, arguments: dict[str, Any]
) -> None:
    tool = {
        "name": "f",
        "inputSchema": {"type": "object", "properties": {key: {"type": "string"} for key in "ab"}},
    }
    for tools in ([tool],) if format == "gemma" else (None, [tool]):
        read = sg.parse_calls(text, format, tools=tools)
        assert [(call.name, call.arguments) for call in read.calls] == [("f", arguments)]
        assert read.problems and not read.complete
        assert list(faults(text, format, tools)) == []


# --- Harmony ------------------------------------------------------------------------------------------------

PREAMBLE = "<|channel|>commentary<|message|>I look it up.<|end|><|start|>assistant"
THOUGHTS = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"


@for_each("ahead", [PREAMBLE, THOUGHTS + PREAMBLE, PREAMBLE * 2])
def test_a_preamble_of_harmony_is_text(ahead: str) -> None:
    text = ahead + EXAMPLES["harmony"]
    read = sg.parse_calls(text, "harmony", tools=TOOLS)
    assert read.text == "I look it up." * ahead.count("look")
    assert read.thinking == ("Hm." if "Hm" in ahead else None)
    assert [call.arguments for call in read.calls] == [CALL] and read.complete and not read.problems
    assert list(faults(text, "harmony", TOOLS)) == []
    assert takes(sg.tools(TOOLS, format="harmony", thinking="auto"), text)
