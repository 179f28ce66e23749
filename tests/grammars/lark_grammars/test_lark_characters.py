"""`sg.lark(..., lexer="characters")`: all that the rules derive, held to lark's Earley parser."""

from __future__ import annotations

import itertools
import pickle
import re
from pathlib import Path

import lark
import pytest
from lark_reference import Earley, after, differences, language

import structgen as sg
from structgen.errors import GrammarError, LimitError, OptionError, RegexError

KEYWORD = 'start: "a" NAME "b" | NAME\nNAME: /[ab]+/\n'
CASES = {
    "keyword and name": KEYWORD,
    "one terminal inside another": 'start: A B\nA: /a+/\nB: "ab"\n',
    "ambiguous": 'start: start start | "a" | "b" c\nc: | c "a"\n',
    "ignored": 'start: "a"+ "b"\n%ignore /c+/\n',
    "optional and repeated": 'start: ["a"] ("b" ["c"])~1..3\n',
    "templates": 'start: list{A}\nlist{x}: x ("c" x)*\nA: /a|bb/\n',
    "look-ahead": 'start: A B?\nA: /a+(?!b)/\nB: /b/\n',
    "hidden left recursion": 'start: e start "a" | "b"\ne: | "c"\n',
}  # fmt: skip
EMPTY = {
    'start: A "b" A\nA: /a*/\n': "(a*)b(a*)",
    "start: A+ B\nA: /(ab)?/\nB: /c{0,2}|a/\n": "(ab)*(c{0,2}|a)",
    'start: "a" E "b"\nE: /(c|)/\n%ignore /a*/\n': "a*aa*c?a*ba*",
}
"""Rules with terminals that may be empty, which lark refuses, and the patterns of their texts."""


def accepts(reader: sg.Grammar, text: str) -> bool:
    words = reader.language(reader.limits)  # type: ignore[attr-defined]
    config = after(words, text.encode(), words.start())
    return config is not None and words.accepts(config)


@pytest.mark.parametrize("text", [text for name, text in CASES.items() if name != "look-ahead"])
def test_words_are_those_of_an_earley_parser(text: str) -> None:
    assert differences(Earley(text), language(text, lexer="characters"), "abc", 4) == []


@pytest.mark.parametrize("text", EMPTY)
def test_a_terminal_may_be_empty(text: str) -> None:
    reader = sg.lark(text, lexer="characters")
    for word in map("".join, itertools.chain(*(itertools.product("abc", repeat=size) for size in range(6)))):
        assert accepts(reader, word) == bool(re.fullmatch(EMPTY[text], word)), word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (CASES["one terminal inside another"], "aab"),
        ('start: "if" N "then" N\nN: /[a-z]+/\n', "ifathenb"),
    ],
)
def test_what_the_lexer_would_swallow_is_taken(text: str, word: str) -> None:
    with pytest.raises(lark.exceptions.UnexpectedInput):
        lark.Lark(text, parser="lalr", lexer="contextual").parse(word)
    assert accepts(sg.lark(text, lexer="characters"), word)


def test_masks_and_pickles() -> None:
    made = sg.lark('start: "a" start "b" | "c"\n', lexer="characters")
    tokens = [bytes([byte]) for byte in range(256)] + [b"aa", b"acb", b"cbb", None]
    compiled = sg.compile(made, sg.Tokenizer.from_bytes(tokens, eos_token_id=259))
    matcher = sg.Matcher(compiled)
    mask = sg.allocate_mask(1, 260)
    matcher.advance(ord("a"))
    matcher.fill_mask(mask)
    assert set(mask.allowed()) == {ord("a"), ord("c"), 256, 257}
    assert matcher.tokens_to_finish() == 2
    assert pickle.loads(pickle.dumps(made)) == made


def test_imports_are_followed(tmp_path: Path) -> None:
    (tmp_path / "words.lark").write_text("WORD: /[a-z]+/\n")
    (tmp_path / "main.lark").write_text("%import .words.WORD\n%import common.INT\nstart: WORD INT\n")
    made = sg.lark(tmp_path / "main.lark", lexer="characters")
    assert accepts(made, "ab12") and not accepts(made, "12ab")


@pytest.mark.parametrize(
    ("text", "options", "error", "said"),
    [
        ("start: x\n", {}, GrammarError, "lark rejects the grammar"),
        ('start: "x"\n', {"start": "y"}, GrammarError, "The rule y does not exist. Pass start= one of"),
        ("start: A\n%declare A\n", {}, GrammarError, "The terminal A is declared, but never made."),
        ("start: A\nA: /(a)\\1/\n", {}, RegexError, "terminal A"),
        ('start: "a" | "b" | "c"\n', {"limits": sg.Limits(grammar_rules=2)}, LimitError, "grammar_rules"),
        ('start: "a"\n', {"postlex": object()}, OptionError, "lexer='characters' does not support"),
        ('start: "a" start\n', {}, GrammarError, "start generates no text"),
    ],
)  # fmt: skip
def test_bad_input(text: str, options: dict[str, object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said.replace(".", "\\.")):
        made = sg.lark(text, lexer="characters", **options)  # type: ignore[call-overload]
        made.language(made.limits)


def test_a_text_that_has_the_name_of_a_bound_terminal_is_refused() -> None:
    grammar = 'start: "<" "b" B\n%declare B\n'
    with pytest.raises(GrammarError, match="terminal B: The text 'b' has the name of a bound terminal"):
        sg.lark(grammar, lexer="characters", bind={"B": sg.regex("[0-9]+")})
