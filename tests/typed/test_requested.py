"""What a dict asks for: wrappers of OpenAI, vLLM and SGLang are unwrapped; what is no schema is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each

pytest.importorskip("pydantic")

import structgen as sg
from structgen.typed.wanted_forms import WantedForm, form_of

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
NAMED = {"name": "n", "schema": SCHEMA, "strict": True}
OPENAI = {"type": "json_schema", "json_schema": NAMED}


def canonical(form: WantedForm) -> str:
    assert form.grammar is not None
    return form.grammar.canonical


@pytest.mark.parametrize(
    "target",
    [
        {"response_format": OPENAI},
        {"text": {"format": {"type": "json_schema", **NAMED}}},
        {"structured_outputs": {"json": SCHEMA}},
        {"extra_body": {"structured_outputs": {"json": json.dumps(SCHEMA)}}},
        {"extra_body": {"guided_json": SCHEMA}},
        {"guided_json": SCHEMA},
        {"sampling_params": {"json_schema": json.dumps(SCHEMA)}},
        {"json_schema": SCHEMA},
        {"json_schema": NAMED},
        {"schema": SCHEMA},
        NAMED,
    ],
)
def test_a_wrapper_around_a_schema_means_the_schema(target: Any) -> None:
    assert canonical(form_of(target)) == canonical(form_of(SCHEMA))


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        (
            {"response_format": {"type": "json_object"}},
            sg.json_schema({"type": "object"}, whitespace="oneline"),
        ),
        ({"guided_json_object": True}, sg.json_schema({"type": "object"}, whitespace="oneline")),
        ({"guided_regex": "[0-9]+"}, sg.regex("[0-9]+")),
        ({"structured_outputs": {"regex": "[0-9]+"}}, sg.regex("[0-9]+")),
        ({"guided_choice": ["a", "b"]}, sg.choice(["a", "b"])),
        ({"guided_grammar": 'root ::= "a"'}, sg.ebnf('root ::= "a"')),
        ({"ebnf": 'root ::= "a"'}, sg.ebnf('root ::= "a"')),
        (
            {"structures": [{"begin": "<a>", "schema": SCHEMA, "end": "</a>"}], "triggers": ["<a>"]},
            sg.structural_tag(
                {"structures": [{"begin": "<a>", "schema": SCHEMA, "end": "</a>"}], "triggers": ["<a>"]},
                whitespace="oneline",
            ),
        ),
    ],
)
def test_a_wrapper_around_another_grammar_means_it(target: Any, meant: sg.Grammar) -> None:
    assert canonical(form_of(target)) == meant.canonical


def test_a_wrapper_around_free_text_means_it() -> None:
    assert form_of({"response_format": {"type": "text"}}).grammar is None


@for_each(
    ("target", "error"),
    [
        ({"regx": "[0-9]+"}, "restricts anything.*Is 'regex' meant"),
        ({"sort_of": 1, "title": "T"}, "'sort_of', 'title'"),
        ({"json": {"regx": "a"}}, "'regx'"),
        ({"guided_json": '{"foo": 1}'}, "'foo'"),
        ({"response_format": SCHEMA}, "response_format/type: It has no type of json_schema"),
        ({"response_format": "json"}, "response_format holds str"),
        ({"response_format": OPENAI, "model": "m", "messages": []}, "'messages', 'model'"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"regx": 1}}}}, "'regx'"),
        ({"structured_outputs": {}}, "It says nothing"),
        ({"structured_outputs": {"json": SCHEMA, "regex": "a"}}, "json and regex"),
        ({"guided_json": SCHEMA, "guided_regex": "a"}, "json and regex"),
        ({"json_schema": SCHEMA, "ebnf": "root ::= x"}, "json_schema and ebnf"),
        ({"guided_json": SCHEMA, "guided_decoding_backend": "outlines"}, "'guided_decoding_backend' is not"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools says.*structural tag"),
        ({"tools": [], "tool_choice": "auto", "model": "m"}, "tools says"),
        ({"functions": [{"name": "f", "parameters": SCHEMA}]}, "functions says"),
        ({"type": "function", "function": {"name": "f", "parameters": SCHEMA}}, "function says"),
        ({"name": "f", "description": "d", "parameters": SCHEMA}, "parameters says"),
        ({"name": "f", "description": "d", "input_schema": SCHEMA}, "input_schema says"),
        ({"format": "json"}, "no format 'json'"),
    ],
)
def test_a_dict_that_would_allow_everything_is_refused(target: Any, error: str) -> None:
    with pytest.raises(sg.StructgenError, match=error):
        form_of(target)


@pytest.mark.parametrize(
    "target", [{}, {"$schema": "http://json-schema.org/draft-07/schema#"}, {"title": "Anything"}]
)
def test_a_schema_without_a_constraint_is_taken_where_all_its_keys_are_keywords(target: Any) -> None:
    assert form_of(target).schema == target


def test_keywords_beside_a_key_of_a_wrapper_make_a_schema() -> None:
    schema = {**SCHEMA, "tools": ["hammer"], "name": "x", "text": "y"}
    assert form_of(schema).schema == schema


@pytest.mark.parametrize("target", ["abc def", "list[int]", b"x", 3, [SCHEMA], (int,), Path("a"), len])
def test_a_value_that_is_neither_type_nor_grammar_is_refused(target: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"does not say what is wanted.*Pass a type"):
        form_of(target)


@pytest.mark.parametrize("annotation", ["abc def", "list[int", "", {"format": OPENAI}, 3])
def test_an_annotation_that_is_no_target_is_refused_where_it_is_decorated(annotation: Any) -> None:
    def answer(text: str) -> None:
        """Answer {text}"""

    answer.__annotations__["return"] = annotation
    with pytest.raises(
        sg.StructgenError, match=r"is no expression|says nothing|does not say|restricts anything|format takes"
    ):
        sg.generate(model="structgen/extract")(answer)
