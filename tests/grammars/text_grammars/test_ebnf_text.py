"""EBNF as text: what is read, and where it is refused."""

from __future__ import annotations

import itertools
import random
import warnings
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.automata.regex.syntax_tree import CharacterClass, Repetition
from structgen.errors import GrammarError, GrammarWarning, LimitError, StructgenError
from structgen.grammars.text_grammars.ebnf_reader import parse_ebnf
from structgen.tokens.tokenizer import byte_tokenizer


def test_items_become_symbols_and_patterns() -> None:
    read = parse_ebnf('root ::= "a" x? [^b-d\\n]{2,3} # said\n   | x\nx-1_y ::= .\nx ::= x-1_y', 100, 50)
    assert read.lines == {"root": 1, "x-1_y": 3, "x": 4}
    assert (
        CharacterClass(((97, 97),)) in read.terminals.values()
        and CharacterClass(((0, 0x10FFFF),)) in read.terminals.values()
    )
    kept = CharacterClass(((0, 9), (11, 97), (101, 0x10FFFF)))
    assert Repetition(kept, 2, 3, True) in read.terminals.values()
    assert [right for left, right in read.rules if left == "root"][1] == ("x",)


@for_each(
    ("text", "where", "said"),
    [
        ("", "line 1, column 1", "has no rule"),
        ('root = "a"', "line 1, column 6", "::="),
        ('root ::= "a', "line 1, column 10", "does not end"),
        ('root ::= "a" other', "line 1, column 14", "other is not defined"),
        ("root ::= [a-", "line 1, column 10", "not closed"),
        ("root ::= [b-a]", "line 1, column 11", "range is empty"),
        ('root ::= ("a"', "line 1, column 10", "not closed"),
        ('root ::= "a")', "line 1, column 13", "parenthesis was not opened"),
        ('root ::= "\\q"', "line 1, column 11", "not an escape"),
        ('root ::= "\\ud800"', "line 1, column 11", "surrogate"),
        ('root ::= "a"{3,2}', "line 1, column 13", "contradict each other"),
        ('root ::= "a"{x}', "line 1, column 13", "count"),
        ('root ::= "a"{1,3-1}', "line 1, column 13", "count"),
        ('root ::= "a"{1,-11}', "line 1, column 13", "count"),
        ('root ::= "a"{' + "9" * 5000 + "}", "line 1, column 13", "count"),
        ("root ::= $", "line 1, column 10", r"not supported: \$"),
        ('root ::= "a"\n  * "b" (\n * )', "line 3, column 2", "has no item before it to repeat"),
        ("root ::= " + "(" * 201, "line 1, column 210", "deeper than 200"),
    ],
)
def test_faults_have_their_line_and_column(text: str, where: str, said: str) -> None:
    with pytest.raises(GrammarError, match=said) as caught:
        parse_ebnf(text, 1000, 50)
    assert caught.value.where == where


def test_of_two_rules_of_a_name_the_later_one_counts() -> None:
    chance = random.Random(7)
    for _ in range(20):
        names = chance.choices(["a", "b", "c"], k=5)
        bodies = [f'"{number}" ("x" | "{number}")' for number in range(len(names))]
        root = "root ::= " + " ".join(sorted(set(names)))
        last = dict(zip(names, bodies, strict=True))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rules = [f"{name} ::= {body}" for name, body in zip(names, bodies, strict=True)]
            twice = sg.ebnf("\n".join([root, *rules]))
        once = sg.ebnf("\n".join([root, *(f"{name} ::= {body}" for name, body in last.items())]))
        assert len(caught) == len(names) - len(last) == len(sg.explain(twice).unused_rules)
        assert all(one.category is GrammarWarning for one in caught)
        one, other = (sg.compile(grammar, byte_tokenizer()) for grammar in (twice, once))
        for text in map("".join, itertools.product("01234x", repeat=2)):
            first, second = (each.step_bytes(each.start, text.encode()) for each in (one, other))
            assert (first is None) == (second is None)
        assert one.completion(one.start) == other.completion(other.start)


@for_each("read", [sg.ebnf, sg.lark])
def test_a_byte_order_mark_is_no_part_of_a_grammar(read: Any, tmp_path: Path) -> None:
    text = 'root ::= "x"\n' if read is sg.ebnf else 'start: "x"\n'
    file = tmp_path / ("a.gbnf" if read is sg.ebnf else "a.lark")
    file.write_text(text, encoding="utf-8-sig")
    for given in (file, "\ufeff" + text):
        compiled = sg.compile(read(given), byte_tokenizer())
        assert compiled.completion(compiled.start) == b"x"


@for_each("read", [sg.ebnf, sg.lark])
def test_a_schema_in_place_of_a_grammar_is_told_where_it_belongs(read: Any, tmp_path: Path) -> None:
    file = tmp_path / "a.gbnf"
    file.write_text('{"type": "object"}')
    for given in ({"type": "string"}, '\n {"$ref": "#"}', '{"type": "object", "properties": {}}', file):
        with pytest.raises(StructgenError, match=r"Read a JSON Schema with sg\.json_schema"):
            read(given)


@pytest.mark.parametrize(
    ("spaced", "plain"),
    [
        ('root ::= "a" *', 'root ::= "a"*'),
        ("root ::= [ab] {2} [c] { 1 , 3 }", "root ::= [ab]{2} [c]{1,3}"),
        ('root ::= ( "a" | x ) + "b" ?\nx ::= .\t*', 'root ::= ("a" | x)+ "b"?\nx ::= .*'),
        ('root ::= ("a" # many\n   *\n | x) {2,}\nx ::= "b"', 'root ::= ("a"*| x){2,}\nx ::= "b"'),
        ('root ::= x *\n\nx ::= "b" | "c"', 'root ::= x*\nx ::= "b" | "c"'),
        ("root ::= [ab]{2,-1}", "root ::= [ab]{2,}"),
    ],
)
def test_blanks_may_stand_before_a_quantifier(spaced: str, plain: str) -> None:
    one, other = parse_ebnf(spaced, 100, 50), parse_ebnf(plain, 100, 50)
    assert (one.rules, one.terminals) == (other.rules, other.terminals)


JSON_GBNF = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value) *
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  ) ? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F] {4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# Optional space
ws ::= | " " | "\n" [ \t]{0,20}
"""


def test_a_grammar_in_the_style_of_llama_cpp_is_read() -> None:
    read = parse_ebnf(JSON_GBNF, 1000, 50)
    assert list(read.lines) == ["root", "value", "object", "array", "string", "number", "ws"]


@for_each(
    ("text", "where", "said"),
    [
        ('root ::= "a" !"b"', "column 14", "!"),
        ('<root> ::= "a"', "column 1", "<"),
        ('root ::= "a" ;', "column 14", ";"),
        ('root = "a", "b" ;', "column 6", "= "),
        ('root ::= "a", "b"', "column 13", ", "),
        ('root ::= { "a" }', "column 10", r"\{"),
        ("root ::= /[a-z]+/", "column 10", "/"),
        ('start: "a"', "column 6", ": "),
        ('root -> "a"', "column 6", "->"),
        ('root := "a"', "column 6", ":="),
        ('list(x) ::= x ("," x)*', "column 5", r"list\(\.\.\.\)"),
        ("%llguidance {}\nstart: /a/", "column 1", "%"),
        ('root ::= @lexer "a"', "column 10", "@"),
        ('@root ::= "a"', "column 1", "@"),
        ('root ::= "a"i', "column 13", "i directly after"),
        ("root ::= \\d+", "column 10", r"\\"),
        ("root ::= x - y\nx ::= .\ny ::= .", "column 12", "- "),
        ('root ::= "a" ~ 3', "column 14", "~"),
        ('root ::= ^"a"', "column 10", r"\^"),
        ("root ::= \u00e9", "column 10", "'\u00e9'"),
    ],
)
def test_what_other_notations_have_is_named_as_not_supported(text: str, where: str, said: str) -> None:
    with pytest.raises(GrammarError, match=f"not supported: {said}") as caught:
        parse_ebnf(text, 1000, 50)
    assert caught.value.where == f"line 1, {where}"
    assert caught.value.cure.endswith(".")


def test_rules_are_bounded_by_name_and_copies_are_few() -> None:
    assert len(parse_ebnf("root ::= x{50000}\nx ::= root", 1000, 50).rules) < 40
    with pytest.raises(LimitError, match="grammar_rules"):
        parse_ebnf("\n".join(f'r{number} ::= "a"' for number in range(2000)), 1000, 50)
