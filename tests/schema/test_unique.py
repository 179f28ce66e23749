"""Arrays whose items must differ (`uniqueItems`), and arrays of which two items must be equal."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from network_walker import Walker, network_of
from schema_strategies import unique_schema

import structgen as sg
from structgen.errors import LimitError, UnsatisfiableSchema
from structgen.limits import Limits
from structgen.schema.recogniser.distinct_values import Distinct

AB = {"enum": ["a", "bb"]}


@pytest.mark.parametrize(
    ("schema", "shortest"),
    [
        ({"uniqueItems": True, "minItems": 3, "items": {"type": "integer"}}, b"[0,1,2]"),
        ({"uniqueItems": True, "minItems": 3, "items": {"type": "string"}}, b'[""," ","!"]'),
        ({"uniqueItems": True, "minItems": 2, "items": {"type": "object"}}, b'[{},{"":0}]'),
        ({"uniqueItems": True, "minItems": 2, "prefixItems": [AB, {"const": "a"}]}, b'["bb","a"]'),
        ({"not": {"uniqueItems": True}, "items": {"type": "string"}}, b'["",""]'),
        ({"not": {"uniqueItems": True}, "prefixItems": [AB], "items": {"enum": ["bb", "c"]}}, b'["bb","bb"]'),
    ],
)
def test_the_shortest_rest_holds_different_items_or_equal_ones(schema: Any, shortest: bytes) -> None:
    network = network_of({"type": "array", **schema})
    assert network.finish_place(network.root)[0] == shortest


@pytest.mark.parametrize(
    "schema",
    [
        {"minItems": 3, "items": {"enum": [1, 1.0, "1", 1]}},
        {"minItems": 3, "items": {"type": "boolean"}},
        {"minItems": 5, "items": {"type": ["null", "boolean"], "enum": [None, True, False, 7]}},
        {"minItems": 2, "prefixItems": [{"const": {"a": 1, "b": 2}}, {"const": {"b": 2.0, "a": 1}}]},
        {"minItems": 2, "items": {"type": "object", "maxProperties": 0}},
        {"minItems": 3, "items": {"type": "array", "maxItems": 1, "items": {"const": 0}}},
        {"contains": {"const": 5}, "minContains": 2},
        {"minItems": 12, "items": {"type": "integer", "minimum": 0, "maximum": 10}},
        {"not": {"uniqueItems": True}},
        {"prefixItems": [{"enum": [1, 2]}] * 3, "minItems": 3},
    ],
)
def test_where_items_cannot_differ_there_is_no_document(schema: Any) -> None:
    with pytest.raises(UnsatisfiableSchema):
        network_of({"type": "array", "uniqueItems": True, **schema})


def test_what_is_remembered_of_items_is_bounded_by_a_named_limit() -> None:
    network = network_of({"type": "array", "uniqueItems": True}, limits=Limits(parser_states=40))
    with pytest.raises(LimitError) as caught:
        Walker(network).accepts(list(range(20)))
    assert caught.value.limit == "parser_states"


PIECES = (
    '","',
    '"]',
    "1,",
    ",1",
    "0,1]",
    "},{",
    '},{"',
    '"a":1',
    "true,",
    "],[",
    "[0],",
    "[[",
    "null",
    'x","',
)


@pytest.mark.parametrize("seed", range(10))
def test_a_token_is_allowed_where_its_bytes_are(seed: int) -> None:
    """Of random schemas, under policies of all kinds; and what a mask asked does not get in the way."""
    chance = random.Random(seed)
    tokens = sg.Tokenizer.from_bytes(
        [bytes((byte,)) for byte in range(256)] + [piece.encode() for piece in PIECES] + [None],
        eos_token_id=256 + len(PIECES),
    )
    mask = sg.allocate_mask(1, 257 + len(PIECES))
    schema = unique_schema(chance)
    options: list[Any] = [sg.WIDEST, {}, {"whitespace": "compact", "property_order": "any"}]
    try:
        compiled = sg.compile(sg.json_schema(schema, **chance.choice(options)), tokens, store=False)
    except sg.errors.UnsatisfiableSchema:
        return
    state: sg.core.State | None = compiled.start
    for _ in range(8):
        assert state is not None
        compiled.fill(state, mask)
        allowed = set(mask.allowed(0).tolist()) - {256 + len(PIECES)}
        after = {}
        for token, text in enumerate(tokens.token_bytes):
            if text is not None and token < 256 + len(PIECES):
                then = compiled.step_bytes(state, text)
                if then is not None:
                    after[token] = then
        assert allowed == set(after), (schema, state)
        if not after:
            return
        state = after[chance.choice(sorted(after))]


def test_a_number_that_no_decimal_holds_is_past_a_limit() -> None:
    tokens = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    compiled = sg.compile(sg.json_schema({"type": "array", "uniqueItems": True}, numbers="any"), tokens)
    assert compiled.step_bytes(compiled.start, b"[0e9999999999999999999,1") is not None
    assert compiled.step_bytes(compiled.start, b"[0e9999999999999999999,0.0]") is None
    far = compiled.step_bytes(compiled.start, b"[1e999999999999999999")
    assert far is not None
    with pytest.raises(LimitError) as caught:
        compiled.step_bytes(far, b"9,")
    assert caught.value.limit == "number_chars"
    assert "bounded" in caught.value.cure


def listings(document: Any, monkeypatch: pytest.MonkeyPatch, **item: Any) -> int:
    """Return how often values had to be listed to see that there are enough of them, along a document."""
    counted: list[bool] = []
    exactly = Distinct._exactly

    def listed(self: Distinct, demand: int, need: int) -> bool:
        found = exactly(self, demand, need)
        counted.append(found)
        return found

    monkeypatch.setattr(Distinct, "_exactly", listed)
    tokens = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    schema = {"type": "array", "uniqueItems": True, "minItems": len(document), "items": item}
    matcher = sg.Matcher(sg.compile(sg.json_schema(schema, **sg.WIDEST), tokens, store=False))
    mask = sg.allocate_mask(1, 257)
    for byte in json.dumps(document).encode():
        matcher.fill_mask(mask)
        matcher.advance(byte)
    assert matcher.is_complete
    monkeypatch.undo()
    return sum(counted)


def test_objects_that_differ_in_a_free_member_are_enough_without_listing_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "kind": {"enum": ["a", "b"]}},
        "required": ["name"],
        "additionalProperties": False,
    }
    lists = {"type": "array", "uniqueItems": True, "minItems": 1, "items": item}
    holder = {"type": "object", "properties": {"args": lists}, "required": ["args"]}
    document = [{"args": [{"name": "x"}]}, {"args": [{"name": "y"}]}, {"args": [{"name": "x"}, {"name": ""}]}]
    assert listings(document, monkeypatch, **holder) == 0
