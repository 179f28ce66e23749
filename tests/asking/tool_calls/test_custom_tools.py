"""OpenAI's custom tools: in every format, an input is a text of the tool's grammar, and is read back."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each
from test_call_formats import takes

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.tokens.tokenizer import byte_tokenizer

LARK = 'start: NUM ("+" NUM)*\nNUM: /[0-9]+/\n'
GRAMMARS: list[tuple[dict[str, Any], bool]] = [
    ({"type": "grammar", "syntax": "lark", "definition": LARK}, True),
    ({"type": "grammar", "syntax": "regex", "definition": r"[0-9]+(\+[0-9]+)*"}, True),
    ({"type": "text"}, False),
]


def tool_of(format: dict[str, Any]) -> dict[str, Any]:
    return {"type": "custom", "name": "sum", "description": "Adds.", "format": format}


def reply_of(calls: list[sg.Call], row: sg.ToolFormat) -> str:
    """Return a reply of calls alone; of a format whose prompts open a block of text, behind its end."""
    opened = row.text[1] if row.text and not row.blocks else row.lead
    return opened + write_calls(calls, row) + row.end


@for_each("name", FORMATS)
def test_inputs_are_texts_of_the_grammar_in_each_format(name: str) -> None:
    """Of one of the three kinds of grammar, by turns."""
    format, is_held = GRAMMARS[[*FORMATS].index(name) % 3]
    grammar = sg.tools([tool_of(format)], format=name, tool_choice="sum")
    for said, is_one in (("1+22", True), ("1+", not is_held)):
        text = reply_of([sg.Call("sum", {"input": said}, "call_0")], FORMATS[name])
        assert takes(grammar, text) == is_one
        if is_one:
            (call,) = sg.parse_calls(text, name, tools=[tool_of(format)]).calls
            assert call.arguments == {"input": said} and call.tool is not None and call.tool.custom


@pytest.mark.parametrize("name", ["hermes", "qwen_3_coder", "kimi_k3"])
def test_the_shortest_call_is_read_back_as_a_text_of_the_grammar(name: str) -> None:
    tool = tool_of(GRAMMARS[0][0])
    compiled = sg.compile(
        sg.tools([tool], format=name, tool_choice="required", parallel=False), byte_tokenizer()
    )
    (call,) = sg.parse_calls(compiled.completion(compiled.start).decode(), name, tools=[tool]).calls
    assert takes(sg.lark(LARK), str(call.arguments["input"]))


def test_both_shapes_mean_the_same_tool() -> None:
    definition = {"syntax": "lark", "definition": LARK}
    nested = {
        "type": "custom",
        "custom": {"name": "sum", "format": {"type": "grammar", "grammar": definition}},
    }
    flat = {"type": "custom", "name": "sum", "format": {"type": "grammar", **definition}}
    one, other = (sg.read_request({"tools": [given]}).tools[0] for given in (nested, flat))
    assert one.input is not None and other.input is not None and one.input.canonical == other.input.canonical
    assert one.openai() == other.openai()
    assert one.openai()["function"]["parameters"]["properties"]["input"]["description"].endswith(LARK)


@pytest.mark.parametrize(
    "choice",
    [
        "sum",
        {"type": "custom", "name": "sum"},
        {"type": "custom", "custom": {"name": "sum"}},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "sum"}]},
    ],
)
def test_a_custom_tool_is_chosen_by_its_name(choice: Any) -> None:
    read = sg.read_request({"tools": [tool_of(GRAMMARS[0][0])], "tool_choice": choice})
    assert [tool.name for tool in read.choice.tools] == ["sum"]


@pytest.mark.parametrize(
    ("format", "where"),
    [
        ({"type": "grammar", "syntax": "lark", "definition": "start: ("}, ""),
        ({"type": "grammar", "syntax": "lark"}, "tools/0/format"),
        ({"type": "grammar", "syntax": "peg", "definition": "x"}, "tools/0/format/syntax"),
        ({"type": "code"}, "tools/0/format/type"),
    ],
)
def test_a_wrong_grammar_is_refused_when_the_request_is_read(format: Any, where: str) -> None:
    with pytest.raises(sg.StructgenError) as caught:
        sg.read_request({"tools": [tool_of(format)]})
    assert caught.value.where.startswith(where)


def test_the_limits_of_a_request_hold_for_its_tools() -> None:
    format = {"type": "grammar", "syntax": "lark", "definition": 'start: A~1000000\nA: "a"'}
    with pytest.raises(sg.errors.LimitError):
        sg.read_request({"tools": [tool_of(format)]}, limits=sg.Limits(grammar_rules=100))


EMPTY = 'start: "+" LINE "."\nLINE: /[a-z]*/\n'
"""A grammar that lark refuses, since a terminal may be empty."""


@for_each("name", ["hermes", "qwen_3_coder", "kimi_k3", "harmony"])
def test_a_grammar_that_lark_refuses_is_read_as_llguidance_reads_it(name: str) -> None:
    tool = tool_of({"type": "grammar", "syntax": "lark", "definition": EMPTY})
    with pytest.warns(sg.errors.GrammarWarning, match="Lark rejects the grammar.*may match the empty string"):
        grammar = sg.tools([tool], format=name, tool_choice="sum")
    for said, is_one in (("+ab.", True), ("+.", True), ("+a", False), ("+a..", False)):
        text = reply_of([sg.Call("sum", {"input": said}, "call_0")], FORMATS[name])
        assert takes(grammar, text) == is_one, said


def test_a_grammar_that_lark_takes_keeps_its_reading() -> None:
    """lark's own lexer decides for the keyword where it may, llguidance's for both."""
    definition = 'start: "if" "!" | NAME "?"\nNAME: /[a-z]+/\n'
    read = sg.read_request(
        {"tools": [tool_of({"type": "grammar", "syntax": "lark", "definition": definition})]}
    )
    grammar = read.tools[0].input
    assert grammar is not None and [takes(grammar, text) for text in ("if!", "if?", "iff?")] == [
        True,
        False,
        True,
    ]
