"""`sg.read_request`: each form of each server means its grammar; what excludes one another, and what is not
known, is refused by name; and nothing in a request opens a file or a connection."""

from __future__ import annotations

import builtins
import json
import pickle
import socket
from pathlib import Path
from typing import Any

import pytest
from compiled_texts import takes
from for_each import for_each

import structgen as sg
from structgen.asking.request_reading.targets import read_target
from structgen.tokens.tokenizer import byte_tokenizer

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
NAMED = {"name": "n", "schema": SCHEMA, "strict": True}
ONELINE = sg.json_schema(SCHEMA, whitespace="oneline").canonical
OBJECT = sg.json_schema({"type": "object"}, whitespace="oneline").canonical
EBNF, LARK = 'root ::= "a" | "b"', 'start: "a" | "b"'
TAG = {
    "type": "structural_tag",
    "format": {
        "type": "tag",
        "begin": "<a>",
        "content": {"type": "json_schema", "json_schema": SCHEMA},
        "end": "</a>",
    },
}
OLD_TAG = {"structures": [{"begin": "<a>", "schema": SCHEMA, "end": "</a>"}], "triggers": ["<a>"]}
WHOLE = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": SCHEMA}}
TOKENIZER = byte_tokenizer()


def is_text(grammar: sg.Grammar, text: str) -> bool:
    return takes(sg.compile(grammar, TOKENIZER), text)


# --- forms --------------------------------------------------------------------------------------------------

FORMS: list[tuple[dict[str, Any], str]] = [
    ({"response_format": {"type": "json_schema", "json_schema": NAMED}}, ONELINE),
    ({"response_format": {"type": "json_object"}}, OBJECT),
    ({"text": {"format": {"type": "json_schema", **NAMED}}}, ONELINE),
    ({"text": {"format": {"type": "json_object"}, "verbosity": "medium"}}, OBJECT),
    ({"structured_outputs": {"json": SCHEMA}}, ONELINE),
    ({"structured_outputs": {"json": json.dumps(SCHEMA)}}, ONELINE),
    ({"structured_outputs": {"json_object": True}}, OBJECT),
    ({"structured_outputs": {"regex": "[ab]"}}, sg.regex("[ab]").canonical),
    ({"structured_outputs": {"choice": ["a", "b"]}}, sg.choice(["a", "b"]).canonical),
    ({"structured_outputs": {"grammar": EBNF}}, sg.ebnf(EBNF).canonical),
    ({"structured_outputs": {"grammar": LARK}}, sg.lark(LARK).canonical),
    (
        {"structured_outputs": {"structural_tag": json.dumps(TAG)}},
        sg.structural_tag(TAG, whitespace="oneline").canonical,
    ),
    ({"guided_json": SCHEMA}, ONELINE),
    ({"guided_json": json.dumps(SCHEMA)}, ONELINE),
    ({"guided_json_object": True}, OBJECT),
    ({"guided_regex": "[ab]"}, sg.regex("[ab]").canonical),
    ({"guided_choice": ["a", "b"]}, sg.choice(["a", "b"]).canonical),
    ({"guided_grammar": EBNF}, sg.ebnf(EBNF).canonical),
    ({"guided_structural_tag": TAG}, sg.structural_tag(TAG, whitespace="oneline").canonical),
    ({"json_schema": json.dumps(SCHEMA)}, ONELINE),
    ({"json_schema": "$$ANY$$"}, OBJECT),
    ({"regex": "[ab]"}, sg.regex("[ab]").canonical),
    ({"ebnf": EBNF}, sg.ebnf(EBNF).canonical),
    ({"structural_tag": OLD_TAG}, sg.structural_tag(OLD_TAG, whitespace="oneline").canonical),
    ({"response_format": TAG}, sg.structural_tag(TAG, whitespace="oneline").canonical),
    ({"response_format": {"type": "grammar", "grammar": EBNF}}, sg.ebnf(EBNF).canonical),
    (
        {"response_format": {"type": "grammar", "syntax": "lark", "definition": LARK}},
        sg.lark(LARK).canonical,
    ),
]


ALONE: list[tuple[dict[str, Any], str]] = [
    (SCHEMA, ONELINE),
    (NAMED, ONELINE),
    ({"type": "json_schema", "json_schema": NAMED}, ONELINE),
    ({"type": "json_schema", **NAMED}, ONELINE),
    ({"schema": SCHEMA}, ONELINE),
    ({"json": SCHEMA, "disable_any_whitespace": False, "choice": None}, ONELINE),
    ({"json_schema": SCHEMA}, ONELINE),
    ({"json_schema": NAMED}, ONELINE),
    ({"extra_body": {"guided_json": SCHEMA}}, ONELINE),
    ({"sampling_params": {"json_schema": json.dumps(SCHEMA)}}, ONELINE),
    ({"type": "json_object"}, OBJECT),
    ({"json_object": True}, OBJECT),
    ({"choice": ["a", "b"]}, sg.choice(["a", "b"]).canonical),
    ({"grammar": EBNF}, sg.ebnf(EBNF).canonical),
    (
        {"type": "grammar", "syntax": "regex", "definition": "[ab]"},
        sg.regex("[ab]", dialect="ecma").canonical,
    ),
    ({"type": "grammar", "grammar": {"syntax": "lark", "definition": LARK}}, sg.lark(LARK).canonical),
    (TAG, sg.structural_tag(TAG, whitespace="oneline").canonical),
    (OLD_TAG, sg.structural_tag(OLD_TAG, whitespace="oneline").canonical),
]
"""What stands in a form, or in a member of a client, by itself."""


@for_each(("form", "canonical"), [*FORMS, *ALONE])
def test_a_form_means_its_grammar_in_a_request_alone_and_as_a_target(
    form: dict[str, Any], canonical: str
) -> None:
    for said in ({**WHOLE, **form}, form) if (form, canonical) in FORMS else (form,):
        read = sg.read_request(said)
        assert read.answer is not None and read.grammar() is read.answer
        assert read.answer.canonical == canonical
        assert read.form == next(iter(form)) or (form, canonical) in ALONE
    target = read_target(form).grammar
    assert isinstance(target, sg.Grammar) and target.canonical == canonical


@pytest.mark.parametrize(
    "said", [{}, WHOLE, {"response_format": None}, {"response_format": {"type": "text"}}]
)
def test_a_request_without_a_form_asks_for_free_text(said: dict[str, Any]) -> None:
    read = sg.read_request(said)
    assert (read.grammar(), read.form, read.choice.mode) == (None, "", "none")


def test_a_form_of_free_text_leaves_room_for_another_one() -> None:
    read = sg.read_request({"response_format": {"type": "text"}, "regex": "[ab]"})
    assert read.form == "regex"


def test_the_policies_are_the_callers() -> None:
    read = sg.read_request({"guided_json": SCHEMA}, policies={"whitespace": "compact"})
    assert (
        read.answer is not None and is_text(read.answer, '{"n":1}') and not is_text(read.answer, '{"n": 1}')
    )


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("[ ]?", '{"n": 1}'), (r"[\n\t ]*", '{"n": 1}'), ("", '{"n":1}'), ("\n?", '{"n":1}')],
)
@pytest.mark.parametrize("shape", ["structured_outputs", "guided"])
def test_a_pattern_of_white_space_holds(pattern: str, text: str, shape: str) -> None:
    given: dict[str, Any] = {"guided_json": SCHEMA, "guided_whitespace_pattern": pattern}
    if shape == "structured_outputs":
        given = {shape: {"json": SCHEMA, "whitespace_pattern": pattern}}
    answer = sg.read_request(given).answer
    assert answer is not None and is_text(answer, text) and not is_text(answer, '{ "n": 1}')
    assert is_text(answer, '{"n": 1}') == (text == '{"n": 1}')


def test_what_is_read_survives_a_pickle() -> None:
    read = sg.read_request({**WHOLE, "guided_json": SCHEMA, "tools": [CLOCK]})
    again = pickle.loads(pickle.dumps(read))
    assert again.answer.canonical == ONELINE and again.choice == read.choice


# --- what is refused ----------------------------------------------------------------------------------------


@for_each(
    ("said", "error"),
    [
        ({"guided_json": SCHEMA, "guided_regex": "a"}, "json and regex"),
        ({"regex": "a", "ebnf": EBNF}, "regex and ebnf both"),
        (
            {"guided_json": SCHEMA, "structured_outputs": {"json": {"type": "object"}}},
            "guided_json and structured_outputs both",
        ),
        ({"response_format": {"type": "json_object"}, "regex": "a"}, "response_format and regex both"),
        ({"structured_outputs": {"json": SCHEMA, "choice": ["a"]}}, "json and choice"),
        ({"guided_regex": "a", "tools": [CLOCK], "tool_choice": "required"}, "requires a call"),
        ({"response_format": {"type": "json_object", "schemas": SCHEMA}}, "'schema'"),
        ({"structured_outputs": {"regex": "a", "whitespace_pattern": " ?"}}, "does not apply to regex"),
        ({"structured_outputs": {"json": SCHEMA, "whitespace_pattern": " "}}, "requires white space"),
        ({"structured_outputs": {"json": SCHEMA, "whitespace_pattern": "("}}, "missing"),
        ({"text": {"format": None, "verbosity": "lo"}}, "text/verbosity must be .*, got 'lo'"),
        ({"guided_json": "{"}, "line 1"),
        ({"ebnf": LARK}, "line 1"),
        ({"functions": [{"name": "f"}], "tools": [CLOCK]}, "tools replaces functions"),
        ({"function_call": {"name": "f"}}, "No tool has the name 'f'"),
    ],
)
def test_what_excludes_or_is_not_known_is_refused_by_name(said: dict[str, Any], error: str) -> None:
    with pytest.raises(sg.StructgenError, match=error):
        sg.read_request({**WHOLE, **said})


@pytest.mark.parametrize("wrong", ["text", None, 3, [SCHEMA]])
def test_what_is_no_dict_is_refused(wrong: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match="A request must be a dict"):
        sg.read_request(wrong)


# --- text alone ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "grammar", "regex", "structural_tag"])
def test_a_path_is_no_grammar_and_its_file_is_not_looked_for(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text(json.dumps(SCHEMA) if kind == "json" else LARK, encoding="utf-8")
    told = []
    for name in ("there", "their"):
        try:
            answer = sg.read_request({"structured_outputs": {kind: name}}).answer
            told.append(type(answer).__name__)
        except sg.StructgenError as error:
            told.append(str(error).replace(name, "NAME"))
    assert told[0] == told[1]


@pytest.mark.parametrize("line", ["%import .secret.WORD", "%import secret.WORD"])
def test_a_grammar_imports_no_file(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.lark").write_text('WORD: "hidden"', encoding="utf-8")
    with pytest.raises(sg.errors.GrammarError, match="not in lark's own library"):
        sg.read_request({"structured_outputs": {"grammar": f"{line}\nstart: WORD\n"}})


def test_a_grammar_imports_lark_s_own_library() -> None:
    text = "%import common.INT\nstart: INT\n"
    answer = sg.read_request({"guided_grammar": text}).answer
    assert answer is not None and is_text(answer, "42")


@pytest.mark.parametrize("reference", ["https://localhost/s.json", "file:///etc/passwd", "other.json"])
def test_a_reference_is_not_fetched(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> Any:
        raise AssertionError("opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(sg.StructgenError, match="ref"):
        read = sg.read_request({"guided_json": {"$ref": reference}})
        assert read.answer is not None
        sg.compile(read.answer, TOKENIZER)


@pytest.mark.parametrize(
    ("form", "limit"),
    [
        ({"guided_json": {"allOf": [{}] * 20}}, "schema_places"),
        ({"guided_grammar": f'start: {"(A|B) " * 8}\nA: "a"\nB: "b"'}, "grammar_rules"),
        (
            {
                "guided_grammar": "root ::= r0"
                + "".join([f'\nr{n} ::= "a" | "(" r{n + 1} ")"' for n in range(120)] + ['\nr120 ::= "b"'])
            },
            "grammar_rules",
        ),
    ],
)
def test_limits_bound_each_form(form: dict[str, Any], limit: str) -> None:
    small = sg.Limits(schema_places=10, grammar_rules=100)
    with pytest.raises(sg.errors.LimitError) as caught:
        sg.read_request(form, limits=small)
    assert caught.value.limit == limit
    assert sg.read_request(form).answer is not None


# a choice alone needs no automaton
@pytest.mark.parametrize("form", [{"guided_regex": "a{500}"}, {"guided_regex": "a{400}|b{400}"}])
def test_limits_bound_automata_too(form: dict[str, Any]) -> None:
    read = sg.read_request(form, limits=sg.Limits(automaton_states=10))
    assert read.answer is not None
    with pytest.raises(sg.errors.LimitError):
        compiled = sg.compile(read.answer, TOKENIZER)
        compiled.step_bytes(compiled.start, b"a" * 500)


# --- tools and answers --------------------------------------------------------------------------------------

CALL = '<tool_call>\n{"name": "clock", "arguments": {"n": 1}}\n</tool_call>'
ANSWER = '{"n": 2}'


@pytest.mark.parametrize(
    ("choice", "texts"),
    [
        ("auto", (True, True)),
        ("required", (True, False)),
        ("none", (False, True)),
        ({"type": "function", "function": {"name": "clock"}}, (True, False)),
    ],
)
def test_an_answer_beside_tools_is_one_of_both(choice: Any, texts: tuple[bool, bool]) -> None:
    said = {
        **WHOLE,
        "tools": [CLOCK],
        "tool_choice": choice,
        "response_format": {"type": "json_schema", "json_schema": NAMED},
    }
    grammar = sg.read_request(said).grammar("hermes")
    assert grammar is not None and (is_text(grammar, CALL), is_text(grammar, ANSWER)) == texts
    assert not is_text(grammar, "Hello")


def test_tools_without_a_form_leave_text_free() -> None:
    grammar = sg.read_request({**WHOLE, "tools": [CLOCK]}).grammar("hermes")
    assert grammar is not None and is_text(grammar, f"Hello.{CALL}") and is_text(grammar, ANSWER)


def test_tools_without_a_format_are_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="the format of a call depends"):
        sg.read_request({**WHOLE, "tools": [CLOCK]}).grammar()
    assert sg.read_request({**WHOLE, "tools": [CLOCK], "tool_choice": "none"}).grammar() is None
