"""The value of a document: where only integers may stand there is an int, however it is written.

The oracle of integers is the schema's own text: keys that begin with `i` hold integers, those that begin with
`n` any numbers, and `fractions.Fraction` says what a numeral is.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import pytest
from compiled_texts import takes
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "i list": {"type": "array", "items": {"type": "integer", "maximum": 10**30}},
        "i or": {"anyOf": [{"type": "string"}, {"multipleOf": 1, "type": "number"}]},
        "n or": {"anyOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
        "i 0": {"enum": [0, 100, "1.0"]},
        "n 0": {"enum": [0, 1.5, 100]},
        "more": {"$ref": "#"},
    },
    "patternProperties": {"^i_": {"type": "integer"}, "^n_": {"type": "number"}},
}


def compiled(schema: Any, **policies: Any) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **policies), byte_tokenizer(), store=False)


ANY = compiled(SCHEMA, **sg.WIDEST)


@pytest.mark.parametrize("numbers", ["any", "python"])
@pytest.mark.parametrize("schema", [{"type": "integer"}, {"enum": [0]}, {"const": 0}, {"multipleOf": 1}])
def test_a_minus_zero_is_an_int_where_only_integers_may_stand(schema: Any, numbers: str) -> None:
    grammar = compiled(schema, numbers=numbers)
    texts = [text for text in (b"-0", b"-0.0", b"-0e0", b"0.00", b"-0E+5") if takes(grammar, text)]
    assert b"-0.0" in texts
    assert [(type(found := grammar.value(text)), found) for text in texts] == [(int, 0)] * len(texts)


def test_a_number_stays_as_json_reads_it() -> None:
    grammar = compiled({"type": "number"}, numbers="any")
    assert [repr(grammar.value(text)) for text in (b"-0.0", b"-0", b"1e2", b"7", b"2.50")] == [
        "-0.0",
        "0",
        "100.0",
        "7",
        "2.5",
    ]


NUMERALS = ["-0", "-0.0", "0", "100", "100.0", "-7.00", "12"]
FRACTIONS = ["2.5", "2.50"]
EXPONENTS = ["-0e0", "1e2", "0.5e1", "1E+20", "31.25e1"]
"""Only where nothing judges the value."""


def numerals(key: str) -> st.SearchStrategy[str]:
    """Numerals in the spelling of documents that are valid under a key."""
    if key.endswith(" 0"):
        return st.sampled_from(["-0", "-0.0", "0", "100", "100.0"])
    if key == "n or":
        return st.sampled_from([*NUMERALS, *FRACTIONS])
    return st.sampled_from(NUMERALS if key.startswith("i") else [*NUMERALS, *FRACTIONS, *EXPONENTS])


@st.composite
def documents(draw: st.DrawFn) -> str:
    keys = ["i", "n", "i or", "n or", "i 0", "n 0", "i_é", "n_1.0", "i_ 1e5 \\u0022", "n_\\u0022: 2.0"]
    chosen = draw(st.lists(st.sampled_from(keys), unique=True, max_size=6))
    members = [f'"{key}": {draw(numerals(key))}' for key in chosen]
    if draw(st.booleans()):
        members.append(f'"i list": [{", ".join(draw(st.lists(st.sampled_from(NUMERALS), max_size=3)))}]')
    if draw(st.booleans()):
        members.append(f'"more": {draw(documents()) if draw(st.booleans()) else "{}"}')
    return "{" + ", ".join(draw(st.permutations(members))) + "}"


def judged(value: Any, key: str = "n") -> Any:
    """Return a value of `json.loads(..., parse_float=str)` with its numerals read by their key."""
    if isinstance(value, dict):
        return {name: judged(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [judged(one, key) for one in value]
    if isinstance(value, str):
        return (int if key.startswith("i") else float)(Fraction(value)) + 0
    return value


@given(documents())
def test_integers_are_told_by_their_place(text: str) -> None:
    data = text.encode()
    assert takes(ANY, data), text
    found, wanted = ANY.value(data), judged(json.loads(text, parse_float=str))
    assert repr(found).replace("-0.0", "0.0") == repr(wanted).replace("-0.0", "0.0")


def test_integers_far_beyond_floats_are_exact_and_endless_ones_stay_floats() -> None:
    grammar = compiled({"type": "integer"}, numbers="any")
    assert grammar.value(b"1e400") == 10**400
    assert grammar.value(b"12345678901234567890123.0") == 12345678901234567890123
    assert grammar.value(b"1e99999") == float("inf")
    assert grammar.value(b"1e99999999999999999999999999") == float("inf")


def test_texts_of_other_grammars_are_their_own_values() -> None:
    assert sg.compile(sg.regex("[0-9.e-]+"), byte_tokenizer(), store=False).value(b"-0.0") == "-0.0"
