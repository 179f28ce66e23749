"""Lines under an indenter that have begun, or hold a comment alone: whether they go on is soon told."""

from __future__ import annotations

import pytest
from lark.indenter import PythonIndenter
from lark_reference import after, build, differences, takes

import structgen as sg
from structgen.lark_grammars.liveness.text_search import TextSearch
from structgen.limits import Limits

BLOCKS = r"""
start: stmt+
stmt: NAME _NEWLINE
    | "for" ":" block
    | "try" ":" block "not" NAME _NEWLINE
block: _NEWLINE _INDENT stmt+ _last? _DEDENT
     | _NEWLINE _INDENT _last _DEDENT
_last: NAME
NAME: /[a-c]+/
_NEWLINE: /(\n *)+/
%ignore /[\f ]+/
%declare _INDENT _DEDENT
"""
COMMENTS = r"""
start: (NAME ">" NAME _NEWLINE (_INDENT NAME _NEWLINE _DEDENT)?)+
NAME: /[a-c]+/
_NEWLINE: /([ ]*(#[^\n]*)?\n)+ */
%ignore /#[^\n]*/
%ignore " "
%declare _INDENT _DEDENT
"""


@pytest.fixture
def no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a text is searched, not planned."""

    def searched(_self: TextSearch, _reading: object, is_exact: bool) -> bytes:
        raise AssertionError("a search")

    monkeypatch.setattr(TextSearch, "text", searched)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n for:\n  a\n \f",  # behind a DEDENT, on a line that has begun
        "try:\n a\n \f",
        "try ",  # the cheapest block ends without a line break, which the text's end alone allows
        "try:\n for:\n  try:\n   a\n   \f",
    ],
)
def test_a_line_that_has_begun_goes_on(text: str) -> None:
    reference = build(BLOCKS, postlex=PythonIndenter())
    ours = sg.lark(BLOCKS, postlex=PythonIndenter).language(Limits(oracle_steps=300))
    config = after(ours, text.encode(), ours.start())
    assert config is not None
    rest = bytes(ours.shortest(config)).decode()
    assert takes(reference, text + rest), rest


def test_behind_a_continuation_no_line_ends() -> None:
    grammar = (
        'start: ("@" NAME ("." NAME)* _NEWLINE "def" NAME ":" NAME _NEWLINE)+\nNAME: /[a-c]+/\n'
        "_NEWLINE: /(\\n *)+/\n%ignore /\\\\\\n(?=[^\\n ])/\n"
    )
    ours = sg.lark(grammar).language(Limits(oracle_steps=300))
    config = after(ours, b"@a\\", ours.start())
    assert config is not None
    assert takes(build(grammar), "@a\\" + bytes(ours.shortest(config)).decode())


QUOTED = """
start: ("@" OPEN END ";" "def" NAME ":" NAME)+
OPEN: /f"[a-c]*(?=")(?!"")/
END: /"/
NAME: /[a-c]+/
%ignore " "
"""


@pytest.mark.parametrize("text", ["@f", '@f"', '@f"ab', '@f"ab"', '@f"a";def b:c@f"'])
def test_where_a_lexeme_ends_may_be_sure_some_lexemes_later(text: str, no_search: None) -> None:
    reference = build(QUOTED)
    ours = sg.lark(QUOTED).language(Limits())
    config = after(ours, text.encode(), ours.start())
    assert config is not None
    rest = bytes(ours.shortest(config)).decode()
    assert takes(reference, text + rest), rest


@pytest.mark.parametrize("text", ["[", "[x", "[x]", "[x]a", "[x]ab"])
def test_where_the_table_has_lost_an_action_later_on_another_way_is_planned(
    text: str, no_search: None
) -> None:
    # the cheapest end is `abc`, in which lark takes the b for a part of x
    grammar = 'start: "[" NAME "]" x "b" "c"\nx: "a" | "a" "b"\nNAME: /[x-z]+/\n'
    ours = sg.lark(grammar).language(Limits())
    config = after(ours, text.encode(), ours.start())
    assert config is not None
    rest = bytes(ours.shortest(config)).decode()
    assert takes(build(grammar), text + rest), rest


def test_texts_with_ends_that_are_sure_later_are_larks() -> None:
    grammar = 'start: (OPEN END | "a" END "c")+ "b"\nOPEN: /a"*?(?=")(?!""")/\nEND: /"/\n%ignore "c"\n'
    assert differences(build(grammar), sg.lark(grammar).language(Limits()), 'a"bc', 7) == []


def test_a_comment_where_no_line_may_end_is_dead() -> None:
    ours = sg.lark(COMMENTS, postlex=PythonIndenter).language(Limits(oracle_steps=3000))
    config = after(ours, b"a >", ours.start())
    assert config is not None
    assert ours.step(config, ord("#")) is None
    assert ours.step(config, ord("b")) is not None


def test_short_texts_are_larks() -> None:
    reference = build(COMMENTS, postlex=PythonIndenter())
    ours = sg.lark(COMMENTS, postlex=PythonIndenter).language(Limits())
    assert differences(reference, ours, "a>#\n ", 5) == []
