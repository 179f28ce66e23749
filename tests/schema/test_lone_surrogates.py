r"""A lone surrogate is written as its escape (`\ud83d`), wherever a string or a key may hold one.

The oracles: `json.loads` says which value a text is, `jsonschema` whether the value is valid.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema
import pytest
from compiled_texts import takes
from for_each import for_each
from schema_documents import compiled

import structgen as sg

Json = Any
HIGH, OTHER_HIGH, LOW, OTHER_LOW = "\ud83d", "\ud800", "\ude00", "\udfff"
NAMED = {"properties": {HIGH: {"const": 1}, "a": True}, "additionalProperties": False, "required": ["a"]}


@pytest.mark.parametrize("text", [b'"\xed', b'"\xf8', b'{"\xed', b'{"\xf8'])
def test_no_listed_word_goes_on_with_a_raw_byte_of_a_surrogate(text: bytes) -> None:
    listed = {"enum": [HIGH]} if text[:1] == b'"' else {"type": "object", **NAMED}
    grammar = compiled(listed, **sg.WIDEST)
    assert grammar.step_bytes(grammar.start, text) is None


@for_each("escapes", ["canonical", "utf8", "ascii"])
@for_each(
    "schema",
    [
        *({"const": HIGH}, {"const": [HIGH]}, {"const": {HIGH: 1}}, {"enum": [{"a": [LOW]}, [[HIGH]]]}),
        {"type": "array", "enum": [[HIGH], {"a": 1}]},
    ],
)
def test_where_none_can_be_written_a_constant_with_one_is_refused(schema: Json, escapes: str) -> None:
    with pytest.raises(sg.errors.UnsatisfiableUnderPolicy, match="escapes"):
        compiled(schema, escapes=escapes)
    compiled(schema, escapes="any")


@pytest.mark.parametrize("last", [b"8", b"C", b"e", b"f"])
def test_half_of_a_pair_that_no_pattern_takes_cannot_be_begun(last: bytes) -> None:
    grammar = compiled({"type": "string", "pattern": "^[\\ud800-\\udfff]{2}$"}, **sg.WIDEST)
    state = grammar.step_bytes(grammar.start, b'"\\ud83d\\ud')
    assert state is not None
    assert (grammar.step_bytes(state, last) is not None) == (last == b"8")


def test_two_halves_of_a_pair_are_no_lone_surrogates() -> None:
    with pytest.raises(sg.errors.UnsatisfiableSchema):
        compiled({"const": HIGH + LOW}, **sg.WIDEST)  # no text has this value
    one = compiled({"type": "string", "maxLength": 1, "not": {"const": HIGH}}, **sg.WIDEST)
    assert takes(one, b'"\\ud83d\\ude00"') and takes(one, b'"\\ude00"')
    assert not takes(one, b'"\\ud83d"') and not takes(one, b'"\\ude00\\ud83d"')
    two = compiled({"enum": [HIGH + "\U0001f600"]}, **sg.WIDEST)
    assert takes(two, b'"\\ud83d\\ud83d\\ude00"') and takes(two, '"\\ud83d\U0001f600"'.encode())
    assert not takes(two, b'"\\ud83d\\ude00"')


SHORT: list[Json] = [
    {"enum": [HIGH, "a" + LOW, "\U0001f600"]},
    {"type": "string", "not": {"enum": [HIGH, LOW + HIGH, "a"]}},
    {"type": "string", "pattern": "^.$"},
    {"type": "string", "pattern": "^[\\ud800-\\udfff]{2}$"},
    {"type": "string", "pattern": "^[\\ud800-\\udbff]a?[\\ud800-\\udfff]?$"},
    {"type": "string", "pattern": "^a|^[^a]*$", "not": {"const": HIGH + "a"}},
    {"type": "string", "minLength": 2, "maxLength": 2},
    {"anyOf": [{"const": OTHER_HIGH}, {"type": "string", "pattern": "^a"}, {"enum": [LOW + "a"]}]},
    {"oneOf": [{"enum": [HIGH, LOW]}, {"enum": [LOW, "a"]}, {"type": "string", "minLength": 3}]},
]
PARTS = [b"a", b"\\ud83d", b"\\uD800", b"\\ude00", b"\\udfff", b"\\u0061", b"\xed", b"\xa0\xbd", b"\xf8"]
PARTS += ["\U0001f600".encode(), "\ud7ff".encode()]


@pytest.mark.parametrize("schema", SHORT)
def test_every_short_text_is_accepted_as_the_validator_says(schema: Json) -> None:
    grammar, validator = compiled(schema, **sg.WIDEST), jsonschema.Draft202012Validator(schema)
    valid = 0
    for size in range(4):
        for parts in itertools.product(PARTS, repeat=size):
            text = b'"' + b"".join(parts) + b'"'
            begun = grammar.step_bytes(grammar.start, text[:-1])
            if begun is not None:
                assert validator.is_valid(json.loads((text[:-1] + grammar.completion(begun)).decode())), text
            try:
                truth = validator.is_valid(json.loads(text.decode()))
            except UnicodeDecodeError:
                truth = False
            assert takes(grammar, text) == truth, text
            valid += truth
    assert valid


def test_what_is_expected_names_the_escape() -> None:
    grammar = compiled({"enum": [HIGH, "a"]}, **sg.WIDEST)
    state = grammar.step_bytes(grammar.start, b'"\\ud83')
    assert state is not None
    assert [(item.what, item.first) for item in grammar.expected(state)] == [('"\\ud83d"', b"Dd")]
