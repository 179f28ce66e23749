"""Strings of grammars in words: what may come next, where a fault lies in the string, outlines, `check`."""

from __future__ import annotations

import json
import pickle
import random
import string
from pathlib import Path
from typing import Any

import pytest
from command_line import commanded
from for_each import for_each

import structgen as sg
from structgen.machines.core.compiled import first_fault, place_in_string
from structgen.tokens.tokenizer import byte_tokenizer

BYTES = byte_tokenizer()
SQL = r"""start: "SELECT" _WS NAME _WS "FROM" _WS NAME (_WS "WHERE" _WS NAME)?
_WS: /[ \n\t]+/
NAME: /[a-zé"]+/
"""
LARK = {"syntax": "lark", "definition": SQL}
ROUND = {"syntax": "ebnf", "definition": 'root ::= "(" root ")" | "x"'}


def strings(grammar: Any, **others: Any) -> dict[str, Any]:
    return {"type": "string", "x-grammar": grammar, **others}


def of(schema: Any, **options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **{**sg.WIDEST, **options}), BYTES)


EITHER = {
    "anyOf": [strings(LARK), strings(ROUND), {"type": "string", "pattern": "^S[a-z]*$"}, {"type": "null"}]
}
SCHEMAS = [
    strings(LARK),
    strings(LARK, maxLength=24),
    strings(ROUND, pattern="^.{3}", minLength=4),
    EITHER,
    {"type": "array", "items": EITHER},
]


@for_each("escapes", ["any", "utf8"])
def test_each_byte_that_may_come_is_told_and_no_other(escapes: str) -> None:
    draw = random.Random(escapes)
    for schema in SCHEMAS:
        compiled = of(schema, escapes=escapes, whitespace="compact")
        for _ in range(2):
            state = compiled.start
            for _ in range(25):
                told = compiled.expected(state)
                allowed = compiled.next_bytes(state)
                assert set(b"".join(one.first for one in told)) == set(allowed)
                assert len({one.what for one in told}) == len(told)
                if not allowed:
                    break
                after = compiled.step_bytes(state, bytes([draw.choice(allowed)]))
                assert after is not None
                state = after


def test_what_may_come_names_the_grammar_and_its_own_words() -> None:
    compiled = of({"type": "object", "properties": {"q": strings(LARK)}}, whitespace="compact")
    place = ("#/properties/q",)
    before = compiled.step_bytes(compiled.start, b'{"q":')
    assert before is not None
    (one,) = compiled.expected(before)
    assert (one.what, one.sources) == ("a string that is a text of a Lark grammar", place)
    inside = compiled.step_bytes(before, b'"SELECT a FROM b')
    assert inside is not None
    told = {one.what: one for one in compiled.expected(inside)}
    assert (
        set(told)
        == {
            "the closing quote of a string that is a text of a Lark grammar",
            'NAME /[a-zé"]+/ in a text of a Lark grammar',
            "_WS /[ \\n\\t]+/ in a text of a Lark grammar",
        }
        or "the closing quote" in told
    )
    assert all(one.in_string and one.sources == place for one in told.values())
    assert not any(one.in_string for one in compiled.expected(before))


def test_conditions_beside_it_are_told() -> None:
    for others, said in (
        ({"maxLength": 24}, "a string of at most 24 characters that is a text of a Lark grammar"),
        ({"pattern": "b"}, 'a string that matches "b" and that is a text of a Lark grammar'),
        ({"enum": ["SELECT a FROM b", "x"]}, '"SELECT a FROM b"'),
    ):
        compiled = of(strings(LARK, **others), whitespace="compact")
        assert [one.what for one in compiled.expected(compiled.start)] == [said]
        assert said in str(sg.explain(sg.json_schema(strings(LARK, **others))))


def test_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "sql.lark"
    file.write_text(SQL)
    grammar = sg.json_schema({"type": "string"}, grammars={"#": sg.lark(file) & sg.regex("(?s).{3,}")})
    named = f"a text of {file}"
    assert named in str(sg.explain(grammar)) and named in grammar.outline()
    compiled = sg.compile(grammar, BYTES)
    assert named in first_fault(compiled, '"SELECT 1"')


def test_a_file_is_named_where_its_text_is_the_keyword(tmp_path: Path) -> None:
    file = tmp_path / "sql.lark"
    file.write_text(SQL)
    grammar = sg.lark(file)
    schema = {"type": "object", "properties": {"q": {"type": "string", "x-grammar": grammar.keyword}}}
    assert schema["properties"]["q"]["x-grammar"]["definition"] == SQL
    assert f"a text of {file}" in sg.json_schema(schema).outline()
    stranger = sg.read_request(schema).grammar()
    assert stranger is not None and str(file) not in stranger.outline()  # type: ignore[misc]
    held = pickle.loads(pickle.dumps(sg.json_schema(schema)))
    assert f"a text of {file}" in held.outline() and held == sg.json_schema(schema)


@for_each("shape", ["plain", "ascii", "escaped"])
def test_a_fault_is_told_by_its_line_and_column_in_the_string(shape: str) -> None:
    draw = random.Random(shape)
    compiled = of({"type": "object", "properties": {"é": {}, "q": strings(LARK)}})
    for _ in range(30):
        blanks = ["".join(draw.choices(" \n\t", k=draw.randrange(1, 4))) for _ in range(5)]
        names = ["".join(draw.choices('abé"', k=draw.randrange(1, 5))) for _ in range(3)]
        parts = [
            "SELECT",
            blanks[0],
            names[0],
            blanks[1],
            "FROM",
            blanks[2],
            names[1],
            blanks[3],
            "WHERE",
            blanks[4],
            names[2],
        ]
        good = "".join(parts[: draw.randrange(1, 12)])
        text = good + draw.choice("1%\\")
        lines = good.split("\n")
        place = f"(line {len(lines)}, column {len(lines[-1]) + 1} of the string)"
        written = json.dumps(text, ensure_ascii=shape != "plain")
        if shape == "escaped":
            written = '"' + "".join(f"\\u{ord(one):04x}" for one in text) + '"'
        fault = first_fault(compiled, f'{{"é": "a \\" b", "q": {written}}}')
        assert place in fault, (text, fault)


def test_only_strings_of_grammars_have_such_places() -> None:
    compiled = of({"type": "object", "properties": {"p": {"pattern": "^a+$"}, "q": strings(LARK)}})
    assert "of the string" not in first_fault(compiled, '{"p": "ab"}')
    assert "of the string" not in first_fault(compiled, '{"q": 3}')
    assert "of the string" not in first_fault(compiled, '{"q": "SELECT a FROM b" ]')
    assert "(line 1, column 9 of the string)" in first_fault(compiled, '{"q": "SELECT a"}')
    assert "(line 2, column 1 of the string)" in first_fault(compiled, '{"q": "SELECT\\n')
    assert place_in_string([], b'"a') is None


def test_check_tells_the_byte_and_the_place_in_the_string(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"q": strings(LARK)}}))
    text = '{\n "q": "SELECT é\\nFROM\\t1"}'.encode()
    told = commanded("check", "--schema", schema, input=text)
    assert told.exit_code == 1
    assert f":2:24 (byte {text.index(b'1')}): " in told.stdout
    assert "In the text of the string it is line 2, column 6." in told.stdout
    assert 'NAME /[a-zé"]+/ in a text of a Lark grammar' in told.stdout
    said = json.loads(commanded("check", "--json", "--schema", schema, input=text).stdout)
    assert said["byte"] == text.index(b"1") and said["string"] == {"line": 2, "column": 6}
    assert commanded("check", "--schema", schema, input='{"q": "SELECT a FROM b"}').exit_code == 0
    assert "string" not in json.loads(commanded("check", "--json", "--schema", schema, input="[").stdout)


def test_commands_write_and_explain_strings_of_grammars(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"q": strings(ROUND)}, "required": ["q"]}))
    told = commanded("explain", "--schema", schema)
    assert "a string that is a text of a grammar of rules" in told.stdout and '{"q":"x"}' in told.stdout
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(strings({"syntax": "lark", "definition": "start: b"})))
    told = commanded("check", "--schema", bad, input="{}")
    assert told.exit_code == 2 and f"{bad}, #/x-grammar" in told.stderr


@for_each(
    ("schema", "outline"),
    [
        (strings(LARK), 'string (a text of a Lark grammar, such as "SELECT a FROM a")'),
        ({"x-grammar": ROUND}, 'string (a text of a grammar of rules, such as "x")'),
        (strings(ROUND, minLength=2), 'string (a text of a grammar of rules, such as "(x)")'),
        (strings(ROUND, pattern=r"\(\("), 'string (a text of a grammar of rules, such as "((x))")'),
        (strings(ROUND, maxLength=0), "string (a text of a grammar of rules)"),
        (strings(ROUND, enum=["x", "(x)"]), '"x"|"(x)"'),
        (strings(ROUND, type=["string", "null"]), 'string (a text of a grammar of rules, such as "x")|null'),
        (
            strings({"syntax": "ebnf", "definition": f'root ::= "{"a" * 999}" root | "{"b" * 999}"'}),
            "string (a text of a grammar of rules)",
        ),
        ({"type": "integer", "x-grammar": ROUND}, "integer"),
    ],
)
def test_the_outline_for_prompts_names_it_and_shows_a_shortest_text(schema: Any, outline: str) -> None:
    assert sg.json_schema(schema).outline() == outline


def test_bad_schemas_are_refused_when_they_are_told_of() -> None:
    with pytest.raises(sg.errors.UnsupportedError, match="neither is regular"):
        sg.explain(sg.json_schema({"allOf": [strings(LARK), strings(ROUND)]}))


def test_a_long_completion_behind_a_narrowed_grammar_is_bounded() -> None:
    texts = [name + "".join(map(str, range(400))) for name in string.ascii_lowercase]
    schema = {"type": "string", "minLength": 1}

    def completion(steps: int) -> bytes:
        limits = sg.Limits(oracle_steps=steps)
        grammar = sg.json_schema(schema, grammars={"#": sg.choice(texts)}, limits=limits)
        compiled = sg.compile(grammar, BYTES, store=False)
        return compiled.completion(compiled.start)

    with pytest.raises(sg.errors.LimitError, match="oracle_steps"):
        completion(2_000)
    assert completion(200_000) == f'"{texts[0]}"'.encode()


def test_what_grammars_leave_undecided_is_told_by_a_proof() -> None:
    schema = {"type": "object", "properties": {"q": strings(ROUND, minLength=1), "n": {"minimum": 1}}}
    told = sg.explain(sg.json_schema(schema), prove=True).report
    assert any(
        "#/properties/q/minLength: whether it changes anything was not decided" in one for one in told.notes
    )
    assert {one.keyword for one in told.enforced if one.pointer == "#/properties/n"} == {"minimum"}
