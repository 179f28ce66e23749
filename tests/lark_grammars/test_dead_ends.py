"""Shifts to states behind which no text ends are errors of the table; the lexer's contexts stay lark's."""

from __future__ import annotations

import pytest

import structgen as sg
from structgen.lark_grammars.reading.loaded_grammar import NONE, ParserTables
from structgen.limits import Limits

GRAMMARS = {
    "a terminal that no text is": 'start: "a" "b" | M N "b"\nM: "m"\nN: /[^\\s\\S]/\n',
    "a rule that never ends": 'start: "a" "b" | M n\nn: "b" n\nM: "m"\n',
    "two rules under way that never end": 'start: "a" "b" | M n "c" | M k\nn: n n\nk: k "b" k\nM: "m"\n',
    "deeper": 'start: "a" "b" | M "a" x\nx: "b" n | "c" n "c"\nn: "b" n | N\nM: "m"\nN: /[^\\s\\S]/\n',
}


def tables_of(text: str) -> ParserTables:
    return sg.lark(text).tables


@pytest.mark.parametrize("name", GRAMMARS)
def test_nothing_leads_to_where_no_text_ends(name: str) -> None:
    tables = tables_of(GRAMMARS[name])
    number = next(at for at, one in enumerate(tables.terminals) if one.name == "M")
    assert (tables.actions[:, number] == NONE).all()
    assert number in tables.contexts[int(tables.context_of[tables.start])].every_terminal


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_leads_on_is_left(name: str) -> None:
    language = sg.lark(GRAMMARS[name]).language(Limits())
    assert language.shortest(language.start()) == b"ab"


def test_a_state_that_one_of_two_rules_may_end_is_left() -> None:
    language = sg.lark('start: "a" N "a" | "a" "b"\nN: /[^\\s\\S]/\n').language(Limits())
    assert language.shortest(language.start()) == b"ab"
