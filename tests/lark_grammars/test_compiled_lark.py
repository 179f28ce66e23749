"""`CompiledLark` held to its slow twin: the same language read byte by byte (`CompiledText`), token by
token over a vocabulary whose tokens cross lexemes."""

from __future__ import annotations

from pathlib import Path

import lark
import pytest
from lark.indenter import PythonIndenter
from lark_grammars import JSON

import structgen as sg
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.compiled.lark_answers import LarkAnswers
from structgen.text_grammars.machine.compiled_text import CompiledText

LIBRARY = Path(lark.__file__).parent / "grammars"

# a comment that is not closed is a division, and what follows it is read as one meanwhile
COMMENTS = r"""
start: (e ";")*
?e: t | e "+" t | e "-" t
?t: f | t "*" f | t "/" f
?f: NAME | NUM | "(" e ")" | "*" f
COMMENT: /\/\*(.|\n)*?\*\//
%import common.CNAME -> NAME
%import common.NUMBER -> NUM
%import common.WS
%ignore WS
%ignore COMMENT
"""
# no blank between lexemes: nothing keeps them apart
# lark takes each `x` for one of `e`: what began with a round bracket never ends
ENDLESS = 'start: "(" e "x" | "[" e | e\ne: N "x"+\nN: "n"\n%ignore " "\n'
BARE = r"""
start: (WORD "=" (NUM | WORD) ";")+
WORD: /[a-z]+(?![0-9])/
NUM: /[0-9]+(\.[0-9]+)?/
"""
# behind a name nothing tells that it is one but what follows, in lines that begin with blanks
LOOKING = r"""
start: (KEY "=" VALUE _LINE)+
KEY: /[^\W\d]\w*(?= *=)/
VALUE: /\d+/
_LINE: /\n+ */
%ignore / +/
"""
PYTHON = "python.lark of the lark package"
GRAMMARS = {
    "JSON": (JSON, '{"a": [1, -2.5e+3, "x\\"y", true], "b": {"c": null}}'),
    "comments": (COMMENTS, "a + b /* foo */ * 3; x /*y; z / *q; /* open ; a"),
    "names that look ahead": (LOOKING, "ab = 12\n  läuft= 3\n  the = 4\n"),
    "nothing ignored": (BARE, "ab=1.25;c=d;xyz=10;"),
    "Python": (
        PYTHON,
        "from .. import x\ny = r\"a\\\"b\" '''d''' if 1else 0x1F\n"
        "class A:\n\tdef f(self):  # note\n\t\treturn {1: [2, (3)]}\n",
    ),
}


def _grammar(text: str) -> sg.LarkGrammar:
    if text == PYTHON:
        return sg.lark(LIBRARY / "python.lark", start="file_input", postlex=PythonIndenter())
    return sg.lark(text)


@pytest.mark.parametrize("name", GRAMMARS)
def test_each_mask_is_that_of_the_slow_reader(name: str, tokenizer: sg.Tokenizer) -> None:
    grammar, text = _grammar(GRAMMARS[name][0]), GRAMMARS[name][1]
    slow, fast = CompiledText(grammar, tokenizer, None, False), CompiledLark(grammar, tokenizer, None, False)
    one, other = slow.start, fast.start
    for token in tokenizer.encode(text.encode()):
        assert fast.allowed(other) == slow.allowed(one)
        assert fast.next_bytes(other) == slow.next_bytes(one)
        assert fast.accepts_end(other) == slow.accepts_end(one)
        after, followed = slow.step(one, token), fast.step(other, token)
        assert after is not None and followed is not None
        one, other = after, followed
    assert fast.allowed(other) == slow.allowed(one)


def test_tokens_to_finish_falls_by_one_with_some_allowed_token(tokenizer: sg.Tokenizer) -> None:
    compiled = CompiledLark(sg.lark(JSON), tokenizer, None, False)
    state = compiled.start
    assert compiled.tokens_to_finish(state) == 1
    for token in tokenizer.encode(b'{"a": [1, {"b": "c'):
        cost = compiled.tokens_to_finish(state)
        following = [compiled.step(state, one) for one in compiled.allowed(state)]
        costs = [
            compiled.tokens_to_finish(one) for one in following if one is not None and not one.is_finished
        ]
        assert min(costs) <= cost - 1
        after = compiled.step(state, token)
        assert after is not None
        state = after


def test_a_completion_is_accepted_by_lark(tokenizer: sg.Tokenizer) -> None:
    compiled = CompiledLark(_grammar(PYTHON), tokenizer, None, False)
    reference = lark.Lark.open(
        str(LIBRARY / "python.lark"), parser="lalr", start="file_input", postlex=PythonIndenter()
    )
    state, read = compiled.start, b""
    for token in tokenizer.encode(GRAMMARS["Python"][1].encode()):
        reference.parse((read + compiled.completion(state)).decode())
        after = compiled.step(state, token)
        assert after is not None
        state, read = after, read + (tokenizer.token_bytes[token] or b"")


def test_a_bound_that_was_met_is_met_again_and_nothing_waits_for_it(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = CompiledLark(sg.lark(ENDLESS), tokenizer, None, False)

    def refused(*_arguments: object) -> None:
        raise sg.errors.LimitError("Too much.", limit="oracle_steps")

    monkeypatch.setattr(LarkAnswers, "_make_record", refused)
    for _ in range(2):
        with pytest.raises(sg.errors.LimitError):
            compiled.allowed(compiled.start)
    monkeypatch.undo()
    slow = CompiledText(sg.lark(ENDLESS), tokenizer, None, False)
    assert compiled.allowed(compiled.start) == slow.allowed(slow.start)
