"""Arguments that are texts of grammars, in each format: what stands raw is the text itself."""

from __future__ import annotations

import random
from typing import Annotated, Any

import pytest
from compiled_texts import takes
from for_each import for_each
from grammar_places import GRAMMARS, TEXTS
from test_call_formats import EXAMPLES

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.tool_definitions import read_tools
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
RAW = {
    "qwen_3_coder": (
        "<tool_call>\n<function=f>\n<parameter=a>\n{}\n</parameter>\n</function>\n</tool_call>",
        "</parameter>",
    ),
    "glm_4_7": ("<tool_call>f<arg_key>a</arg_key><arg_value>{}</arg_value></tool_call>", "</arg_value>"),
    "mimo": (
        "<tool_call><function=f><parameter=a>{}</parameter></function></tool_call>",
        "</parameter>",
    ),
}
TAGS = sg.ebnf('root ::= "<" root | "/" root | "p" root | "x" | "</parameter>" root? | "</arg_value>" root?')
TAGGED = [
    "x",
    "<x",
    "</x",
    "</px",
    "</parameter>",
    "</parameter>x",
    "<</parameter>",
    "</arg_value>",
    "/</arg_value>x",
    "</parameter>p",
    "",
    "<",
    "<</arg_value>",
]


def tool_of(grammar: sg.Grammar) -> Any:
    def f(a: str) -> None: ...

    f.__annotations__["a"] = Annotated[str, grammar]
    return f


def compiled_of(tool: Any, format: str) -> sg.CompiledGrammar:
    return sg.compile(sg.tools([tool], format=format, tool_choice="required"), BYTES)


@for_each("name", list(RAW))
def test_a_raw_text_is_one_of_the_grammar_without_the_tag_that_ends_it(name: str) -> None:
    written, end = RAW[name]
    alone = sg.compile(TAGS, BYTES)
    compiled = compiled_of(tool_of(TAGS), name)
    for text in TAGGED:
        assert takes(compiled, written.format(text)) is (takes(alone, text) and end not in text), text


PAIRS = [(format, name) for format in RAW for name in GRAMMARS]


@for_each(("format", "name"), random.Random(7).sample(PAIRS, 24))
def test_raw_texts_are_those_of_any_grammar(format: str, name: str) -> None:
    check_raw(format, name)


@pytest.mark.slow
@for_each(("format", "name"), PAIRS)
def test_raw_texts_are_those_of_every_grammar(format: str, name: str) -> None:
    check_raw(format, name)


def check_raw(format: str, name: str) -> None:
    make, predicate = GRAMMARS[name]
    tool = tool_of(make())
    compiled = compiled_of(tool, format)
    written = RAW[format][0]
    good = [text for text in TEXTS if predicate(text)]
    rng = random.Random(f"{format} {name}")
    for text in [*rng.sample(good, min(5, len(good))), *rng.sample(TEXTS, 8)]:
        if text != text.strip("\n"):
            continue  # a line break on a side may be the format's
        whole = written.format(text)
        assert takes(compiled, whole) is predicate(text), text
        (call,) = sg.parse_calls(whole, format, tools=[tool]).calls
        if predicate(text):
            assert call.value() == {"a": text}
        else:
            with pytest.raises(sg.errors.ValidatorError, match=r"/a: not .* line \d+, column \d+"):
                call.value()


@for_each("format", list(EXAMPLES))
def test_each_format_writes_the_texts_of_a_grammar_and_no_others(format: str) -> None:
    make, predicate = GRAMMARS["either"]

    def get_weather(city: str, days: int) -> None: ...

    get_weather.__annotations__["city"] = Annotated[str, make()]
    compiled = sg.compile(sg.tools([get_weather], format=format), BYTES)
    for text in ("a", "ab", "((x))", "x", "b", "ba", "((x)", "", "xx", "aa"):
        assert takes(compiled, EXAMPLES[format].replace("Oslo", text)) is predicate(text), text


@for_each("format", ["qwen_3_coder", "glm_4_7", "hermes"])
@for_each(
    ("schema", "good", "bad"),
    [
        ({"type": ["string", "null"]}, ["x", "(x)"], ["y", "(x"]),
        ({"type": "string", "maxLength": 3}, ["x", "(x)"], ["((x))"]),
        ({"type": "string", "pattern": r"^\("}, ["(x)", "((x))"], ["x"]),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, ["(x)"], ["(y)"]),
        ({"enum": ["x", "y", "(x)"]}, ["x", "(x)"], ["y", "((x))"]),
        ({"type": ["string", "object"]}, ["x"], ["y"]),
    ],
)
def test_what_stands_beside_a_grammar_holds_raw_too(
    format: str, schema: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    rules = sg.ebnf('root ::= "(" root ")" | "x"')
    held = {**schema, "x-grammar": rules.keyword}
    tool = {"name": "f", "inputSchema": {"type": "object", "properties": {"a": held}, "required": ["a"]}}
    compiled = compiled_of(tool, format)
    for text in good + bad:
        whole = write_calls([sg.Call("f", {"a": text}, "call12345")], format)
        assert takes(compiled, whole) is (text in good), text


def test_masks_of_a_call_are_those_of_its_bytes() -> None:
    """At each state the mask over tokens of one byte has the bytes that may come."""
    compiled = compiled_of(tool_of(TAGS), "qwen_3_coder")
    state: Any = compiled.start
    for byte in RAW["qwen_3_coder"][0].format("</px").encode():
        after = {one for one in range(256) if compiled.step_bytes(state, bytes((one,))) is not None}
        assert {one for one in compiled.allowed(state) if one < 256} == after
        state = compiled.step_bytes(state, bytes((byte,)))


def test_grammars_that_are_denied_or_hold_together_are_refused_by_name_and_place() -> None:
    rules = sg.ebnf('root ::= "(" root ")" | "x"').keyword
    other = sg.ebnf('root ::= "(" root | "x"').keyword
    both = {"x-grammar": rules, "allOf": [{"x-grammar": other}]}
    for held, said in (({"not": {"x-grammar": rules}}, "not regular"), (both, "neither is regular")):
        tool = {
            "name": "f",
            "inputSchema": {"type": "object", "properties": {"a": {"type": "string", **held}}},
        }
        with pytest.raises(sg.errors.UnsupportedError, match=said) as caught:
            compiled_of(tool, "qwen_3_coder")
        assert "/properties/a" in caught.value.where


def test_what_a_prompt_tells_of_a_tool_has_no_text_of_a_grammar() -> None:
    (tool,) = read_tools(tool_of(TAGS))
    assert "x-grammar" in tool.schema["properties"]["a"]
    assert tool.openai()["function"]["parameters"]["properties"]["a"] == {"title": "A", "type": "string"}
