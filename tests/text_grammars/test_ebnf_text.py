"""EBNF as text: what is read, and where it is refused."""

from __future__ import annotations

import pytest
from for_each import for_each

from structgen.automata.regex.syntax_tree import CharacterClass, Repetition
from structgen.errors import GrammarError, LimitError
from structgen.text_grammars.context_free.ebnf_reader import parse_ebnf


def test_items_become_symbols_and_patterns() -> None:
    read = parse_ebnf('root ::= "a" x? [^b-d\\n]{2,3} # said\n   | x\nx-1_y ::= .\nx ::= x-1_y', 100)
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
        ("", "line 1, column 1", "no rule"),
        ('root = "a"', "line 1, column 6", "::="),
        ('root ::= "a', "line 1, column 10", "does not end"),
        ('root ::= "a"\nroot ::= "b"', "line 2, column 1", "twice"),
        ('root ::= "a" other', "line 1, column 14", "other is not defined"),
        ("root ::= [a-", "line 1, column 10", "not closed"),
        ("root ::= [b-a]", "line 1, column 11", "range is empty"),
        ('root ::= ("a"', "line 1, column 10", "not closed"),
        ('root ::= "a")', "line 1, column 13", "no parenthesis"),
        ('root ::= "\\q"', "line 1, column 11", "no escape"),
        ('root ::= "\\ud800"', "line 1, column 11", "surrogate"),
        ('root ::= "a"{3,2}', "line 1, column 13", "never both"),
        ('root ::= "a"{x}', "line 1, column 13", "count"),
        ("root ::= $", "line 1, column 10", r"not supported: \$"),
        ('root ::= "a"\n  * "b" (\n * )', "line 3, column 2", "nothing before \\* to repeat"),
        ("root ::= " + "(" * 201, "line 1, column 210", "deeper than 200"),
    ],
)
def test_faults_have_their_line_and_column(text: str, where: str, said: str) -> None:
    with pytest.raises(GrammarError, match=said) as caught:
        parse_ebnf(text, 1000)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("spaced", "plain"),
    [
        ('root ::= "a" *', 'root ::= "a"*'),
        ("root ::= [ab] {2} [c] { 1 , 3 }", "root ::= [ab]{2} [c]{1,3}"),
        ('root ::= ( "a" | x ) + "b" ?\nx ::= .\t*', 'root ::= ("a" | x)+ "b"?\nx ::= .*'),
        ('root ::= ("a" # many\n   *\n | x) {2,}\nx ::= "b"', 'root ::= ("a"*| x){2,}\nx ::= "b"'),
        ('root ::= x *\n\nx ::= "b" | "c"', 'root ::= x*\nx ::= "b" | "c"'),
    ],
)
def test_blanks_may_stand_before_a_quantifier(spaced: str, plain: str) -> None:
    one, other = parse_ebnf(spaced, 100), parse_ebnf(plain, 100)
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
    read = parse_ebnf(JSON_GBNF, 1000)
    assert list(read.lines) == ["root", "value", "object", "array", "string", "number", "ws"]


@for_each(
    ("text", "where", "said"),
    [
        ('root ::= TagDispatch(("<a>", x), loop_after_dispatch=true)\nx ::= "a"', "column 10", "TagDispatch"),
        ('root ::= "a" (= "b")', "column 14", r"\(= \.\.\.\) \(look-aheads"),
        ("root ::= <think> .*", "column 10", "<"),
        ("root ::= !<[3]>", "column 10", "!<"),
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
        ('root ::= "a"i', "column 13", "i right behind"),
        ("root ::= \\d+", "column 10", r"\\"),
        ("root ::= x - y\nx ::= .\ny ::= .", "column 12", "- "),
        ('root ::= "a" ~ 3', "column 14", "~"),
        ('root ::= ^"a"', "column 10", r"\^"),
        ("root ::= \u00e9", "column 10", "'\u00e9'"),
    ],
)
def test_what_other_notations_have_is_named_as_not_supported(text: str, where: str, said: str) -> None:
    with pytest.raises(GrammarError, match=f"not supported: {said}") as caught:
        parse_ebnf(text, 1000)
    assert caught.value.where == f"line 1, {where}"
    assert caught.value.cure.endswith(".")


def test_rules_and_counted_copies_are_bounded_by_name() -> None:
    with pytest.raises(LimitError, match="grammar_rules"):
        parse_ebnf("root ::= x{50000}\nx ::= root", 1000)
    with pytest.raises(LimitError, match="grammar_rules"):
        parse_ebnf("\n".join(f'r{number} ::= "a"' for number in range(2000)), 1000)
