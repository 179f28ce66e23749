"""What `sg.explain` says of Lark grammars, with a lexer and without, of EBNF and of patterns, held to lark
and to `re`; and that `print` shows what `structgen explain` prints."""

from __future__ import annotations

import pickle
import re
from itertools import product
from pathlib import Path
from typing import Any

import lark
import pytest
from typer.testing import CliRunner

import structgen as sg
from structgen.base.system.shipped_files import grammar_path
from structgen.doors.cli import app

BEATEN = {
    "longer pattern first": ('start: X | Y\nX: /[ab]+/\nY: /a/\n', {"Y /a/": ("X /[ab]+/",)}),
    "priority": ("start: X | Y\nX.1: /a/\nY: /ab?/\n", {"Y /ab?/": ("X /a/",)}),
    "all but the last texts": ("start: X | Y\nX.1: /a[ab]{6}/\nY: /[ab]{7}/\n", {}),
    "contexts apart": ('start: X Y\nX: /[ab]+/\nY: /;/\n', {}),
    "string wins over a pattern": ('start: X | "a"\nX: /a/\n', {"X /a/": ('"a"',)}),
    "a pattern of more texts": ('start: X | "a"\nX: /a|b/\n', {}),
    "look-behind that fails where it is looked for": (
        "start: X+ Y\nX: /a/\nY: /(?<=a)c(?<=b)/\n",
        {"Y /(?<=a)c(?<=b)/": ()},
    ),
    "look-behind that holds": ("start: X+ Y?\nX: /a/\nY: /(?<=a)c/\n", {}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), BEATEN.values(), ids=list(BEATEN))
def test_beaten_terminals_are_named_with_what_beats_them(
    text: str, wanted: dict[str, tuple[str, ...]]
) -> None:
    found = sg.explain(sg.lark(text)).beaten
    assert {one.terminal: one.winners for one in found} == wanted


@pytest.mark.parametrize("text", [text for text, _wanted in BEATEN.values()], ids=list(BEATEN))
def test_no_text_that_lark_accepts_has_a_token_of_a_beaten_terminal(text: str) -> None:
    beaten = {one.terminal.partition(" ")[0] for one in sg.explain(sg.lark(text)).beaten}
    parser = lark.Lark(text, parser="lalr", lexer="contextual", keep_all_tokens=True)
    met = set()
    for length in range(5):
        for letters in product("abc;", repeat=length):
            try:
                tree = parser.parse("".join(letters))
            except lark.exceptions.UnexpectedInput:
                continue
            met |= {token.type for token in tree.scan_values(lambda value: isinstance(value, lark.Token))}
    assert not met & beaten


def test_rules_that_derive_no_text() -> None:
    found = sg.explain(sg.lark('start: "x" | a\na: b "y" | "q" a\nb: "s" a | "r" b\n'))
    assert found.unproductive == ("a", "b")
    assert found.shortest == "x"
    assert found.has_faults


def test_a_grammar_that_accepts_nothing_is_told_so() -> None:
    found = sg.explain(sg.lark('start: A B\nA: /a+/\nB: "a"\n'), sentences=2)
    assert (found.shortest, found.sentences, found.has_faults) == (None, (), True)


EARLEY = {"parser": "earley", "lexer": "dynamic_complete"}
LALR = {"parser": "lalr", "lexer": "contextual"}


SAMPLES = [(name, "contextual") for name in ("arithmetic", "csv", "dates", "json", "markers")]
SAMPLES += [("arithmetic", "characters"), ("json", "characters")]


@pytest.mark.parametrize(("name", "lexer"), SAMPLES)
def test_shortest_and_random_texts_are_accepted(name: str, lexer: Any) -> None:
    text = grammar_path(name).read_text(encoding="utf-8")
    parser = lark.Lark(text, **(LALR if lexer == "contextual" else EARLEY))
    found = sg.explain(sg.lark(text, lexer=lexer), sentences=8, seed=3)
    assert found.shortest is not None
    for sentence in (found.shortest, *found.sentences):
        parser.parse(sentence)
    assert len(set(found.sentences)) > 3
    assert not found.has_faults


def test_the_same_seed_gives_the_same_texts() -> None:
    made = sg.lark(grammar_path("json"))
    texts = [sg.explain(made, sentences=5, seed=seed).sentences for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    "made",
    [
        sg.json_schema({"enum": ["a", 1]}),
        sg.lark(grammar_path("json")),
        sg.regex("a|b"),
        sg.ebnf('root ::= "a"'),
    ],
)
def test_explained_twice_a_grammar_gives_equal_explanations(made: Any) -> None:
    assert sg.explain(made) == sg.explain(made)


def test_sizes_are_those_of_lark() -> None:
    text = grammar_path("arithmetic").read_text(encoding="utf-8")
    costs = sg.explain(sg.lark(text)).costs
    parser = lark.Lark(text, parser="lalr", lexer="contextual")
    assert costs.terminals == len(parser.terminals)
    assert costs.rules == len(parser.rules) + 1  # and that of the start


@pytest.mark.parametrize("options", [{"lines": 3}, {"openai": True}, {"sentences": -1}])
def test_options_of_no_use_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(sg.errors.OptionError):
        sg.explain(sg.lark('start: "x"'), **options)  # type: ignore[call-overload]
    with pytest.raises(sg.errors.OptionError):
        sg.explain(sg.json_schema(True), sentences=1)  # type: ignore[call-overload]


# --- grammars that no lexer reads ---------------------------------------------------------------------------

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


# --- large schemas, and those that refer to themselves ------------------------------------------------------

PLACES = 10_000
WIDE = {f"k{at}": {"type": "string", "maxLength": at + 1} for at in range(PLACES)}
FEWER = dict(list(WIDE.items())[:1_000])
ITSELF = {"type": "object", "properties": {key: {"$ref": "#"} for key in WIDE}}


def nested(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


@pytest.mark.parametrize(
    ("schema", "lines", "complete"),
    [
        ({"type": "object", "properties": WIDE}, PLACES + 2, True),
        ({"type": "object", "properties": FEWER, "required": list(FEWER)[:300]}, 1_002, True),
        pytest.param(
            {"type": "object", "properties": WIDE, "required": list(WIDE)[:1_500]},
            PLACES + 2,
            False,
            marks=pytest.mark.slow,
        ),
        ({"allOf": [{"properties": {key: {}}, "required": [key]} for key in list(WIDE)[:200]]}, 202, False),
        ({"prefixItems": [{"const": at} for at in range(PLACES)]}, PLACES + 2, False),
        (nested(3_000), 6_001, True),
        (ITSELF, PLACES + 2, True),
    ],
    ids=["wide", "required of fewer", "required", "required apart", "items", "nested", "itself"],
)
def test_an_explanation_of_10_000_places_is_bounded(schema: Any, lines: int, complete: bool) -> None:
    found = sg.explain(sg.json_schema(schema))
    assert (len(found.outline.lines), found.complete) == (lines, complete)
    assert len(str(found)) < 100_000
    assert len(found._repr_html_()) < 30_000


def test_of_many_parts_that_never_hold_the_first_have_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structgen.schema.explaining.impossible.MOST_QUESTIONS", 1_000)
    never = {"type": "string", "minLength": 2, "maxLength": 1}
    schema = {"type": "object", "properties": dict.fromkeys(list(WIDE)[:40], never)}
    reasons = [part.why for part in sg.explain(sg.json_schema(schema)).impossible]
    assert len(reasons) == 40
    assert ["minLength 2" in reason for reason in reasons] == [True] * 6 + [False] * 34


# --- printed ------------------------------------------------------------------------------------------------

BOOK = "examples/book.schema.json"


@pytest.mark.parametrize(
    ("option", "value"), [("--schema", BOOK), ("--regex", "[a-z]{2,3}"), ("--grammar", "grammars/json.lark")]
)
def test_an_explanation_prints_as_the_command_does(option: str, value: str) -> None:
    shown: sg.Grammar = sg.regex(value)
    if option == "--schema":
        shown = sg.json_schema(Path(value), **sg.WIDEST)
    elif option == "--grammar":
        shown = sg.lark(Path(value))
    told = CliRunner().invoke(app(), ["explain", option, value]).stdout
    printed = f"{value}: {sg.explain(shown)}\n"  # type: ignore[call-overload]
    assert printed == told
    assert len(printed.splitlines()) > 3
