"""Strings of several bounds, up to 10^9, beside patterns, formats and lists: no schema is refused, when it is
compiled or later, and what is taken is what jsonschema-rs takes."""

from __future__ import annotations

import functools
import json
import math
import random
import re
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

import structgen as sg
from structgen.automata.strings.formula_automata import FormulaReader
from structgen.base.language.ir import Pattern
from structgen.tokens.token_mask import allocate_mask

BOUNDS = (0, 1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 100, 255, 999, 1000, 1001, 2500, 20_000, 10**7, 10**9)
"""Bounds on lengths. Texts of up to 2,600 characters are read whole."""
LONGEST = 2_600
PATTERNS = (
    *("^a", "a$", "b", "^[ab]*$", "^(aa)*$", "^(aba|bb)+$", "^a*b?$", "^[^\\n]{3,40}$", "^a{5,20000}$", "^é"),
    *(
        "^(?!b)",
        "^(a{7})*$|^(b{5})*$",
        "^[0-9]{1,3}(-[a-z]{1,150})?$",
        "a[^\\n]{4}$",
        "^$",
        "^\\w+@\\w+$",
        "(ab){40}",
    ),
)
FORMATS = ("date", "ipv4", "uuid", "time", "ipv6")
LISTED = ("", "a", "aa", "b", "ab", "2024-02-29", "127.0.0.1", "a" * 64, "a" * 65, "x", "é")
SAMPLES = (
    *LISTED,
    *(
        "2024-02-30",
        "10:00:00Z",
        "::1",
        "123e4567-e89b-12d3-a456-426614174000",
        "12-abc",
        "x@y",
        "aba",
        "abaab",
    ),
    *("bb", "aaé", "éa", "\U0001f600", 'a"b', "b" * 40, "ab" * 40),
)
PIECES = (
    *(
        b"aa",
        b"aaaa",
        b"a" * 16,
        b"a" * 40,
        b"ab",
        b"bb",
        b'a"',
        b'b"',
        b'"a',
        b'""',
        b'"]',
        b'","',
        b'aaa","',
    ),
    *(
        "é".encode(),
        "aé".encode(),
        b"\xa9a",
        b"\xc3",
        b"\\u00",
        b"\\u0061",
        b'"x":"',
        b'","x":"',
        b'"}',
        b'a"}',
        b"2024-",
    ),
)


@functools.cache
def tokenizer() -> sg.Tokenizer:
    """Return a vocabulary of all bytes and of some longer tokens."""
    tokens = [bytes((byte,)) for byte in range(256)] + [*PIECES, None]
    return sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)


def pattern_drawn(draw: random.Random) -> str:
    """Return a pattern of at most 200 states."""
    if draw.random() < 0.6:
        return draw.choice(PATTERNS)
    small = draw.choices(["a", "b", "[ab]", "(ab|b)", "(aab?)*", "(aa|bbb)+", "é?", "a{2,5}", "$"], k=2)
    if draw.random() < 0.5:
        return "".join(small)
    counted = draw.choice(
        ["[^\\n]{0,20}", "[a-z]{3,60}", "(ab?){7}", "(a{11})*", "(a{13}|b{3})*", "[!-~]{64,150}"]
    )
    return f"^{small[0]}{counted}{small[1]}$"


@functools.cache
def states_of(pattern: str) -> int:
    """Return the states of a pattern alone; more than 200 are 10^9."""
    try:
        return FormulaReader(200).automaton_of_formula(Pattern(pattern)).states
    except sg.errors.LimitError:
        return 10**9


def multiplies(schema: str) -> bool:
    """Return whether the patterns of a schema may have more states beside each other than an automaton has,
    lengths aside."""
    patterns = {json.loads(found) for found in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', schema)}
    # long counts of one class are lengths
    return math.prod(states_of(pattern.replace(",20000}", ",}")) for pattern in patterns) > 50_000


def bounded(draw: random.Random) -> dict[str, Any]:
    low, high = sorted((draw.choice(BOUNDS[:-4]), draw.choice(BOUNDS)))
    bounds = {"minLength": low, "maxLength": high}
    return {
        name: bounds[name] for name in draw.choice([["minLength"], ["maxLength"], ["maxLength"], [*bounds]])
    }


def drawn(draw: random.Random, depth: int = 2) -> dict[str, Any]:
    """Return a schema of strings."""
    kind = draw.choice(
        ["bounds", "pattern", "both", "format", "enum"]
        + (["anyOf", "anyOf", "oneOf", "oneOf", "allOf", "not"] * 2 if depth else [])
    )
    if kind in ("bounds", "both"):
        return bounded(draw) | ({"pattern": pattern_drawn(draw)} if kind == "both" else {})
    if kind == "pattern":
        return {"pattern": pattern_drawn(draw)}
    if kind == "format":
        return {"format": draw.choice(FORMATS)} | (bounded(draw) if draw.random() < 0.4 else {})
    if kind == "enum":
        return {"enum": draw.sample(LISTED, draw.randint(1, 4))}
    if kind == "not":
        return {"not": drawn(draw, depth - 1)}
    return {kind: [drawn(draw, depth - 1) for _ in range(draw.randint(2, 3))]}


def text_drawn(draw: random.Random, schema: str) -> str:
    """Return a text whose length is near a bound that the schema names, or is small."""
    named = [bound for bound in BOUNDS if str(bound) in schema and bound < LONGEST]
    size = max(0, draw.choice([0, 1, 2, draw.randint(0, 80), *named * 2]) + draw.choice([-1, 0, 0, 1]))
    head, tail = draw.choice(["", *SAMPLES]), draw.choice(["", "", "b", "é", "2"])
    whole = head + draw.choice("aaab2") * max(0, size - len(head) - len(tail)) + tail
    return draw.choice(SAMPLES) if draw.random() < 0.25 else whole


def tokens_of(draw: random.Random, data: bytes) -> list[int]:
    """Return a text in tokens, mostly long ones."""
    at, tokens = 0, []
    by_size = sorted(PIECES, key=len, reverse=True)
    while at < len(data):
        fits = [piece for piece in by_size if data.startswith(piece, at)] if draw.random() < 0.9 else []
        piece = fits[0] if fits else data[at : at + 1]
        tokens.append(256 + PIECES.index(piece) if fits else data[at])
        at += len(piece)
    return tokens


def taken(draw: random.Random, compiled: Any, text: bytes) -> bool:
    matcher = sg.Matcher(compiled)
    tokens = tokens_of(draw, text)
    reached = matcher.reached(tokens)
    if len(reached) < len(tokens):
        return False
    for token in tokens:
        matcher.advance(token)
    return matcher.is_complete


def check_mask(matcher: sg.Matcher) -> list[int]:
    """Return the tokens of a mask, which are those that can be read."""
    vocabulary = tokenizer()
    mask = allocate_mask(1, vocabulary.vocab_size)
    matcher.fill_mask(mask)
    allowed = mask.allowed().tolist()
    read = [token for token in range(256 + len(PIECES)) if matcher.accepts([token])]
    assert [token for token in allowed if token < 256 + len(PIECES)] == read
    return allowed


def placed(draw: random.Random, strings: list[dict[str, Any]]) -> tuple[dict[str, Any], Any]:
    """Return a schema that has the strings in some place, and what makes a document of a text."""
    one = {"type": "string", **strings[0]}
    kind = draw.choice(["root", "root", "items", "unique", "property", "objects", "objects", "untyped"])
    if kind == "root":
        return one, lambda text: text
    if kind == "untyped":
        return {"anyOf": [one, {"type": "string", **strings[1]}, {"type": "null"}]}, lambda text: text
    if kind == "items":
        return {"type": "array", "items": one, "maxItems": 2}, lambda text: draw.choice([[text], [text, "a"]])
    if kind == "unique":
        whole = {"type": "array", "items": one, "maxItems": 2, "uniqueItems": True}
        return whole, lambda text: draw.choice([[text], [text, text], ["a", text]])
    if kind == "property":
        whole = {"type": "object", "properties": {"x": one}, "required": ["x"], "additionalProperties": False}
        return whole, lambda text: {"x": text}
    branches = [
        {
            "type": "object",
            "properties": {"type": {"const": tag}, "x": {"type": "string", **string}},
            "required": ["type", "x"],
            "additionalProperties": False,
        }
        for tag, string in zip("ab", strings, strict=True)
    ]
    kind = draw.choice(["oneOf", "anyOf"])
    return {kind: branches}, lambda text: dict(draw.sample([("x", text), ("type", draw.choice("ab"))], 2))


def is_valid(schema: Any, value: Any, taken: bool) -> bool:
    """Return whether a value is valid. Where jsonschema-rs does not say what is `taken`, jsonschema
    judges: the former matches `^(aa|bbb)+(a{11})*(aa|bbb)+$` with "bbb"."""
    judge = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    if judge.is_valid(value) == taken:
        return taken
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return bool(jsonschema.Draft202012Validator(schema, format_checker=formats).is_valid(value))


def check_union(seed: int) -> None:
    draw = random.Random(seed)
    schema, document = placed(draw, [drawn(draw), drawn(draw)])
    written = json.dumps(schema)
    if multiplies(written):
        return
    try:
        compiled = sg.compile(sg.json_schema(schema, property_order="any"), tokenizer())
    except sg.errors.UnsatisfiableSchema:
        compiled = None
    for _ in range(6):
        value = document(text_drawn(draw, written))
        text = json.dumps(value, ensure_ascii=False).encode()
        found = compiled is not None and taken(draw, compiled, text)
        assert found == is_valid(schema, value, found), (seed, written, value)
    if compiled is None:
        return
    text = json.dumps(document(text_drawn(draw, written)), ensure_ascii=False).encode()
    matcher = sg.Matcher(compiled)
    for token in tokens_of(draw, text):
        if draw.random() < 0.05:
            check_mask(matcher)
        if not matcher.accepts([token]):
            break
        matcher.advance(token)
    for _ in range(8):
        allowed = check_mask(matcher)
        assert allowed, (seed, written)
        matcher.advance(draw.choice(allowed))
        if matcher.is_finished:
            break
    if not matcher.is_finished and not any(str(bound) in written for bound in BOUNDS[-3:]):
        whole = b"".join(
            tokenizer().token_bytes[token] or b"" for token in matcher.tokens
        ) + compiled.completions.text(matcher.state_index)
        assert is_valid(schema, json.loads(whole), True), (seed, written, whole)


def call(kind: str, **output: Any) -> dict[str, Any]:
    """Return an item of a conversation, as requests to a model's server hold it."""
    members: dict[str, Any] = {
        "type": {"enum": [kind]},
        "id": {"anyOf": [{"type": "string", "maxLength": 64}, {"type": "null"}]},
        "call_id": {"type": "string", "minLength": 1, "maxLength": 64},
        **output,
    }
    return {"type": "object", "properties": members, "required": ["type", *output]}


def test_items_that_differ_in_long_bounds_are_told_by_their_tags_wherever_these_stand() -> None:
    long = {"type": "string", "maxLength": 10485760}
    link = {"type": "string", "maxLength": 20971520, "format": "uri"}
    kinds = {
        "message": {"content": {"oneOf": [{"type": "string"}, {"type": "array", "items": long}]}},
        "function_call_output": {"output": {"oneOf": [long, {"type": "array", "items": {"type": "object"}}]}},
        "shell_call_output": {"output": {"type": "string"}},
        "patch": {"output": {**long, "minLength": 1}, "path": {"type": "string", "minLength": 1}},
        "image": {"image_url": {"anyOf": [link, {"type": "null"}]}, "output": {"maxLength": 33554432}},
    }
    items = [call(kind, **members) for kind, members in kinds.items()]
    schema = {
        "oneOf": [{"type": "string", "maxLength": 10485760}, {"type": "array", "items": {"anyOf": items}}]
    }
    judge = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    compiled = sg.compile(sg.json_schema(schema, property_order="any"), tokenizer())
    for text in (
        '[{"output": "ab", "type": "function_call_output", "call_id": "x"}, {"type": "image"}]',
        '[{"content": "ab", "type": "message"}]',
        '[{"id": null, "output": "", "path": "", "type": "patch"}]',
        '[{"id": null, "output": "é", "path": "a", "type": "patch"}]',
        '[{"call_id": "' + "a" * 65 + '", "content": [""], "type": "message"}]',
        '[{"image_url": "data:x", "output": 1, "type": "image"}]',
    ):
        matcher = sg.Matcher(compiled)
        for byte in text.encode():
            check_mask(matcher)
            if not matcher.accepts([byte]):
                break
            matcher.advance(byte)
        assert matcher.is_complete == judge.is_valid(json.loads(text)), text


def test_a_string_between_two_bounds_is_completed_to_the_second() -> None:
    schema = {"type": "string", "anyOf": [{"maxLength": 3}, {"minLength": 2500}, {"pattern": "^aaaab"}]}
    compiled = sg.compile(sg.json_schema(schema), tokenizer())
    for begun, rest in (('"aaa', '"'), ('"aaaa', 'b"'), ('"aaaaa', " " * 2495 + '"'), ('"aaaab', '"')):
        matcher = sg.Matcher(compiled)
        for byte in begun.encode():
            matcher.advance(byte)
        assert compiled.completions.text(matcher.state_index).decode() == rest


@pytest.mark.parametrize("part", range(4))
def test_unions_of_long_bounds_are_those_of_jsonschema_rs(part: int) -> None:
    for seed in range(15 * part, 15 * part + 15):
        check_union(seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_unions_of_long_bounds_are_those_of_jsonschema_rs_whole(part: int) -> None:
    for seed in range(1000 + 1000 * part, 2000 + 1000 * part):
        check_union(seed)
