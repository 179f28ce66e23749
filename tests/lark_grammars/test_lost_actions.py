"""Where lark does not do what the rules say: an action was lost to a conflict, or the separator does not make
sure of a terminal. Masks are exact, and Python is asked about no place over which every stack is live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from same_masks import bare

import structgen as sg
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.lark_grammars.tables.contextual_language import ContextualLanguage
from structgen.limits import Limits

BYTES = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [None], eos_token_id=256)

# behind "struct" a brace is the literal's: `type` never ends before a block
SHIFTED = r"""
start: "if" value block
value: type | type_literal
type: "struct"
type_literal: "struct" literal
literal: "{" "}"
block: "{" "}"
%ignore " "
"""
# a name in brackets is an operand, by its priority: no type in brackets ends, though it needs fewer bytes
REDUCED = r"""
start: value ";"
value: operand | type
operand.2: NAME | "(" operand ")" "?"
type: NAME | "(" type ")"
NAME: /[a-c]+/
%ignore " "
"""
# behind a list the list itself is as near to its end as what is around it
CIRCLING = r"""
start: "in" "(" list NAME ")"
list: NAME "," | list | list NAME ","
NAME: /[a-c]+/
%ignore " "
"""
# LALR merges what may follow `value`, and lark shifts: a name goes on with an "x", so that one more is needed
MERGED = r"""
start: "(" value "x" | "[" value | value
value: NAME | NAME "x"
NAME: /[a-c]+/
%ignore " "
"""
# a bracket that could end the index is one more of the type's; to write one leads to where it was
ROUND = r"""
start: type ";" | "index" "[" (type | NAME) "]"
type: "int" dims
dims: "[" "]"+
NAME: /[a-c]+/
%ignore " "
"""
# behind a line break a blank is a part of it
BROKEN = r"""
start: (NAME "=" NAME _end)+
_end: _BREAK | ";;"
_BREAK: /(\n *)+/
NAME: /[a-c]+/
%ignore " "
"""
# there is nothing but line breaks
UNAVOIDABLE = BROKEN.replace(' | ";;"', "")
GRAMMARS = {
    "shifted": (SHIFTED, "if struct {}{ }"),
    "reduced": (REDUCED, "((a )? )?;"),
    "circling": (CIRCLING, "in (a,b ,c)"),
    "merged": (MERGED, "(a x x"),
    "round": (ROUND, "int []] ;"),
    "broken": (BROKEN, "a = b;;c= a\nb=c\n  \n"),
}


@pytest.fixture
def asked(asked_of: Callable[[str], list[Any]]) -> list[object]:
    """Return the places about which Python was asked whether a text goes on from there."""
    return asked_of("is_open")


def masks(compiled: CompiledLark, text: str) -> list[list[int]]:
    """Return the tokens that are allowed before each byte of a text, and behind it."""
    state, found = compiled.start, []
    for byte in text.encode():
        found.append(compiled.allowed(state))
        after = compiled.step(state, byte)
        assert after is not None
        state = after
    return [*found, compiled.allowed(state)]


def read_slowly(grammar: sg.LarkGrammar, text: str) -> list[list[int]]:
    """Return the same by the reader, which proves each byte by a text."""
    language = ContextualLanguage(grammar.tables, Limits())
    config, found = language.start(), []
    for byte in [*text.encode(), None]:
        here = [one for one in range(256) if language.step(config, one) is not None]
        found.append([*here, 256] if language.accepts(config) else here)
        if byte is not None:
            after = language.step(config, byte)
            assert after is not None
            config = after
    return found


@pytest.mark.parametrize("name", GRAMMARS)
def test_all_places_are_certain(name: str, asked: list[object]) -> None:
    text, document = GRAMMARS[name]
    masks(CompiledLark(bare(sg.lark(text)), BYTES, None, False), document)
    # in an index each bracket behind "int [" is one more of the type's: its stacks are dead
    assert len(asked) == (4 if name == "round" else 0)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("name", GRAMMARS)
def test_masks_are_those_of_the_slow_reader(name: str, ahead: bool) -> None:
    text, document = GRAMMARS[name]
    grammar = sg.lark(text) if ahead else bare(sg.lark(text))
    assert masks(CompiledLark(grammar, BYTES, None, False), document) == read_slowly(grammar, document)


def test_a_terminal_that_nothing_stands_for_is_kept() -> None:
    grammar = sg.lark(UNAVOIDABLE)
    document = "a = b\n b=c \n"
    assert masks(CompiledLark(grammar, BYTES, None, False), document) == read_slowly(grammar, document)


def test_places_are_certain_that_only_a_later_process_meets(asked: list[object], tmp_path: Path) -> None:
    store = sg.MaskStore(path=tmp_path)
    compiled = sg.compile(sg.lark(BROKEN), BYTES, store=store)
    assert isinstance(compiled, CompiledLark)
    masks(compiled, "a")
    del compiled
    store.flush()
    again = sg.compile(sg.lark(BROKEN), BYTES, store=sg.MaskStore(path=tmp_path))
    assert isinstance(again, CompiledLark)
    masks(again, GRAMMARS["broken"][1])
    assert asked == []
