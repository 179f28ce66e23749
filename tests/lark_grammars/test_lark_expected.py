"""What may come next in texts of Lark grammars: each byte that may, no other, and who asks for it."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.system.resources import grammar
from structgen.text_grammars.machine.language import Config, Language

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


class Blocks:
    """Returns an indenter for INDENTED; lark is imported as late as may be."""

    def __new__(cls) -> type:  # type: ignore[misc]
        from lark.indenter import Indenter

        return type(
            "Lines",
            (Indenter,),
            {
                "NL_type": "_NL",
                "OPEN_PAREN_types": [],
                "CLOSE_PAREN_types": [],
                "INDENT_type": "_INDENT",
                "DEDENT_type": "_DEDENT",
                "tab_len": 8,
            },
        )


def language(text: str) -> Language:
    made = sg.lark(text, postlex=Blocks() if text is INDENTED else None)
    return made.language(made.limits)


LANGUAGES = [
    language(text) for text in (KEYWORDS, INDENTED, grammar("arithmetic").read_text(encoding="utf-8"))
]


def told(text: str, data: bytes) -> dict[str, tuple[str, ...]]:
    reader = language(text)
    config = reader.start()
    for byte in data:
        after = reader.step(config, byte)
        assert after is not None
        config = after
    return {one.what: one.sources for one in reader.expected(config)}


@cache
def _allowed_where_items_say_so(reader: Language, config: Config) -> list[int]:
    """Return the bytes that may come, once they are held to the items; walks come to the same places."""
    allowed = [byte for byte in range(256) if reader.step(config, byte) is not None]
    assert {byte for one in reader.expected(config) for byte in one.first} == set(allowed)
    return allowed


@pytest.mark.parametrize("reader", LANGUAGES, ids=["keywords", "indented", "arithmetic"])
@given(choices=st.lists(st.integers(0, 255), max_size=12))
def test_every_byte_that_may_come_has_an_item_and_no_other(reader: Language, choices: list[int]) -> None:
    config = reader.start()
    for choice in choices:
        allowed = _allowed_where_items_say_so(reader, config)
        if not allowed:
            break
        after = reader.step(config, allowed[choice % len(allowed)])
        assert after is not None
        config = after


def test_strings_are_told_by_themselves_and_patterns_by_name() -> None:
    assert told(KEYWORDS, b"a") == {'"="': ("start",), "NAME /[a-z]+/": ("start",), '" "': ()}


def test_a_terminal_is_told_with_the_rule_that_reads_it() -> None:
    found = told(KEYWORDS, b"if x then (a")
    assert found['","'] == found['")"'] == ("list",)


def test_the_rest_of_a_lexeme_and_what_may_stand_behind_it_are_both_told() -> None:
    found = told(KEYWORDS, b"if x")
    assert found["NAME /[a-z]+/"] == ("start",)
    assert '"then"' not in found  # a letter more would be of the name


@pytest.mark.parametrize(
    "text", ["if ", "a ", "if x ", "if x then ", "if x then (a ", "thenx = ", "a = 1.5 "]
)
def test_the_text_before_is_told_with_the_terminal_that_lark_reads_it_as(text: str) -> None:
    import lark

    tokens = lark.Lark(KEYWORDS, parser="lalr").parse_interactive(text).exhaust_lexer()
    kind, patterns = tokens[-1].type, {"NAME": "NAME /[a-z]+/", "NUMBER": "NUMBER /[0-9]+([.][0-9]+)?/"}
    reader = language(KEYWORDS)
    config = reader.start()
    for byte in text.encode():
        config = reader.step(config, byte)
    told = {one.read_before for one in reader.expected(config) if one.sources}
    assert told <= {patterns.get(kind, f'"{tokens[-1]}"')}


def test_the_text_before_is_told_behind_a_lexeme_and_not_inside_it() -> None:
    grammar = "start: NUMBER 'k' | HOUR 'h'\nHOUR.2: /[0-9]{1,2}/\nNUMBER: /[0-9]+/\n".replace("'", '"')
    for made in (sg.lark(grammar), sg.lark(grammar + "%declare J\nj: J\n", bind={"J": "x"})):
        reader = made.language(made.limits)
        config = reader.step(reader.start(), ord("2"))
        told = {one.what: one.read_before for one in reader.expected(config)}
        assert told == {'"h"': "HOUR /[0-9]{1,2}/", "HOUR /[0-9]{1,2}/": ""}


def test_a_lexeme_that_must_go_on_is_alone() -> None:
    assert list(told(KEYWORDS, b"a = 1.")) == ["NUMBER /[0-9]+([.][0-9]+)?/"]
