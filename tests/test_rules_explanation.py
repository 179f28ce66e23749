"""What `sg.explain` says of grammars that no lexer reads: Lark's over characters, EBNF, patterns."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable

import lark
import pytest

import structgen as sg
from structgen.system.resources import grammar

FAULTY_LARK = """
start: stmt+
stmt: "if" E "then" stmt ["else" stmt] | E ";" | list{X} | endless
list{one}: one ("," one)*
idle: "y" lazy
lazy: "z"
endless: "q" endless
E: /[ab]/
X: /[0-9]+/
NEVER: "n"
%ignore " "
"""
FAULTY_EBNF = """
root ::= stmt+ | "(" endless ")"
stmt ::= [ab] ";" | ("q" endless)*
idle ::= "y" lazy
lazy ::= "z"
endless ::= "q" endless | other endless?  endless
other ::= "r"
"""


def _earley(text: str) -> Callable[[str], object]:
    return lark.Lark(text, parser="earley", lexer="dynamic_complete").parse


def test_what_is_of_no_use_to_a_lark_grammar_over_characters() -> None:
    found = sg.explain(sg.lark(FAULTY_LARK, lexer="characters"))
    assert found.unused_rules == ("idle", "lazy")
    assert found.unproductive == ("endless",)
    assert found.unused_terminals == ("NEVER",)
    assert (found.conflicts, found.beaten) == ((), ())
    assert found.has_faults


def test_what_is_of_no_use_to_ebnf() -> None:
    found = sg.explain(sg.ebnf(FAULTY_EBNF))
    assert found.unused_rules == ("idle", "lazy")
    assert found.unproductive == ("endless",)
    assert found.has_faults


def test_the_same_rules_are_of_use_from_another_start() -> None:
    found = sg.explain(sg.ebnf(FAULTY_EBNF, start="idle"))
    assert (found.unused_rules, found.shortest) == (("endless", "other", "root", "stmt"), "yz")


@pytest.mark.parametrize("text", ['start: "x" start', 'start: a\na: "x" a | b\nb: a "y"'])
def test_rules_without_a_text_are_told_so(text: str) -> None:
    found = sg.explain(sg.lark(text, lexer="characters"), sentences=3)
    assert (found.shortest, found.sentences, found.has_faults) == (None, (), True)
    assert "start" in found.unproductive


@pytest.mark.parametrize("name", ["arithmetic", "json"])
def test_texts_over_characters_are_those_of_larks_earley_parser(name: str) -> None:
    text = grammar(name).read_text(encoding="utf-8")
    found = sg.explain(sg.lark(text, lexer="characters"), sentences=6, seed=2)
    parse = _earley(text)
    assert found.shortest is not None
    for sentence in (found.shortest, *found.sentences):
        parse(sentence)
    assert len(set(found.sentences)) > 3
    assert not found.has_faults


def test_texts_of_a_pattern_match_it() -> None:
    pattern = r"(?i)[a-f]{2,4}(-\d+)+|x(?=y)y"
    found = sg.explain(sg.regex(pattern), sentences=20, seed=1)
    assert found.shortest is not None and found.shortest.lower() == "xy"
    assert all(re.fullmatch(pattern, one) for one in (found.shortest, *found.sentences))
    assert len(set(found.sentences)) > 10
    assert not found.has_faults


def test_a_lark_grammar_with_bound_terminals_is_explained_with_what_is_bound() -> None:
    text = 'start: call+\ncall: "f" ARGS ";"\nidle: ARGS\n%declare ARGS\n%ignore " "\n'
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    found = sg.explain(sg.lark(text, bind={"ARGS": sg.json_schema(schema)}), sentences=3)
    assert found.shortest == 'f{"n":0};'
    assert found.unused_rules == ("idle",)
    assert all(sentence.count("f") and sentence.rstrip().endswith(";") for sentence in found.sentences)


def test_a_sum_of_grammars_has_a_shortest_text_and_random_ones() -> None:
    found = sg.explain("<" + sg.choice(["ab", "c"]) + ">" + sg.ebnf('root ::= "x" root | "y"'), sentences=9)
    assert found.shortest == "<c>y"
    assert all(re.fullmatch(r"<(ab|c)>x*y", one) for one in found.sentences)


def test_the_empty_text_is_a_text() -> None:
    assert sg.explain(sg.ebnf('root ::= "a"*')).shortest == ""


def test_a_chain_of_rules_is_followed_in_linear_time() -> None:
    chain = "\n".join(f"r{i} ::= r{i + 1}" for i in range(3_000))
    found = sg.explain(sg.ebnf(f'root ::= "a" | r0\n{chain}\nr3000 ::= "b" r3000'))
    assert len(found.unproductive) == 3_001


def test_rules_that_were_pickled_are_explained_alike() -> None:
    made = sg.ebnf(FAULTY_EBNF)
    again = pickle.loads(pickle.dumps(made))
    assert sg.explain(again).unused_rules == sg.explain(made).unused_rules
