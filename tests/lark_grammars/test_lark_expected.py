"""What may come next in texts of Lark grammars: each byte that may, no other, and who asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark.indenter import Indenter
from reading import reached

import structgen as sg
from structgen.system.resources import grammar
from structgen.tokens.tokenizer import byte_tokenizer

INDENTED = r"""
start: (_NL | line)*
line: NAME (":" _NL _INDENT line+ _DEDENT | _NL)
NAME: /[a-z]+/
_NL: /(\r?\n[ \t]*)+/
%declare _INDENT _DEDENT
"""
KEYWORDS = """
start: "if" NAME "then" [list] | NAME "=" NUMBER
list: "(" NAME ("," NAME)* ")"
NAME: /[a-z]+/
NUMBER: /[0-9]+([.][0-9]+)?/
%ignore " "
"""


class Blocks(Indenter):
    NL_type = "_NL"
    OPEN_PAREN_types: list[str] = []  # noqa: RUF012
    CLOSE_PAREN_types: list[str] = []  # noqa: RUF012
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 8


def compiled(text: str, **options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.lark(text, **options), byte_tokenizer(), store=False)


@cache
def keywords() -> sg.CompiledGrammar:
    return compiled(KEYWORDS)


READERS: dict[str, Callable[[], sg.CompiledGrammar]] = {
    "keywords": keywords,
    "indented": lambda: compiled(INDENTED, postlex=Blocks),
    "arithmetic": lambda: compiled(grammar("arithmetic").read_text(encoding="utf-8")),
}


def expected(reader: sg.CompiledGrammar, text: bytes) -> list[sg.core.Expected]:
    state = reached(reader, text)
    return reader.expected(state)


def told(text: bytes) -> dict[str, tuple[str, ...]]:
    return {one.what: one.sources for one in expected(keywords(), text)}


@cache
def _allowed_where_items_say_so(reader: sg.CompiledGrammar, state: sg.core.State) -> bytes:
    """Return the bytes that may come, once they are held to the items; walks come to the same places."""
    allowed = bytes(byte for byte in range(256) if reader.step_bytes(state, bytes((byte,))) is not None)
    assert {byte for one in reader.expected(state) for byte in one.first} == set(allowed)
    return allowed


@pytest.fixture(scope="module", params=READERS)
def reader(request: pytest.FixtureRequest) -> sg.CompiledGrammar:
    return READERS[request.param]()


@given(choices=st.lists(st.integers(0, 255), max_size=12))
def test_every_byte_that_may_come_has_an_item_and_no_other(
    reader: sg.CompiledGrammar, choices: list[int]
) -> None:
    state = reader.start
    for choice in choices:
        allowed = _allowed_where_items_say_so(reader, state)
        if not allowed:
            break
        after = reached(reader, bytes((allowed[choice % len(allowed)],)), state)
        state = after


def test_strings_are_told_by_themselves_and_patterns_by_name() -> None:
    assert told(b"a") == {'"="': ("start",), "NAME /[a-z]+/": ("start",), '" "': ()}


def test_a_terminal_is_told_with_the_rule_that_reads_it() -> None:
    found = told(b"if x then (a")
    assert found['","'] == found['")"'] == ("list",)


def test_the_rest_of_a_lexeme_and_what_may_stand_behind_it_are_both_told() -> None:
    found = told(b"if x")
    assert found["NAME /[a-z]+/"] == ("start",)
    assert '"then"' not in found  # a letter more would be of the name


@pytest.mark.parametrize(
    "text", ["if ", "a ", "if x ", "if x then ", "if x then (a ", "thenx = ", "a = 1.5 "]
)
def test_the_text_before_is_told_with_the_terminal_that_lark_reads_it_as(text: str) -> None:
    import lark

    tokens = lark.Lark(KEYWORDS, parser="lalr").parse_interactive(text).exhaust_lexer()
    kind, patterns = tokens[-1].type, {"NAME": "NAME /[a-z]+/", "NUMBER": "NUMBER /[0-9]+([.][0-9]+)?/"}
    told = {one.read_before for one in expected(keywords(), text.encode()) if one.sources}
    assert told <= {patterns.get(kind, f'"{tokens[-1]}"')}


def test_the_text_before_is_told_behind_a_lexeme_and_not_inside_it() -> None:
    grammar = "start: NUMBER 'k' | HOUR 'h'\nHOUR.2: /[0-9]{1,2}/\nNUMBER: /[0-9]+/\n".replace("'", '"')
    for reader in (compiled(grammar), compiled(grammar + "%declare J\nj: J\n", bind={"J": "x"})):
        told = {one.what: one.read_before for one in expected(reader, b"2")}
        assert told == {'"h"': "HOUR /[0-9]{1,2}/", "HOUR /[0-9]{1,2}/": ""}


def test_a_lexeme_that_must_go_on_is_alone() -> None:
    assert list(told(b"a = 1.")) == ["NUMBER /[0-9]+([.][0-9]+)?/"]
