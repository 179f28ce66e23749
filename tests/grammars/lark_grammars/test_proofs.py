"""Proofs that some text goes on: none is asked where letters tell; where they do not, a search finds each."""

from __future__ import annotations

import itertools

import pytest
from lark_reference import build, takes

import structgen as sg
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.lark_grammars.compiled.lark_answers import LarkAnswers

# behind \" a string has ended if no " ever follows, so each lexeme behind it owes that, an ignored one too
BLOCKS = r"""
start: block+
block: KIND item* END
item: block | NAME value
value: TEXT | NUMBER | "{" value ("," value)* "}" | "(" value (SIGN value)* ")"
KIND.1: "map" | "class" | "style"
END.1: "end"
SIGN: "+" | "-" | "*" | "<" | "%"
TEXT: "\"" ("\\\""|/[^"]/)* "\"" "i"?
NAME: /[a-z0-9_]+/
NUMBER: /[0-9]+(?![_a-z])/
COMMENT: /#[^\n]*/
LONG.3: /\/[*].*?[*]\//s
WS: /[ \n]+/
%ignore WS
%ignore COMMENT
%ignore LONG
"""
TEXTS = (
    'map a "x" # y\nclass b {1, (2*"z")} end end',
    'map class style a ((("\\")))end end end',
    'map /* a */ c {{{1},"\\"#\n}} end map end',
)
TOKENS = [bytes((byte,)) for byte in range(256)]
TOKENS += [b'\\"' + bytes(two) for two in itertools.product(b"#/a1,(){} \n*e", repeat=2)]
TOKENIZER = sg.Tokenizer.from_bytes([*TOKENS, None], len(TOKENS))


# a text ends at the last quote of all
LAST = BLOCKS.replace(r""""\"" ("\\\""|/[^"]/)* "\"" "i"?""", '/".*"/s')
assert LAST != BLOCKS


def compiled_anew(grammar: str) -> CompiledLark:
    compiled = sg.compile(sg.lark(grammar), TOKENIZER, store=False)
    assert isinstance(compiled, CompiledLark)
    return compiled


def test_the_texts_are_of_the_grammar() -> None:
    assert all(takes(build(BLOCKS), text) for text in TEXTS)


@pytest.mark.parametrize("text", TEXTS)
def test_a_search_that_letters_do_not_help_finds_each_reading_that_lives(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, searched = compiled_anew(BLOCKS), 0
    monkeypatch.setattr(LarkAnswers, "is_live_by_letters", lambda *_asked: None)
    search = compiled.answers.search()
    assert search is not None
    for size in range(1, len(text)):
        state = compiled.step_bytes(compiled.start, text[:size].encode())
        assert state is not None
        for reading in compiled.readings_of_state(compiled.index_of(state)):
            searched += 1
            assert search(reading, set(compiled.answers.letters.terminals_of(reading.lexer_state)))
    assert searched > len(text) // 2


@pytest.mark.parametrize("text", ['map class a (1+(2*("x', "map a {{{1,"])
def test_no_proof_is_asked_of_what_ignored_lexemes_owe(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, asked, prove = compiled_anew(LAST), list[int](), LarkAnswers._write_proof

    def noted(answers: LarkAnswers, place: int, end_class: int, column: int) -> None:
        asked.append(place)
        prove(answers, place, end_class, column)

    monkeypatch.setattr(LarkAnswers, "_write_proof", noted)
    state = compiled.step_bytes(compiled.start, text.encode())
    assert state is not None
    closing = {token for token in compiled.allowed(state) if TOKENS[token].startswith(b'\\"')}
    assert bool(closing) == text.endswith("x")
    assert not asked
