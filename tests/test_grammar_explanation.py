"""What `sg.explain` says of Lark grammars, held to lark: the beaten never come, texts are taken."""

from __future__ import annotations

from itertools import product

import lark
import pytest

import structgen as sg
from structgen.system.resources import grammar

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


@pytest.mark.parametrize("name", ["arithmetic", "csv", "dates", "json", "markers"])
def test_shortest_and_random_texts_are_accepted(name: str) -> None:
    text = grammar(name).read_text(encoding="utf-8")
    parser = lark.Lark(text, parser="lalr", lexer="contextual")
    found = sg.explain(sg.lark(text), sentences=8, seed=3)
    assert found.shortest is not None
    for sentence in (found.shortest, *found.sentences):
        parser.parse(sentence)
    assert len(set(found.sentences)) > 4
    assert not found.has_faults


def test_the_same_seed_gives_the_same_texts() -> None:
    made = sg.lark(grammar("json"))
    texts = [sg.explain(made, sentences=5, seed=seed).sentences for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_sizes_are_those_of_lark() -> None:
    text = grammar("arithmetic").read_text(encoding="utf-8")
    costs = sg.explain(sg.lark(text)).costs
    parser = lark.Lark(text, parser="lalr", lexer="contextual")
    assert costs.terminals == len(parser.terminals)
    assert costs.rules == len(parser.rules) + 1  # and that of the start
    assert costs.load_ms > 0 < costs.language_ms


@pytest.mark.parametrize("options", [{"lines": 3}, {"openai": True}, {"sentences": -1}])
def test_options_of_no_use_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(sg.errors.OptionError):
        sg.explain(sg.lark('start: "x"'), **options)  # type: ignore[call-overload]
    with pytest.raises(sg.errors.OptionError):
        sg.explain(sg.json_schema(True), sentences=1)  # type: ignore[call-overload]
