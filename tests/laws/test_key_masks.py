"""Keys that run out: masks are exact where the keys that a pattern allows are few, or end alike."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

import structgen as sg

PIECES = ['{"', '":1', '":1,"', ',"', 'a":1', 'xa":1,"x', "xa", "b", '1,"', '":1}', "aa", "yx", "ab", '","']


def tokenizer() -> sg.Tokenizer:
    """Return a vocabulary of all bytes, and of some longer tokens that span keys."""
    return sg.Tokenizer.from_bytes(
        [bytes((byte,)) for byte in range(256)] + [piece.encode() for piece in PIECES] + [None],
        eos_token_id=256 + len(PIECES),
    )


def documents(pattern: str, names: list[str], longest: int, least: int, most: int) -> list[str]:
    """Return every compact text of an object with these keys, each value 1, written plainly."""
    words = ("".join(word) for size in range(longest + 1) for word in itertools.product("abxy", repeat=size))
    keys = [word for word in words if word in names or re.search(pattern, word)]
    texts = []
    for count in range(least, min(most, len(keys)) + 1):
        for held in itertools.permutations(keys, count):
            texts.append(json.dumps(dict.fromkeys(held, 1), separators=(",", ":")))
    return texts


CASES: list[tuple[str, list[str], int, int]] = [
    ("^[ab]$", [], 0, 9),
    ("^x[ab]$", [], 0, 9),
    ("^x[ab]$", ["xa"], 0, 9),
    ("^[xy]?[ab]$", ["a", "yb"], 0, 3),
    ("^x[ab]$", ["x", "xa", "xb"], 1, 9),
    ("^(a|ab|abx)$", [], 2, 9),
    ("^(a|ab|abx)$", ["ab"], 3, 9),
    ("^[xy][xy]$", [], 3, 4),
]


@pytest.mark.parametrize(("pattern", "names", "least", "most"), CASES)
@pytest.mark.parametrize("order", ["any", "declared"])
def test_a_key_goes_on_exactly_where_one_is_left(
    pattern: str, names: list[str], least: int, most: int, order: str
) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"const": 1} for name in names},
        "patternProperties": {pattern: {"const": 1}},
        "additionalProperties": False,
        "minProperties": least,
    }
    if most < 9:
        schema["maxProperties"] = most
    tokens = tokenizer()
    options = {"whitespace": "compact", "numbers": "plain", "property_order": order}
    compiled = sg.compile(sg.json_schema(schema, **options), tokens)
    texts = documents(pattern, names, 3, least, most)
    if order == "declared":
        texts = [text for text in texts if in_order(list(json.loads(text)), names)]
    words = set(texts)
    live = {text[:end] for text in texts for end in range(len(text) + 1)}
    width = 257 + len(PIECES)
    mask = sg.allocate_mask(1, width)
    for prefix in sorted(live):
        matcher = sg.Matcher(compiled)
        assert matcher.accepts(list(prefix.encode())) == len(prefix), prefix
        for byte in prefix.encode():
            matcher.advance(byte)
        matcher.fill_mask(mask)
        assert matcher.is_complete == (prefix in words), prefix
        for token in range(width - 1):
            piece = chr(token) if token < 128 else PIECES[token - 256] if token >= 256 else None
            if piece is None or piece == "\\":
                continue
            allowed = bool(mask.array[0, token >> 5] >> (token & 31) & 1)
            assert allowed == (prefix + piece in live), (prefix, piece)
        if prefix not in words:
            least_left = matcher.tokens_to_finish()
            assert least_left >= 1
            after = []
            for token in range(width - 1):
                if mask.array[0, token >> 5] >> (token & 31) & 1:
                    fork = matcher.fork()
                    fork.advance(token)
                    after.append(fork.tokens_to_finish())
            assert min(after) < least_left, prefix


def in_order(keys: list[str], names: list[str]) -> bool:
    """Return whether the declared names come first, in their order."""
    ranks = [names.index(key) if key in names else len(names) for key in keys]
    return ranks == sorted(ranks)


def test_an_escape_in_a_key_goes_on_only_to_a_key_that_is_left() -> None:
    schema = {"patternProperties": {"^x[ab]$": True}, "additionalProperties": False, "type": "object"}
    options = {"whitespace": "compact", "escapes": "any"}
    compiled = sg.compile(sg.json_schema(schema, **options), tokenizer())
    matcher = sg.Matcher(compiled)
    begun = b'{"xa":1,"x\\u006'
    assert matcher.accepts(list(begun)) == len(begun)
    assert matcher.accepts([*begun, ord("1")]) == len(begun)
    assert matcher.accepts([*begun, ord("2")]) == len(begun) + 1
    held = b'{"xa":1,"xb":1'
    assert matcher.accepts([*held, ord(",")]) == len(held)


@pytest.mark.parametrize("key", ["b", "é", "š", "\U0001f600", "\ud83d"])
def test_an_escape_that_only_a_named_key_completes_is_in_the_mask(key: str) -> None:
    schema = {"properties": {key: True}, "patternProperties": {"^a": True}, "additionalProperties": False}
    options = {"whitespace": "compact", "escapes": "any"}
    compiled = sg.compile(sg.json_schema({"type": "object", **schema}, **options), tokenizer())
    units = key.encode("utf-16-be", "surrogatepass").hex()
    state = compiled.step_bytes(compiled.start, b'{"')
    for byte in "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4)).encode():
        assert state is not None and byte in compiled.allowed(state)
        state = compiled.step(state, byte)


def test_a_key_of_any_length_may_be_written() -> None:
    compiled = sg.compile(sg.json_schema({"type": "object"}, whitespace="compact"), tokenizer())
    key = b"a" * 70_000  # more than 2**16
    text = b'{"' + key + b'":1,"' + key + b"b" + b'":1}'
    matcher = sg.Matcher(compiled)
    assert matcher.accepts(list(text)) == len(text)
    twice = b'{"' + key + b'":1,"' + key + b'"'
    assert matcher.accepts(list(twice)) == len(twice) - 1
