"""Arrays in which items of one kind are counted: their completions are what trying all arrays gives. Arrays
whose items must differ: what is remembered of them."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import jsonschema
import pytest
from schema_documents import compiled, judged

import structgen as sg
from structgen.schema.recogniser.distinct_values import DistinctValues


def shortest(values: list[Any], least: int, most: int | None, lo: int, hi: int) -> bytes | None:
    """Return the shortest array (ties: the smaller text) with so many strings, by trying all."""
    found: list[bytes] = []
    for size in range(lo, hi + 1):
        for items in itertools.product(values, repeat=size):
            count = sum(isinstance(item, str) for item in items)
            if least <= count <= (size if most is None else most):
                found.append(json.dumps(list(items), separators=(",", ":")).encode())
    return min(found, key=lambda text: (len(text), text), default=None)


@pytest.mark.parametrize("values", [[1, "a"], [100, "ab"], [10000, "a"], ["a"], [1], [123, "a"]], ids=repr)
def test_an_array_with_counted_items_is_completed_as_shortly_as_can_be(values: list[Any]) -> None:
    for least, most, lo, hi in itertools.product((0, 1, 2), (None, 0, 1, 2), (0, 1, 3), (1, 3)):
        schema: dict[str, Any] = {
            "type": "array",
            "items": {"enum": values},
            "contains": {"type": "string"},
            "minContains": least,
            "minItems": lo,
            "maxItems": hi,
        }
        if most is not None:
            schema["maxContains"] = most
        expected = shortest(values, least, most, lo, hi)
        try:
            grammar = compiled(schema, whitespace="compact", numbers="plain")
        except sg.errors.UnsatisfiableSchema:
            assert expected is None, schema
            continue
        assert grammar.completion(grammar.start) == expected, schema


@pytest.mark.parametrize("values", [(1, "a"), (100, "ab"), (10000, "a"), (123, "a")], ids=repr)
def test_an_array_with_hundreds_of_items_is_completed_as_shortly_as_can_be(values: tuple[int, str]) -> None:
    """Many items are added at once: the shortest is the best of all numbers of either kind, in either
    order."""
    number, text = (json.dumps(value) for value in values)
    for least, most, lo in itertools.product((0, 1, 70, 300), (70, 200, None), (0, 65, 300)):
        bound = {} if most is None else {"maxContains": most}
        kind = {"contains": {"type": "string"}, "minContains": least, **bound}
        schema = {"type": "array", "items": {"enum": list(values)}, "minItems": lo, **kind}
        expected: str | None = None
        for texts in range(least, 301 if most is None else most + 1):
            groups = [[number] * max(0, lo - texts), [text] * texts]
            for order in (groups, groups[::-1]):
                whole = f"[{','.join([*order[0], *order[1]])}]"
                if expected is None or (len(whole), whole) < (len(expected), expected):
                    expected = whole
        if expected is not None:
            grammar = compiled(schema, whitespace="compact", numbers="plain")
            assert grammar.completion(grammar.start).decode() == expected, (least, most, lo)


KINDS = [[1, 2, 12], [2, 3, 12], [3, 4, 12], [1, 4], [2, 4, 34]]


@pytest.mark.parametrize("least", [0, 3])
@pytest.mark.parametrize("kinds", [4, 5])
def test_an_array_that_owes_many_kinds_of_items_is_one_when_all_are_there(kinds: int, least: int) -> None:
    """An item is counted for each kind that it is of; every text lives until then, and is completed."""
    schema = {
        "type": "array",
        "minItems": least,
        "items": {"enum": [1, 2, 3, 4, 5, 12, 34]},
        "allOf": [{"contains": {"enum": kind}} for kind in KINDS[:kinds]],
    }
    grammar = compiled(schema, whitespace="compact", numbers="plain")
    ends = 0
    for size in range(5):
        for items in itertools.product([1, 2, 3, 4, 5, 12], repeat=size):
            text = json.dumps(items, separators=(",", ":")).encode()
            state = grammar.step_bytes(grammar.start, text[:-1])
            assert state is not None, text
            valid = size >= least and all(set(kind) & set(items) for kind in KINDS[:kinds])
            assert (grammar.step_bytes(state, b"]") is not None) == valid, text
            ends += valid
            if size == 3 and items[0] == 5:
                done = json.loads(text[:-1] + grammar.completion(state))
                assert all(set(kind) & set(done) for kind in KINDS[:kinds]) and len(done) >= least
    assert ends > 50


def test_many_kinds_of_items_that_must_stand_in_few_places_are_looked_for_together() -> None:
    """With a bound one item may have to pay all; where the schema says so nothing is left to single items."""
    kinds = [{"contains": {"enum": kind}} for kind in KINDS[:4]]
    one = {"type": "array", "maxItems": 1, "items": {"enum": [1, 2, 12, 77]}, "allOf": kinds[:3]}
    grammar = compiled(one)
    assert grammar.step_bytes(grammar.start, b"[12]") is not None
    assert grammar.step_bytes(grammar.start, b"[7") is None
    with pytest.raises(sg.errors.UnsatisfiableSchema):
        compiled({**one, "allOf": kinds})
    with pytest.raises(sg.errors.UnsatisfiableSchema):
        compiled({"type": "array", "items": {"enum": [1, 2]}, "allOf": kinds})
    unique = {"type": "array", "uniqueItems": True, "items": {"enum": [2, 4, 7]}, "allOf": kinds}
    grammar = compiled(unique)
    assert grammar.step_bytes(grammar.start, b"[7,4,2]") is not None
    assert grammar.step_bytes(grammar.start, b"[7,4,7") is None


def test_twenty_overlapping_kinds_of_objects_are_no_matter() -> None:
    schema = {"type": "array", "allOf": [{"contains": {"required": [f"k{i}"]}} for i in range(20)]}
    grammar = compiled(schema)
    one = json.dumps([{f"k{i}": i for i in range(19)}], separators=(",", ":")).encode()
    state = grammar.step_bytes(grammar.start, one[:-1])
    assert state is not None and grammar.step_bytes(state, b"]") is None
    assert json.loads(one[:-1] + grammar.completion(state))[1] in ({"k19": 0}, 0, [], "")


ARRAYS = [list(items) for size in range(4) for items in itertools.product([0, 1, 2], repeat=size)]
ASKED_BESIDE: list[dict[str, Any]] = [
    {"not": {"items": {"enum": [0, 1]}}},
    {"not": {"items": {"const": 2}}},
    {"not": {"prefixItems": [{"const": 0}, {"enum": [0, 2]}]}},
    {"anyOf": [{"minItems": 3}, {"contains": {"const": 2}}]},
    {"anyOf": [{"maxItems": 2}, {"prefixItems": [{"const": 1}]}]},
    {"prefixItems": [{"enum": [1, 2]}]},
    {"unevaluatedItems": {"const": 1}},
    {"not": {"unevaluatedItems": {"const": 1}}},
    {"minItems": 2},
    {"maxItems": 3},
]


def asks_for_kinds(seed: int) -> None:
    """Hold short arrays under three to five kinds of items, and a keyword or two beside, to jsonschema."""
    chance = random.Random(f"kinds {seed}")
    kinds = [
        {"contains": {"enum": chance.sample([0, 1, 2], chance.choice([1, 1, 2]))}}
        for _ in range(chance.randint(3, 5))
    ]
    asked = chance.sample(ASKED_BESIDE, chance.randint(1, 2))
    schema: dict[str, Any] = {"type": "array", "allOf": [*kinds, *asked]}
    if chance.random() < 0.3:
        few = {"allOf": kinds[:2]}
        schema = {"not": {"if": few, "then": few, **asked[0]}}
    validator = jsonschema.Draft202012Validator(schema)
    assert judged(schema, ARRAYS) == [validator.is_valid(one) for one in ARRAYS], schema


def test_kinds_of_items_beside_other_keywords_are_counted_as_jsonschema_counts_them() -> None:
    for seed in range(15):
        asks_for_kinds(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(15, 1015, 100))
def test_kinds_of_items_beside_other_keywords_whole(first: int) -> None:
    for seed in range(first, first + 100):
        asks_for_kinds(seed)


def ends_within_its_budget(seed: int) -> None:
    """Write an array that owes up to six kinds of items, of which one item may have all, within some tokens
    more than it needs: jsonschema takes it."""
    chance = random.Random(f"owed {seed}")
    kinds = [
        chance.choice([{"multipleOf": chance.randint(2, 9)}, {"minimum": chance.randint(-20, 40)}])
        for _ in range(chance.randint(1, 6))
    ]
    schema = {"type": "array", "allOf": [{"contains": {"type": "integer", **kind}} for kind in kinds]}
    grammar = compiled(schema)
    matcher, mask = sg.Matcher(grammar), sg.allocate_mask(1, grammar.vocab_size)
    budget, text = matcher.tokens_to_finish() + chance.choice([0, 1, 5, 30]), b""
    while not matcher.is_finished:
        matcher.fill_mask(mask, budget=budget - len(text))
        token = chance.choice(mask.allowed().tolist())
        matcher.advance(token)
        text += grammar.tokenizer.token_bytes[token] or b""
    assert len(text) <= budget and jsonschema.Draft202012Validator(schema).is_valid(json.loads(text)), schema


def test_arrays_that_owe_many_kinds_of_items_end_within_their_budget() -> None:
    for seed in range(10):
        ends_within_its_budget(seed)


@pytest.mark.slow
def test_arrays_that_owe_many_kinds_of_items_end_whole() -> None:
    for seed in range(10, 1010):
        ends_within_its_budget(seed)


# Items that must differ


def test_what_is_remembered_of_items_is_bounded_by_a_named_limit() -> None:
    schema = {"type": "array", "uniqueItems": True}
    with pytest.raises(sg.errors.LimitError) as caught:
        judged(schema, [list(range(20))], limits=sg.Limits(parser_states=40))
    assert caught.value.limit == "parser_states"


def test_a_number_that_no_decimal_holds_is_past_a_limit() -> None:
    grammar = compiled({"type": "array", "uniqueItems": True}, numbers="any")
    assert grammar.step_bytes(grammar.start, b"[0e9999999999999999999,1") is not None
    assert grammar.step_bytes(grammar.start, b"[0e9999999999999999999,0.0]") is None
    far = grammar.step_bytes(grammar.start, b"[1e999999999999999999")
    assert far is not None
    with pytest.raises(sg.errors.LimitError) as caught:
        grammar.step_bytes(far, b"9,")
    assert caught.value.limit == "number_chars"
    assert "bounded" in caught.value.cure


def listings(document: Any, monkeypatch: pytest.MonkeyPatch, **item: Any) -> int:
    """Return how often values had to be listed to see that there are enough of them, along a document."""
    counted: list[bool] = []
    exactly = DistinctValues._has_exactly

    def listed(self: DistinctValues, demand: int, need: int) -> bool:
        found = exactly(self, demand, need)
        counted.append(found)
        return found

    monkeypatch.setattr(DistinctValues, "_has_exactly", listed)
    schema = {"type": "array", "uniqueItems": True, "minItems": len(document), "items": item}
    matcher = sg.Matcher(compiled(schema, **sg.WIDEST))
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
