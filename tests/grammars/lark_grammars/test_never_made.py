"""Terminals that a grammar declares and nothing makes: lark takes the grammar, and they never come."""

from __future__ import annotations

import pytest
from lark_reference import Earley, build, differences

import structgen as sg
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import Language

CASES = {
    "one of two": 'start: A | J\nA: "a"\n%declare J\n',
    "behind what is whole": 'start: A (J A)?\nA: "a"\n',
    "a whole rule": 'start: x | y "b"\nx: J "a" | J J\ny: "a" | J\n',
    "where lark shifts it rather than end a rule": 'start: x J? "c" | x "a"\nx: "b" | "b" J\n',
    "the cheapest end": 'start: "a" (J | "b" "c" "a")\n',
    "rules that the start does not lead to": 'start: "a"\nx: J y\ny: x\n',
    "the end of a list": 'start: ("a" "b")+ | ("a" "b")+ J\n%ignore " "\n',
}


def _text(name: str) -> str:
    grammar = CASES[name]
    return grammar if "%declare" in grammar else grammar + "%declare J\n"


@pytest.mark.parametrize("name", CASES)
def test_texts_are_larks(name: str) -> None:
    language = sg.lark(_text(name)).language(Limits())
    assert differences(build(_text(name)), language, "abc ", 5) == []


@pytest.mark.parametrize("name", CASES)
def test_without_a_lexer_rules_without_it_are_left(name: str) -> None:
    text = _text(name)
    # what nothing makes is a letter that no text has
    reference = Earley(text.replace("%declare J\n", 'J: "Z"\n'))
    ours: Language = sg.lark(text, lexer="characters").language(Limits())
    assert differences(reference, ours, "abc ", 5) == []


def test_masks_are_those_of_a_grammar_without_it() -> None:
    tokenizer = sg.Tokenizer([*(bytes((byte,)) for byte in range(256)), b"aa", b"ab", b"bc", None], [259])
    ours, plain = (
        sg.compile(sg.lark(text), tokenizer, store=False)
        for text in ('start: "a" ("b" J | "b" "c")* \n%declare J\n', 'start: "a" ("b" "c")*\n')
    )
    here, there = ours.start, plain.start
    for token in (*b"abcbc", 259):
        assert ours.allowed(here) == plain.allowed(there)
        assert ours.tokens_to_finish(here) == plain.tokens_to_finish(there)
        after, other = ours.step(here, token), plain.step(there, token)
        assert after is not None and other is not None
        here, there = after, other


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
def test_an_explanation_names_it(lexer: str) -> None:
    explained = sg.explain(sg.lark(_text("one of two"), lexer=lexer))  # type: ignore[call-overload]
    assert explained.never_made == ("J",)
    assert explained.has_faults


def test_it_is_kept_with_the_grammar() -> None:
    for _ in range(2):
        made = sg.lark(_text("one of two"))
        assert made.tables.remarks.never_made == ("J",)  # type: ignore[attr-defined]


@pytest.mark.parametrize("lexer", ["contextual", "characters"])
def test_a_grammar_of_which_every_text_needs_it_is_refused_by_name(lexer: str) -> None:
    with pytest.raises(sg.errors.GrammarError, match="The terminal J is declared, but never made") as caught:
        sg.lark('start: "a" x\nx: J | J x\n%declare J\n', lexer=lexer)  # type: ignore[call-overload]
    assert "bind=" in str(caught.value)
