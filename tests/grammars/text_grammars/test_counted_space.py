"""Structural tags that count white space, under large vocabularies: their masks are those of the plain schema
without the tokens that write too much of it, which a reader of quotes and blanks finds."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from for_each import for_each

import structgen as sg
from structgen.core import State

TESTS = Path(__file__).parents[2]
BLANKS = b" \t\n\r"
Space: TypeAlias = "tuple[int, int]"
"""1 inside a string, 2 behind its backslash; and how many characters of white space stand there."""
SCHEMAS: dict[str, Any] = {
    "open object": {"type": "object"},
    "anything": {},
    "true": True,
    "array of open objects": {"type": "array", "items": {"type": "object"}},
    "other members": {
        "type": "object",
        "properties": {"k": {"type": "integer"}, " l": {}},
        "required": ["k"],
    },
    "patterns": {"type": "object", "patternProperties": {"^ ": {"type": "integer"}}, "minProperties": 1},
    "some members": {
        "type": "object",
        "minProperties": 2,
        "additionalProperties": {"enum": [1, " ", [], {}]},
    },
    "numbers": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "uniqueItems": True},
    "union": {"anyOf": [{"type": "object"}, {"type": "array"}, {"type": "string", "minLength": 2}]},
}  # fmt: skip


# --- vocabularies ---


@cache
def drawn(count: int) -> sg.Tokenizer:
    """Return a tokenizer of all bytes, words, punctuation and white space, so many of random texts."""
    chance = random.Random(count)
    letters, marks = "etaoinshrdlucmfwypvbgkjqxz", '"\\{}[]:,. \t\n0123456789-_()/<>=u'
    texts = {" " * size for size in range(2, 40)} | {"\n" + " " * size for size in range(1, 30)}
    while len(texts) < count:
        word, mark = (
            "".join(chance.choices(of, k=chance.randint(1, most))) for of, most in ((letters, 8), (marks, 4))
        )
        texts.add(chance.choice([word, " " + word, word + mark, mark + word, mark, mark + word + mark]))
        if chance.random() < 0.1:
            texts.add("".join(chr(chance.choice([0xE9, 0x416, 0x4E2D, 0x1F600])) for _ in range(2)) + word)
    pieces = dict.fromkeys(
        [*(bytes((byte,)) for byte in range(256)), *(one.encode() for one in sorted(texts))]
    )
    return sg.Tokenizer.from_bytes([*pieces, None], eos_token_id=len(pieces))


def _tekken(name: str) -> sg.Tokenizer:
    found = importlib.util.find_spec("mistral_common")
    if found is None or found.origin is None:
        pytest.skip("mistral_common, whose files these vocabularies are, is not installed")
    return sg.Tokenizer.from_tekken(str(Path(found.origin).parent / "data" / name))


def _llama3() -> sg.Tokenizer:
    sys.path.insert(0, str(TESTS.parent / "bench"))
    import vocabularies

    return vocabularies.load("llama3")


REAL: dict[str, Callable[[], sg.Tokenizer]] = {
    "structgen's": lambda: sg.Tokenizer.from_huggingface(str(TESTS.parent / "models" / "tokenizer")),
    "of bytes and pairs": lambda: sg.Tokenizer.from_huggingface(str(TESTS / "data" / "bpe")),
    "tekken 240718": lambda: _tekken("tekken_240718.json"),
    "tekken 240911": lambda: _tekken("tekken_240911.json"),
    "Llama 3": _llama3,
}


# --- the reader ---


def read(text: bytes, most: int, state: Space = (0, 0)) -> Space | None:
    """Return the state behind a text; None where more than `most` characters of white space stand together
    outside of strings."""
    where, blanks = state
    for byte in text:
        if where == 0:
            blanks = blanks + 1 if byte in BLANKS else 0
            where = int(byte == 34)
            if blanks > most:
                return None
        else:
            where = 1 if where == 2 else {34: 0, 92: 2}.get(byte, 1)
    return where, blanks


def tag(schema: Any, **options: Any) -> dict[str, Any]:
    told = {"type": "json_schema", "json_schema": schema, **options}
    return {"type": "structural_tag", "format": told}


def leaving(plain: sg.CompiledGrammar, state: State, text: bytes, most: int, space: Space) -> bool:
    """Return whether a token may write the end of a document and, behind it, the beginning of `</x>`."""
    for at in (at for at, byte in enumerate(text) if byte == 60):
        after = plain.step_bytes(state, text[:at])
        is_end = after is not None and plain.accepts_end(after) and b"</x>".startswith(text[at:])
        if is_end and read(text[:at], most, space) is not None:
            return True
    return False


def check(tokenizer: sg.Tokenizer, name: str, seed: int, steps: int) -> int:
    """Hold the masks along a random text to those of the plain schema; return how many there were."""
    chance = random.Random(f"{name} {seed}")
    most, is_inside = chance.choice([0, 1, 1, 2, 3, 8, 40]), chance.random() < 0.3
    order = chance.choice(["declared", "any"])
    plain = sg.compile(sg.json_schema(SCHEMAS[name], whitespace="any", property_order=order), tokenizer)
    grammar = sg.structural_tag(tag(SCHEMAS[name], max_whitespace_cnt=most, any_order=order == "any"))
    counted = sg.compile(sg.sequence("<x>", grammar, "</x>") if is_inside else grammar, tokenizer)
    at, there = plain.start, counted.step_bytes(counted.start, b"<x>" if is_inside else b"")
    texts, ends, space = [one or b"" for one in tokenizer.token_bytes], set(tokenizer.eos_token_ids), (0, 0)
    for step in range(steps):
        assert there is not None
        told = name, seed, step
        right = {
            token for token in set(plain.allowed(at)) - ends if read(texts[token], most, space) is not None
        }
        left = set()
        if is_inside:
            left = {token for token, text in enumerate(texts) if leaving(plain, at, text, most, space)}
        else:
            assert counted.accepts_end(there) == plain.accepts_end(at), told
            assert counted.tokens_to_finish(there) == plain.tokens_to_finish(at), told
            assert counted.completion(there) == plain.completion(at), told
        assert set(counted.allowed(there)) - ends == right | left, told
        if not right:
            break
        lively = [token for token in right if texts[token][:1] in LIVELY]
        token = chance.choice(sorted(lively if lively and chance.random() < 0.8 else right))
        after, there = plain.step(at, token), counted.step(there, token)
        behind = read(texts[token], most, space)
        assert after is not None and behind is not None
        at, space = after, behind
    return step


LIVELY = [bytes((byte,)) for byte in b'{[": ,}]k\n1']


@pytest.mark.parametrize("name", SCHEMAS)
def test_masks_are_those_of_the_schema_and_of_the_count(name: str) -> None:
    assert sum(check(drawn(3_000), name, seed, 8) for seed in range(4)) > 8


def test_an_open_object_is_allowed_under_a_large_vocabulary() -> None:
    """The fault: each of the 100,000 tokens that go on in a key was a search of its own."""
    tokenizer, limits = drawn(100_000), sg.Limits(oracle_steps=2_000)
    for schema, most, text in [
        ({"type": "object"}, 1, '{"'),
        ({"type": "object"}, 0, '{"'),
        ({}, 2, '[{"'),
        ({"properties": {"k": {}}}, 1, '{"k" : [{"'),
    ]:
        for any_order in (False, True):
            grammar = sg.structural_tag(
                tag(schema, max_whitespace_cnt=most, any_order=any_order), limits=limits
            )
            compiled = sg.compile(grammar, tokenizer)
            state = compiled.step_bytes(compiled.start, text.encode())
            assert state is not None and len(compiled.allowed(state)) > 50_000


@for_each("most", [0, 1, 2])
@for_each("whitespace", ["bounded", "oneline", "any", "any:1", "any:0", 2, 0, "\t"])
def test_a_policy_and_a_count_hold_both(whitespace: Any, most: int) -> None:
    """Texts of two characters of JSON and white space between them, one by one."""
    schema = {
        "anyOf": [{"type": "object", "properties": {"k": {}}}, {"type": "array", "items": {"const": 1}}]
    }
    tokenizer = drawn(400)
    under = sg.compile(sg.json_schema(schema, whitespace=whitespace), tokenizer)
    try:
        counted = sg.compile(
            sg.structural_tag(tag(schema, max_whitespace_cnt=most), whitespace=whitespace), tokenizer
        )
    except sg.errors.GrammarError:
        counted = None
    gaps = ["", " ", "\n", "\n  ", "\t", "\n\t", "   "]
    shapes = ["{", '"k"', ":", "1", "}"], ["[", "1", ",", "1", "]"], ["[", "]"], ["{", "}"]
    taken = 0
    for shape in shapes:
        for between in itertools.product(gaps, repeat=len(shape) - 1):
            text = shape[0] + "".join(gap + part for gap, part in zip(between, shape[1:], strict=True))
            right = accepts(under, text) and read(text.encode(), most) is not None
            assert right == (counted is not None and accepts(counted, text)), text
            taken += right
    assert taken


def accepts(compiled: sg.CompiledGrammar, text: str) -> bool:
    state = compiled.step_bytes(compiled.start, text.encode())
    return state is not None and compiled.accepts_end(state)


def test_arguments_stand_between_as_much_white_space_as_the_policy_counts() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    grammar = sg.structural_tag(tag(schema, style="qwen_xml"), whitespace="any:2")
    compiled = sg.compile(grammar, drawn(400))
    texts = [f"{gap}<parameter=n>1</parameter>" for gap in ("", "\n", " \t", "   ")]
    assert [accepts(compiled, text) for text in texts] == [True, True, True, False]


@pytest.mark.parametrize("wrong", ["any:", "any:-1", "any:1.5", "any:x", "any: 1", "any:٣"])
def test_a_count_that_is_none_is_no_policy(wrong: str) -> None:
    with pytest.raises(sg.errors.OptionError, match="must be one of"):
        sg.json_schema({}, whitespace=wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_masks_are_those_of_the_schema_and_of_the_count_whole(name: str) -> None:
    assert sum(check(drawn(20_000), name, seed, 12) for seed in range(4, 16)) > 50


@pytest.mark.real_tokenizer
@pytest.mark.parametrize("vocabulary", REAL)
def test_masks_under_real_vocabularies(vocabulary: str) -> None:
    tokenizer = REAL[vocabulary]()
    for name in SCHEMAS:
        check(tokenizer, name, 1, 8)
