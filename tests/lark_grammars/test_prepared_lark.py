"""What is worked out ahead of a Lark grammar's documents: it is not asked again, and masks are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from lark.indenter import Indenter

import structgen as sg
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.compiled.lark_answers import LarkAnswers

CALLS = r"""
start: (call ";")*
call: NAME "(" [arg ("," arg)*] ")"
?arg: STRING | NUMBER | call | "not" arg
NAME: /[^\W\d]\w*/
STRING: /"(\\.|[^"\\])*"/
NUMBER: /\d+(\.\d+)?/
%ignore /[ \n]+/
"""
BLOCKS = r"""
start: statement+
statement: "if" NAME ":" block | "return" [NAME] _NEWLINE | NAME "(" [NAME ("," NAME)*] ")" _NEWLINE
block: _NEWLINE _INDENT statement+ _DEDENT
NAME: /[a-z]\w*/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""


class Blocks(Indenter):
    NL_type = "_NEWLINE"
    OPEN_PAREN_types: ClassVar = ["LPAR"]
    CLOSE_PAREN_types: ClassVar = ["RPAR"]
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = 4


CASES = {
    "calls": (lambda: sg.lark(CALLS), 'f("a b", 1.5, not g(x2()));\nläuft("\\"", 12); f();'),
    "blocks": (
        lambda: sg.lark(BLOCKS, postlex=Blocks()),
        "if a:\n    f(a,\n  b)\n    if b:\n        return\n    return c\nreturn iffy\n",
    ),
}
Make = Callable[[], sg.Grammar]


def compiled_lark(grammar: sg.Grammar, tokenizer: sg.Tokenizer, store: sg.MaskStore | None) -> CompiledLark:
    compiled = sg.compile(grammar, tokenizer, store=store or False)
    assert isinstance(compiled, CompiledLark)
    return compiled


def masks(compiled: sg.CompiledGrammar, text: str) -> list[bytes]:
    """Return the mask before each token of a text, and behind the last one."""
    mask, matcher, found = sg.allocate_mask(1, compiled.vocab_size), sg.Matcher(compiled), []
    for token in (*compiled.tokenizer.encode(text.encode()), None):
        matcher.fill_mask(mask)
        found.append(mask.array[0].tobytes())
        if token is not None:
            matcher.advance(token)
    return found


@pytest.mark.parametrize(("make", "text"), CASES.values(), ids=CASES)
def test_masks_are_the_same_and_ask_for_no_record(
    make: Make, text: str, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = masks(compiled_lark(make(), tokenizer, None), text)
    compiled = compiled_lark(make(), tokenizer, None)
    seen: list[int] = []
    assert compiled.prepare(progress=seen.append) == len(seen) > 5
    monkeypatch.setattr(LarkAnswers, "_make_record", lambda *_what: pytest.fail("a record was asked for"))
    assert masks(compiled, text) == expected


@pytest.mark.parametrize(("make", "text"), CASES.values(), ids=CASES)
def test_another_process_asks_for_no_record(
    make: Make, text: str, tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = masks(compiled_lark(make(), tokenizer, None), text)
    store = sg.MaskStore(path=tmp_path)
    compiled_lark(make(), tokenizer, store).prepare()
    store.flush()
    other = compiled_lark(make(), tokenizer, sg.MaskStore(path=tmp_path))
    monkeypatch.setattr(LarkAnswers, "_make_record", lambda *_what: pytest.fail("a record was asked for"))
    assert masks(other, text) == expected


def test_it_takes_no_more_room_than_it_may(tokenizer: sg.Tokenizer) -> None:
    make, text = CASES["calls"]
    all_of, some, none = (compiled_lark(make(), tokenizer, None) for _ in range(3))
    states = all_of.prepare()
    assert none.prepare(room=-1) == 0 < some.prepare(room=20_000) < states
    assert masks(some, text) == masks(all_of, text)


def test_once_is_enough(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_lark(CASES["calls"][0](), tokenizer, None)
    states, size = compiled.prepare(), compiled.nbytes
    assert (compiled.prepare(), compiled.nbytes) == (states, size)


def test_a_schema_has_nothing_to_work_out_ahead(tokenizer: sg.Tokenizer) -> None:
    assert sg.compile(sg.json_schema({"type": "string"}), tokenizer).prepare() == 0
