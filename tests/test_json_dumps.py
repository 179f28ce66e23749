"""What `json.dumps` writes: the policies that allow exactly that, against `json.dumps` itself."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest
from compiled_texts import reached, takes
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

ESCAPES = {"ascii": True, "utf8": False}
CHARACTERS = '"\\/\b\f\n\r\t\x00\x01\x1f\x18 aé\x7f\x80ÿ\u07ff\u2028\ud7ff\ue000\uffff😀\U0010ffff'
KEYED = {
    "type": "object",
    "properties": {"é": {"enum": ["ü", "/", "a\n", "😀"]}, "\x7f": {"type": "string", "maxLength": 2}},
    "additionalProperties": {"type": "string", "pattern": "^[^a]?é"},
}
SCHEMAS: dict[str, Any] = {
    "string": {"type": "string"},
    "keyed": KEYED,
    "bounded": {"type": "string", "maxLength": 3},
}
strings = st.text(st.sampled_from(CHARACTERS) | st.characters(exclude_categories=["Cs"]), max_size=6)


@cache
def compiled(name: str, escapes: str) -> sg.CompiledGrammar:
    grammar = sg.json_schema(SCHEMAS[name], whitespace="oneline", escapes=escapes)
    return sg.compile(grammar, byte_tokenizer(), store=False)


@pytest.mark.parametrize("escapes", ESCAPES)
@given(value=strings)
def test_strings_are_written_as_dumps_writes_them(escapes: str, value: str) -> None:
    assert takes(compiled("string", escapes), json.dumps(value, ensure_ascii=ESCAPES[escapes]))


PIECES = r"\" \\ \/ / \b \n \u 00 1f 0a e9 é D8 d83d \ude00 😀".split()


@pytest.mark.parametrize("escapes", ESCAPES)
@given(pieces=st.lists(st.sampled_from([*PIECES, *"7f 7e 80 \x7f a 000 001 FF ff".split()]), max_size=6))
@settings(max_examples=120)
def test_nothing_else_is_allowed(escapes: str, pieces: list[str]) -> None:
    text = '"' + "".join(pieces) + '"'
    try:
        value = json.loads(text, strict=True)
        same = json.dumps(value, ensure_ascii=ESCAPES[escapes]) == text
        value.encode()
    except (ValueError, UnicodeEncodeError):
        same = False
    assert takes(compiled("string", escapes), text) is same


@pytest.mark.parametrize("escapes", ESCAPES)
def test_keys_and_constants_are_written_so_too(escapes: str) -> None:
    grammar, plain = compiled("keyed", escapes), ESCAPES[escapes]
    for value in ({"é": "ü"}, {"é": "/"}, {"é": "😀", "\x7f": "é\x7f"}, {"ü": "é"}, {"😀/": "xéa"}):
        assert takes(grammar, json.dumps(value, ensure_ascii=plain)), value
        assert not takes(grammar, json.dumps(value, ensure_ascii=not plain)), value
    assert not takes(grammar, '{"\\u00E9": "/"}')
    assert not takes(grammar, json.dumps({"é": "/"}, ensure_ascii=plain).replace("/", "\\/"))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**19), 10**19)
    | st.floats(allow_nan=False, allow_infinity=False)
    | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=8,
)


@cache
def anything(**options: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(True, **{**sg.JSON_DUMPS, **options}), byte_tokenizer(), store=False)


@given(value=VALUES)
def test_every_value_is_allowed_as_dumps_writes_it(value: Any) -> None:
    assert takes(anything(), json.dumps(value))
    assert takes(anything(escapes="utf8"), json.dumps(value, ensure_ascii=False))
    assert takes(anything(whitespace=2), json.dumps(value, indent=2))


def few_digits(text: str) -> float:
    """Read a float; one of more than 15 digits, or that is denormal, is not claimed to come back."""
    value = float(text)
    if len(text.split("e")[0].strip("-0.").replace(".", "")) > 15 or 0 < abs(value) < 2.3e-308:
        raise OverflowError
    return value


@given(chance=st.integers(0, 2**40).map(random.Random))
@settings(max_examples=30, deadline=None)
def test_what_is_allowed_comes_back(chance: random.Random) -> None:
    grammar = anything()
    text, state = b"", grammar.start
    for _ in range(chance.randint(0, 30)):
        following = [byte for byte in range(256) if grammar.step_bytes(state, bytes((byte,))) is not None]
        if not following:
            break
        byte = chance.choice(following)
        text += bytes((byte,))
        after = reached(grammar, bytes((byte,)), state)
        state = after
    text += grammar.completion(state)
    try:
        value = json.loads(text, parse_float=few_digits)
    except OverflowError:
        return
    assert json.dumps(value) == text.decode()


def test_a_schema_is_met_as_dumps_writes_it() -> None:
    schema = {
        "type": "object",
        "properties": {"b": {"type": "number", "multipleOf": 0.5}, "a": {"enum": ["ü", 1e-7]}},
    }
    grammar = sg.compile(sg.json_schema(schema, **sg.JSON_DUMPS), byte_tokenizer())
    for value in ({"b": 1.5, "a": "ü"}, {"b": 3, "a": 1e-7}, {"b": 2.0}, {"b": 1e15}):
        assert takes(grammar, json.dumps(value))
    wrong = '{"b": 1.50}|{"b": 15e-1}|{"a": 0.0000001}|{"b": 10000000000000000.0}|{"a": "ü"}'
    assert not any(takes(grammar, text) for text in wrong.split("|"))


def test_what_python_cannot_print_is_a_policys_doing() -> None:
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy) as caught:
        sg.compile(
            sg.json_schema(
                '{"exclusiveMinimum": 1, "exclusiveMaximum": 1.0000000000000002, "type": "number"}',
                numbers="python",
            ),
            byte_tokenizer(),
        )
    assert caught.value.policies == ("numbers",)
