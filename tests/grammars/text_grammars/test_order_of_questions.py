"""What completes a text does not depend on what a compiled grammar was asked before, nor in what order."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import structgen as sg

TOKENS = [*(bytes((byte,)) for byte in range(256)), b"((", b"))", b") ", b"= ", b" +", b"ab", b"1)", b""]
TOKENIZER = sg.Tokenizer.from_bytes(TOKENS, len(TOKENS) - 1)
ARITHMETIC = (
    'root ::= (expr "=" ws term "\\n")+\nexpr ::= term ([-+*/] term)*\n'
    'term ::= ident | num | "(" ws expr ")" ws\nident ::= [a-z] [a-z0-9_]* ws\n'
    "num ::= [0-9]+ ws\nws ::= [ \\t\\n]*\n"
)
STATEMENTS = r"""
start: statement+
statement: "if" "(" sum ")" statement | NAME "=" sum ";" | block
block: "{" statement* "}"
sum: product | sum "+" product
product: atom | product "*" atom
atom: NAME | NUMBER | "(" sum ")" | "[" [sum ("," sum)*] "]"
NAME: /[a-z]+/
NUMBER: /[0-9]+/
COMMENT: /#[^\n]*/
%ignore COMMENT
%ignore /[ \n]+/
"""
STATEMENT = "if (a * (b + [1, 2])) { x = 1; { y = (2);#c\n } }"
GRAMMARS: dict[str, tuple[Callable[[], sg.Grammar], str]] = {
    "arithmetic": (lambda: sg.ebnf(ARITHMETIC), "((ab +1)*2 -x) =(y)\n"),
    "contextual": (lambda: sg.lark(STATEMENTS), STATEMENT),
    "characters": (lambda: sg.lark(STATEMENTS, lexer="characters"), STATEMENT),
    "a text that must come": (
        lambda: "<call=weather>" + sg.json_schema({"enum": [1]}) + "<",
        "<call=weather>1<",
    ),
}


def answers(compiled: sg.CompiledGrammar, text: str) -> tuple[int, bytes]:
    state = compiled.step_bytes(compiled.start, text.encode())
    assert state is not None
    return compiled.tokens_to_finish(state), compiled.completion(state)


@pytest.mark.parametrize("name", GRAMMARS)
def test_completions_are_the_same_whatever_was_asked_before(name: str) -> None:
    make, whole = GRAMMARS[name]
    texts = [whole[:size] for size in range(0, len(whole), 4)]
    alone = {text: answers(sg.compile(make(), TOKENIZER, store=False), text) for text in texts}
    for seed in range(2):
        random.Random(seed).shuffle(texts)
        compiled = sg.compile(make(), TOKENIZER, store=False)
        assert {text: answers(compiled, text) for text in texts} == alone
