"""Lexemes that may have ended before, while what follows is read on beside them: their masks are those of the
slow reader, and no token is followed one by one for each mask."""

from __future__ import annotations

from pathlib import Path

import pytest
from lark.indenter import PythonIndenter
from same_masks import hold

import structgen as sg
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.text_grammars.machine.compiled_text import CompiledText

# a comment that is not closed is a division, and what follows it is read as one meanwhile
COMMENTS = r"""
start: (e ";")*
?e: t | e "+" t
?t: f | t "/" f
?f: NAME | "*" f
COMMENT: /\/\*(.|\n)*?\*\//
NAME: /[^\W\d]\w*/
%ignore " "
%ignore COMMENT
"""
# a comment ends its line if it has an end, and else is one that may stand behind all lines
LINES = r"""
start: (line | block)+ COMMENT?
line: NAME+ _NEWLINE
block: NAME ":" _NEWLINE _INDENT line+ _DEDENT
NAME: /[^\W\d]\w*/
_NEWLINE: /(#[^\n]*)?\n([ \t]*(#[^\n]*)?\n)* */
COMMENT: /#[^\n]*/
%ignore / +/
%declare _INDENT _DEDENT
"""
CASES = {
    "comments": (lambda: sg.lark(COMMENTS), "a /* foo + b; läuft */ / b; x /*y; z / *q /* open ; a"),
    "lines": (
        lambda: sg.lark(LINES, postlex=PythonIndenter()),
        "a b # some (words)\n# more, äöü\nc:\n    # deep\n  # less deep\n    d\n# out\ne\n# the end",
    ),
}


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(Path(__file__).parents[1] / "data" / "bpe" / "tokenizer.json")


@pytest.mark.parametrize("name", CASES)
def test_each_mask_is_that_of_the_slow_reader(name: str, tokenizer: sg.Tokenizer) -> None:
    grammar, text = CASES[name][0](), CASES[name][1]
    slow, fast = CompiledText(grammar, tokenizer, None, False), CompiledLark(grammar, tokenizer, None, False)
    one, other = hold(slow, fast, tokenizer.encode(text.encode()))
    assert fast.allowed(other) == slow.allowed(one)
    assert fast._vocabulary_tables.pairs.table[0] > 0


def test_a_bound_that_was_met_is_met_again_and_nothing_waits_for_it(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammar = CASES["comments"][0]()
    fast, slow = CompiledLark(grammar, tokenizer, None, False), CompiledText(grammar, tokenizer, None, False)
    one, other = slow.start, fast.start
    for byte in b"a /* b":
        (token,) = tokenizer.encode(bytes((byte,)))
        after, followed = slow.step(one, token), fast.step(other, token)
        assert after is not None and followed is not None
        one, other = after, followed

    def refused(*_arguments: object) -> None:
        raise sg.LimitError("Too much.", limit="oracle_steps")

    monkeypatch.setattr(fast._vocabulary_tables.pairs, "put", refused)
    for _ in range(2):
        with pytest.raises(sg.LimitError):
            fast.allowed(other)
    assert (fast._vocabulary_tables.pairs.table[2 : 2 + 2 * K.MOST_PAIRS : 2] == 0).all()
    monkeypatch.undo()
    assert fast.allowed(other) == slow.allowed(one)
