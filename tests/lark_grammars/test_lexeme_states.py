"""What a state of a lexeme says: what it may still become, and what another process takes from it."""

from __future__ import annotations

import pytest
from lark_reference import build, differences

from structgen.lark_grammars.reading.lark_loader import load
from structgen.lark_grammars.reading.loaded_grammar import UNREACHABLE, ParserTables
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits

WORDS = """
start: (IF | IN | NAME)+
IF: "if"
IN: "in"
NAME: /[a-z]+/
%ignore " "
"""


def tables_of(text: str) -> ParserTables:
    return load(text, start="start", source=None, import_paths=(), postlex=None, limits=Limits()).tables


def after(language: ContextualLanguage, text: bytes) -> int:
    """Return the state of the lexeme that a text is the beginning of."""
    reader = language.reader
    reading = reader.run(reader.start(), text)
    assert reading is not None
    return reading.lexeme


@pytest.mark.parametrize(
    ("text", "names"),
    [(b"i", {"IF", "IN", "NAME"}), (b"if", {"IF", "NAME"}), (b"ifs", {"NAME"}), (b"x", {"NAME"})],
)
def test_a_lexeme_may_become_the_strings_that_go_on_from_it(text: bytes, names: set[str]) -> None:
    tables = tables_of(WORDS)
    language = ContextualLanguage(tables, Limits())
    found = {tables.terminals[terminal].name for terminal in language.endings(after(language, text))[1]}
    assert found == names


def test_a_language_goes_on_from_the_lexemes_of_another() -> None:
    tables = tables_of(WORDS)
    first = ContextualLanguage(tables, Limits())
    reading = first.reader.run(first.reader.start(), b"if so in")
    assert reading is not None and first.is_live(reading)
    second = ContextualLanguage(tables, Limits(), first.lexemes())
    assert second.separator == first.separator == b" "
    assert second.reader.lexer.states == first.reader.lexer.states
    assert all(second.reader.lexer.row(at) == row for at, row in first.reader.lexer.rows.items())


BEHIND_ANOTHER = "start: (L|B)* A\nL: /l(?=.*z)|l(?!b)/\nB: /b|x/\nA: /(?<=x)a/\n"


def test_a_lexeme_that_nothing_begins_ends_by_no_look_ahead() -> None:
    lexer = ContextualLanguage(tables_of("start: B A\nB: /b|x/\nA: /(?<=x)a/\n"), Limits()).reader.lexer
    states = {
        lexer.start(context, lexer.initial_look_behind()) for context in range(len(lexer.tables.contexts))
    }
    empty = [state for state in states if not lexer.states[state].items]
    assert empty
    assert [lexer.pending_lookaheads(state) for state in empty] == [UNREACHABLE] * len(empty)


def test_searches_go_on_beside_a_place_where_no_lexeme_begins() -> None:
    language = ContextualLanguage(tables_of(BEHIND_ANOTHER), Limits())
    assert differences(build(BEHIND_ANOTHER), language, "lbxa", 4) == []
