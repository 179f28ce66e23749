"""How a character is written: each policy of escapes, each missing byte, each kind of string.

The oracle lists all JSON texts of a few characters, as Python's json writes them or as RFC 8259 allows them,
and leaves out those that have the missing byte. The masks of a tokenizer of single bytes must lead to these
texts and to no other, without a dead end.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.errors import StructgenError

POLICIES = ("canonical", "utf8", "ascii", "any")
ABOVE = "\u0100\u07ff\u0800\u2028\ud7ff\ue000\uffff\U00010000\U0001f600\U0010ffff"
SHORT = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}


def spellings(char: str, policy: str) -> Iterator[str]:
    """Yield the ways in which a character stands in a JSON string."""
    if policy in ("utf8", "ascii"):
        yield json.dumps(char, ensure_ascii=policy == "ascii")[1:-1]
        return
    if char >= " " and char not in '"\\':
        yield char
    if char in SHORT:
        yield "\\" + SHORT[char]
    digits = char.encode("utf-16-be").hex()
    for cased in product(*({digit, digit.upper()} for digit in digits)):
        text = "".join(cased)
        yield "".join(f"\\u{text[at : at + 4]}" for at in range(0, len(text), 4))


def texts_of(chars: str, policy: str, missing: int) -> set[bytes]:
    """Return the JSON texts of strings of one of some characters that do not have the missing byte."""
    texts = (f'"{way}"'.encode() for char in chars for way in spellings(char, policy))
    return {text for text in texts if missing not in text}


def reached(compiled: sg.CompiledGrammar, byte_of: list[int]) -> set[bytes]:
    """Return the texts to which masks lead."""
    texts: set[bytes] = set()
    pending = [(b"", compiled.start)]
    while pending:
        text, state = pending.pop()
        tokens = compiled.allowed(state)
        assert tokens, (text, "a dead end")
        for token in tokens:
            if token == len(byte_of):
                texts.add(text)
                continue
            after = compiled.step(state, token)
            assert after is not None
            pending.append((text + bytes((byte_of[token],)), after))
    return texts


def character_class(chars: str) -> str:
    return "".join(f"\\u{{{ord(char):x}}}" for char in chars)


HELD: list[sg.Grammar] = []
"""Grammar objects that a schema names are known while somebody holds them."""


def string_of(grammar: Any, **others: Any) -> Any:
    """Return the schema of strings that are texts of a grammar."""
    HELD[:] = [grammar]
    return {"type": "string", "x-grammar": grammar.keyword, **others}


def of_ebnf(chars: str) -> Any:
    escaped = "".join(f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\U{ord(c):08x}" for c in chars)
    return string_of(sg.ebnf(f"root ::= [{escaped}]"))


def of_lark(chars: str) -> Any:
    hexed = {c: f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\U{ord(c):08x}" for c in chars}
    escaped = "".join("\\" + c if c in "\\^]-[/" else hexed[c] for c in chars)
    return string_of(sg.lark(f"start: A\nA: /[{escaped}]/"))


def of_choice(chars: str) -> Any:
    return string_of(sg.choice([*chars]))


def of_spans(chars: str) -> Any:
    return string_of(sg.substring_of(chars), minLength=1, maxLength=1)


KINDS: dict[str, Callable[[str], Any]] = {
    "plain": lambda chars: {"type": "string", "pattern": f"^[{character_class(chars)}]$"},
    "listed": lambda chars: {"enum": [*chars]},
    "ebnf": of_ebnf,
    "lark": of_lark,
    "choice": of_choice,
    "spans": of_spans,
}


def check(kind: str, policy: str, missing: int, chars: str) -> None:
    """Compare the texts that masks reach with the list of them."""
    byte_of = [byte for byte in range(256) if byte != missing]
    tokens = [bytes((byte,)) for byte in byte_of]
    tokenizer = sg.Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens))
    grammar = sg.json_schema(KINDS[kind](chars), escapes=policy, whitespace="compact")
    # listed strings have one way each, but under "any"
    expected = texts_of(chars, "utf8" if (kind, policy) == ("listed", "canonical") else policy, missing)
    try:
        compiled = sg.compile(grammar, tokenizer, store=False)
    except StructgenError as error:
        assert not expected, (kind, policy, missing, chars, error)
        return
    assert reached(compiled, byte_of) == expected, (kind, policy, missing, chars)


def drawn_case(chance: random.Random) -> tuple[str, str, int, str]:
    """Return a kind, a policy, a missing byte, and characters that have to do with it more often than not."""
    kind, policy, missing = chance.choice([*KINDS]), chance.choice(POLICIES), chance.randrange(256)
    if chance.random() < 0.4:
        missing = chance.choice(b'\x00\x09\x0a\x1f "/0159\\abcdefnrtuABCDEF\x7f\x80\xc2\xc3\xff')
    chars = {chr(chance.randrange(256)) for _ in range(3)} | {chance.choice(ABOVE) for _ in range(2)}
    if missing < 128 or chance.random() < 0.5:
        chars.add(chr(missing))
    return kind, policy, missing, "".join(sorted(chars))


@for_each("kind", KINDS)
@for_each("policy", POLICIES)
def test_delete_is_written_where_its_byte_is_missing(policy: str, kind: str) -> None:
    check(kind, policy, 0x7F, "a\x7f")


@pytest.mark.parametrize(
    ("first", "count"),
    [(0, 30), *(pytest.param(at, 2_000, marks=pytest.mark.slow) for at in range(30, 20_030, 2_000))],
)
def test_each_character_is_written_in_each_way_that_a_policy_allows(first: int, count: int) -> None:
    for seed in range(first, first + count):
        check(*drawn_case(random.Random(f"written {seed}")))
