"""Python is asked about no place of a document, or about few: nearly all boundaries are certain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lark.indenter import PythonIndenter
from same_masks import bare

import structgen as sg
from structgen.lark_grammars.liveness.text_search import TextSearch
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits
from structgen.system import resources

BYTES = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)

# behind a name, `left` is as near to its end as `start` is, and leads to the next sum
BOUNCING = r"""
start: (sum | NAME) ";"
sum: left "+" NAME
left: sum | NAME
NAME: /[a-c]+/
%ignore " "
"""
# three rules go round together, one of them behind a bracket
THREE = r"""
start: value ";"
value: call | access | NAME
call: called "(" value? ")"
called: access | call | NAME
access: accessed "." NAME
accessed: call | NAME | access
NAME: /[a-c]+/
%ignore " "
"""
# a block may end on a line that has begun, but only where the text ends: not before `not`
BLOCKS = r"""
start: stmt+ _last?
stmt: _line _NEWLINE
    | "try" ":" block "not" ":" block
block: _NEWLINE _INDENT (stmt+ _last? | _last) _DEDENT
     | _line _NEWLINE
_last: _line
     | unended
unended: "try" ":" block "not" ":" _line
_line: NAME
NAME: /[a-c]+/
_NEWLINE: /(\n *)+/
%ignore " "
%declare _INDENT _DEDENT
"""
# nothing is ignored: what a lexeme leaves to the text behind it is owed
APART = r"""
start: (NAME "=" NUMBER ";"?)+
NAME: /[a-c]+/
NUMBER: /[0-9]+(\.[0-9]+)?/
"""


@pytest.fixture
def asked(asked_of: Callable[[str], list[Any]]) -> list[object]:
    """Return the places about which Python was asked whether a text goes on from there."""
    return asked_of("is_open")


@pytest.fixture
def looked_at(asked_of: Callable[[str], list[Any]]) -> list[object]:
    """Return the states about which Python was asked whether they are live."""
    return asked_of("is_live")


def follow(grammar: sg.Grammar, text: str) -> None:
    """Have the mask before each byte of a text, all of which must be allowed."""
    matcher = sg.Matcher(sg.compile(grammar, BYTES, store=False))
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    for byte in text.encode():
        matcher.fill_mask(mask)
        assert (int(mask.array[0][byte >> 5]) >> (byte & 31)) & 1
        matcher.advance(byte)
    assert matcher.is_complete


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda: sg.lark(BOUNCING), "a+b + c;", id="two rules"),
        pytest.param(lambda: sg.lark(THREE), "a.b(c(a).b).c();", id="three rules"),
        pytest.param(lambda: sg.lark(APART), "a=1b=2.5;cc=0", id="nothing ignored"),
        pytest.param(
            lambda: sg.lark(BLOCKS, postlex=PythonIndenter),
            "try:\n a\n try: b\n not: c\nnot:\n a\n",
            id="lines",
        ),
    ],
)
def test_python_is_asked_about_no_place(
    make: Callable[[], sg.Grammar], text: str, asked: list[object], looked_at: list[object]
) -> None:
    follow(bare(make()), text)
    assert asked == []
    assert len(looked_at) <= 3, "the start, and where a number may not end"


def test_python_is_asked_about_few_states_of_a_python_text(
    asked: list[object], looked_at: list[object]
) -> None:
    text = (
        "# a\nimport b\n\n@c\ndef d(e, *, f=1):\n    try:\n        if not e: return [e for f in e]\n"
        "        g = {'h': e.f[0](1)} + (2, -3)  # i\n        h = f'{g}, {e.f!r:>10}'\n"
        "    except J as k:\n        raise\n    x = (\n\ty)\n"
    )
    follow(bare(sg.lark(resources.grammar("python"), postlex=PythonIndenter)), text)
    # four from which nothing goes on: lines that begin two blocks, a comment behind a comment; two in strings
    assert len(asked) <= 6
    assert len(looked_at) < 60


# the two cheapest ends are taken by BAD, which leads nowhere: "ace!" is the one text
HIDDEN = r"""
start: "a" tail "!"
tail: "b" | "c" more | dead
more: "d" | "e" | dead
dead: BAD dead
BAD.2: /[bd]!/
"""


def test_a_text_that_is_no_shortest_derivation_is_found() -> None:
    language = ContextualLanguage(sg.lark(HIDDEN).tables, Limits())
    assert bytes(language.shortest(language.start())) == b"ace!"


def test_that_nothing_goes_on_behind_what_no_text_is_takes_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextSearch, "text", lambda *_, **_of: pytest.fail("texts are tried byte by byte"))
    grammar = sg.lark('start: "a" | MARGIN NONE "b"\nMARGIN: / +/\nNONE: /[^\\s\\S]/\n%ignore /#+/\n')
    language = ContextualLanguage(grammar.tables, Limits())
    assert language.step(language.start(), ord(" ")) is None
