"""`x-grammar` in the schemas of requests: each door reads its text, and none names what the process has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from compiled_texts import takes
from for_each import for_each

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_definitions import read_tools
from structgen.schema.reading.string_grammars import object_keyword
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
SQL = {"syntax": "lark", "definition": 'start: "SELECT " NAME\nNAME: /[a-z]+/\n'}
ROUND = {"syntax": "ebnf", "definition": 'root ::= "(" root ")" | "x"'}
DIGITS = {"syntax": "regex", "definition": "[0-9]{2}"}
TEXTS = {"SELECT ab": SQL, "SELECT 1": None, "((x))": ROUND, "((x)": None, "12": DIGITS, "1": None}
HELD = sg.ebnf(ROUND["definition"])


def of(grammar: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"q": {"type": "string", "x-grammar": grammar}},
        "required": ["q"],
        "additionalProperties": False,
    }


def tag(schema: Any) -> dict[str, Any]:
    content = {"type": "json_schema", "json_schema": schema}
    return {"type": "structural_tag", "format": {"type": "tag", "begin": "", "content": content, "end": ""}}


ANSWERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "json_schema": lambda schema: {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    },
    "json_object": lambda schema: {"response_format": {"type": "json_object", "schema": schema}},
    "tag": lambda schema: {"response_format": tag(schema)},
    "responses": lambda schema: {"text": {"format": {"type": "json_schema", "name": "a", "schema": schema}}},
    "guided": lambda schema: {"guided_json": schema},
    "guided text": lambda schema: {"guided_json": json.dumps(schema)},
    "vllm": lambda schema: {"structured_outputs": {"json": schema}},
    "sglang": lambda schema: {"json_schema": json.dumps(schema)},
    "extra": lambda schema: {"messages": [], "extra_body": {"guided_json": schema}},
    "schema": lambda schema: schema,
}
TOOLS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "chat": lambda schema: {"type": "function", "function": {"name": "f", "parameters": schema}},
    "responses": lambda schema: {"type": "function", "name": "f", "parameters": schema},
    "anthropic": lambda schema: {"name": "f", "input_schema": schema},
    "mcp": lambda schema: {"name": "f", "inputSchema": schema},
}


def asked(tool: Mapping[str, Any]) -> dict[str, Any]:
    return {"messages": [], "tools": [tool], "tool_choice": "required"}


@for_each("form", ANSWERS)
def test_each_form_of_an_answer_reads_the_text_of_a_grammar(form: str) -> None:
    for grammar in (SQL, ROUND, DIGITS):
        compiled = sg.compile(sg.read_request(ANSWERS[form](of(grammar))).grammar(), BYTES)
        for text, whose in TEXTS.items():
            assert takes(compiled, json.dumps({"q": text})) is (whose is grammar), (form, text)


@for_each("shape", TOOLS)
def test_each_shape_of_a_tool_reads_the_text_of_a_grammar(shape: str) -> None:
    for grammar in (SQL, ROUND, DIGITS):
        read = sg.read_request(asked(TOOLS[shape](of(grammar))))
        compiled = sg.compile(read.grammar("hermes"), BYTES)
        for text, whose in TEXTS.items():
            call = json.dumps({"name": "f", "arguments": {"q": text}})
            assert takes(compiled, f"<tool_call>\n{call}\n</tool_call>") is (whose is grammar), (shape, text)


@for_each("format", FORMATS)
def test_each_format_of_calls_holds_the_argument_to_the_grammar(format: str) -> None:
    tool = TOOLS["mcp"](of({**SQL, "definition": 'start: "SELECT " NAME\nNAME: /[a-z]+</'}))
    read = sg.read_request(asked(tool))
    compiled = sg.compile(read.grammar(format), BYTES)
    text = compiled.completion(compiled.start).decode()
    (call,) = sg.parse_calls(text, format, tools=read.tools).calls
    assert call.arguments == {"q": "SELECT a<"}
    assert takes(compiled, text.replace("SELECT a<", "SELECT bc<"))
    assert not takes(compiled, text.replace("SELECT a<", "SELECT 1<"))


@for_each("format", [name for name, row in FORMATS.items() if row.member])
def test_a_raw_argument_may_be_one_of_several_kinds_of_strings(format: str) -> None:
    kinds = [{"x-grammar": ROUND}, {"x-grammar": DIGITS}, {"pattern": "^z+$"}, {"x-grammar": SQL}]
    one = {"anyOf": [{"type": "string", **kind} for kind in kinds]}
    read = sg.read_request(asked(TOOLS["mcp"]({**of(SQL), "properties": {"q": one}})))
    compiled = sg.compile(read.grammar(format), BYTES)
    text = compiled.completion(compiled.start).decode()
    (call,) = sg.parse_calls(text, format, tools=read.tools).calls
    written = call.arguments["q"]
    for other in ("((x))", "12", "zz", "SELECT ab", "((x)", "1", "za", "SELECT 1"):
        is_one = other in ("((x))", "12", "zz", "SELECT ab")
        whole = text.replace(f">{written}<", f">{other}<", 1)
        assert whole != text or other == written or f">{written}<" not in text
        if whole != text:
            assert takes(compiled, whole) is is_one, whole


@for_each("form", [*ANSWERS, *TOOLS])
def test_a_request_names_no_object_and_imports_no_file(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words.lark").write_text("NAME: /[a-z]+/\n")
    monkeypatch.chdir(tmp_path)
    bad = (
        ({"syntax": "lark", "definition": "start: NAME\n%import .words.NAME"}, "not in lark's own library"),
        ({"syntax": "lark", "definition": "start: NAME\n%import words.NAME"}, "not in lark's own library"),
        (object_keyword(HELD), "cannot refer to a grammar object of this process"),
    )
    for grammar, said in bad:
        with pytest.raises(sg.StructgenError, match=said) as caught:
            if form in TOOLS:
                sg.read_request(asked(TOOLS[form](of(grammar)))).grammar("glm_4_7")
            else:
                sg.read_request(ANSWERS[form](of(grammar)))
        assert "#/properties/q/x-grammar" in caught.value.where
        assert caught.value.cure or "must be " in caught.value.what
    own = {"syntax": "lark", "definition": "start: NUMBER\n%import common.INT -> NUMBER"}
    assert sg.read_request(ANSWERS["schema"](of(own))).grammar() is not None


def test_who_runs_the_process_may_name_its_objects() -> None:
    schema = of(object_keyword(HELD))
    compiled = sg.compile(sg.json_schema(schema), BYTES)
    assert takes(compiled, '{"q": "((x))"}') and not takes(compiled, '{"q": "12"}')
    (tool,) = read_tools([TOOLS["mcp"](schema)])
    assert sg.tools([tool], format="hermes") is not None


def test_arguments_that_a_tool_is_given_are_judged() -> None:
    (tool,) = read_tools([TOOLS["anthropic"](of(SQL))])
    assert tool.value('{"q": "SELECT ab"}') == {"q": "SELECT ab"}
    with pytest.raises(sg.errors.ValidatorError, match=r"unexpected '1' .*column 8 of the str") as caught:
        tool.value('{"q": "SELECT 1"}')
    assert caught.value.where == "f"
    with pytest.raises(sg.errors.ValidatorError):
        tool.value('{"q": 3}')
    (held,) = read_tools([TOOLS["anthropic"](of(object_keyword(HELD)))])
    assert held.value('{"q": "(x)"}') == {"q": "(x)"}
    with pytest.raises(sg.errors.ValidatorError):
        held.value('{"q": "(x"}')


def test_a_request_names_special_tokens_that_its_reader_is_told() -> None:
    tokenizer = sg.Tokenizer.from_bytes([b"a", None, None], eos_token_id=2)
    asked = {"ebnf": 'root ::= <tool> "a"'}
    grammar = sg.read_request(asked, specials={"<tool>": 1}).grammar()
    assert grammar is not None
    assert sg.Matcher(sg.compile(grammar, tokenizer)).accepts([1, 0, 2]) == 3
    with pytest.raises(sg.StructgenError, match="<tool>"):
        sg.read_request(asked)
