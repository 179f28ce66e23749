"""Keys of patterns that overlap in too many ways to be listed: their classes are told as texts reach them."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_documents import BYTES, compiled

import structgen as sg
from structgen.schema.recogniser import object_frames

ALPHABET = "abc"
PATTERNS = ("a", "b", "ab", "^a", "b$", "a.*b", "^.b", "cc", "^[ab]*$", "^$", "b.a", "^abc?$")
VALUES: tuple[Any, ...] = (
    True,
    False,
    {"type": "integer"},
    {"type": ["integer", "string"]},
    {"const": 1},
    {"const": "x"},
    {"minimum": 2},
    {"enum": [1, 2, "x"]},
)


@st.composite
def objects(draw: st.DrawFn) -> Any:
    """Draw an object of keys that few or many patterns speak of."""
    patterns = draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=5, unique=True))
    schema: dict[str, Any] = {
        "type": "object",
        "patternProperties": {pattern: draw(st.sampled_from(VALUES)) for pattern in patterns},
    }
    for keyword, values in (
        ("additionalProperties", st.sampled_from(VALUES)),
        ("propertyNames", st.sampled_from([{"pattern": pattern} for pattern in PATTERNS])),
        ("properties", st.just({"ab": {"type": "integer"}, "c": {}})),
        ("required", st.lists(st.sampled_from(["ab", "ca"]), unique=True)),
        ("minProperties", st.integers(1, 3)),
        ("maxProperties", st.integers(1, 3)),
        ("minLength", st.just(0)),
    ):
        if draw(st.integers(0, 2)) == 0:
            schema[keyword] = draw(values)
    return schema


def written(schema: Any, tangled: bool) -> sg.CompiledGrammar | None:
    """Return a schema with its classes of keys listed or not; None where no document satisfies it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_frames, "MOST_CLASSES", 0 if tangled else 10_000)
        try:
            return compiled(schema, **sg.WIDEST)
        except sg.errors.UnsatisfiableSchema:
            return None


@settings(max_examples=28)
@given(schema=objects(), seed=st.integers(0, 1 << 30))
def test_masks_are_those_of_listed_classes(schema: Any, seed: int) -> None:
    listed, tangled = written(schema, False), written(schema, True)
    assert (listed is None) == (tangled is None)
    if listed is None or tangled is None:
        return
    chance = random.Random(seed)
    masks = sg.allocate_mask(2, BYTES.vocab_size)
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(3):
            one, other = sg.Matcher(listed), sg.Matcher(tangled)
            for _ in range(40):
                patch.setattr(object_frames, "MOST_CLASSES", 10_000)
                one.fill_mask(masks, 0)
                patch.setattr(object_frames, "MOST_CLASSES", 0)
                other.fill_mask(masks, 1)
                assert (masks.array[0] == masks.array[1]).all()
                ends = one.is_complete
                allowed = set(masks.allowed(0).tolist())
                likely = [byte for byte in b'abc"12x{}:,' if byte in allowed]
                if not likely or (ends and chance.random() < 0.2):
                    break
                byte = chance.choice(likely)
                one.advance(byte)
                other.advance(byte)
            left = other.tokens_to_finish()
            assert left >= one.tokens_to_finish()


KEYS = ["".join(letters) for length in range(6) for letters in itertools.product(ALPHABET, repeat=length)]


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "patternProperties": {"a": {"const": 1}, "b": {"const": 2}, "cc": {"type": "integer"}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "patternProperties": {"^a": {"minimum": 5}, "b$": {"maximum": 3}, "c": {"type": "number"}},
            "additionalProperties": {"type": "string"},
        },
        {
            "type": "object",
            "patternProperties": {"^a": True, "ab": {"type": "integer"}, "ba": {"type": "string"}},
            "propertyNames": {"pattern": "^[ab]+$"},
            "additionalProperties": {"type": "null"},
        },
    ],
    ids=["constants", "bounds", "names"],
)
def test_a_key_goes_on_where_some_key_has_a_value(schema: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_frames, "MOST_CLASSES", 0)
    validator = jsonschema_rs.Draft202012Validator(schema)
    values = (1, 2, 3, 5, "x", None)
    good = {key for key in KEYS if any(validator.is_valid({key: value}) for value in values)}
    alive = {key[:end] for key in good for end in range(len(key) + 1)}
    grammar = compiled(schema, **sg.WIDEST)
    for key in KEYS:
        if len(key) > 3:
            continue
        state = grammar.step_bytes(grammar.start, b'{"' + key.encode())
        assert (state is not None) == (key in alive), key
        state = grammar.step_bytes(grammar.start, b'{"' + key.encode() + b'":')
        assert (state is not None) == (key in good), key


def test_members_that_are_owed_are_found_among_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_frames, "MOST_CLASSES", 0)
    words = [f"{a}{b}" for a in "abc" for b in "abc"]
    schema = {
        "type": "object",
        "patternProperties": {word: {"const": at} for at, word in enumerate(words)},
        "additionalProperties": False,
        "minProperties": 3,
    }
    grammar = compiled(schema, **sg.WIDEST)
    matcher = sg.Matcher(grammar)
    mask = sg.allocate_mask(1, BYTES.vocab_size)
    text = bytearray()
    while not matcher.is_complete:
        matcher.fill_mask(mask, budget=matcher.tokens_to_finish())
        byte = int(mask.allowed()[0])
        matcher.advance(byte)
        text.append(byte)
    value = json.loads(text)
    assert len(value) == 3 and jsonschema_rs.Draft202012Validator(schema).is_valid(value)
