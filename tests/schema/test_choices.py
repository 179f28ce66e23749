"""Choices about the keys of an object: which are split, and that keys come exactly where they may."""

from __future__ import annotations

import itertools
from typing import Any

import jsonschema_rs
from for_each import for_each
from schema_documents import compiled

import structgen as sg


def shapes_of_the_root(schema: Any) -> int:
    network = compiled(schema, **sg.WIDEST).network
    (demand,) = network.tables.places[network.root]
    return len(network.shapes.object_shapes(demand))


def one_of(kinds: int, makers: int) -> dict[str, Any]:
    """Return a union over "kind" whose first branch is one over "maker"; neither branch requires its key."""
    made = [
        {"properties": {"maker": {"const": at}, "with": {"properties": {f"p{at}": {"type": "string"}}}}}
        for at in range(makers)
    ]
    branches: list[Any] = [{"properties": {"kind": {"const": 0}}, "required": ["maker"], "oneOf": made}]
    branches += [
        {"properties": {"kind": {"const": at}, f"q{at}": {"type": "string"}}} for at in range(1, kinds)
    ]
    return {"type": "object", "required": ["kind"], "oneOf": branches}


def test_the_negation_of_a_union_is_not_split_where_a_constant_settles_it() -> None:
    assert shapes_of_the_root(one_of(kinds=5, makers=11)) == 11 + 4


def test_it_is_split_where_the_key_may_be_left_out() -> None:
    schema = one_of(kinds=2, makers=2)
    assert shapes_of_the_root({**schema, "required": []}) > 2 + 1


KEYS = "abcde"
DEBTS: dict[str, Any] = {
    "one of two": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "not both": {"not": {"required": ["a", "b"]}},
    "one with another": {"dependentRequired": {"a": ["b"], "b": ["c"]}, "not": {"required": ["c", "d"]}},
    "a choice of two keys": {
        "oneOf": [{"required": ["a", "b"]}, {"required": ["c"]}, {"required": ["d", "a"]}],
    },
    "counted": {"anyOf": [{"required": ["a"]}, {"minProperties": 3}], "not": {"required": ["b", "c"]}},
    "any key of a kind": {"not": {"patternProperties": {"^[ab]$": {"const": 1}}}, "maxProperties": 3},
    "unless": {"if": {"required": ["a"]}, "then": {"required": ["e"]}, "else": {"not": {"required": ["b"]}}},
}


@for_each("name", DEBTS)
@for_each("order", ["any", "declared"])
def test_a_key_may_come_where_some_valid_object_has_it(name: str, order: str) -> None:
    properties = {key: {"const": 0} for key in KEYS}
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **DEBTS[name]}
    judge = jsonschema_rs.validator_for(schema)
    valid = {
        frozenset(keys)
        for size in range(len(KEYS) + 1)
        for keys in itertools.combinations(KEYS, size)
        if judge.is_valid(dict.fromkeys(keys, 0))
    }
    grammar = compiled(schema, whitespace="compact", numbers="plain", property_order=order)
    declared = {key: at for at, key in enumerate(KEYS if order == "declared" else "")}
    stack: list[str] = [""]
    while stack:
        written = stack.pop()
        text = "{" + ",".join(f'"{key}":0' for key in written)
        closed = grammar.step_bytes(grammar.start, (text + "}").encode())
        assert (closed is not None) is (frozenset(written) in valid), text
        for key in KEYS:
            at = declared.get(key, -1)
            if key in written or any(declared.get(one, -1) > at for one in written):
                continue
            live = any(
                found.issuperset((*written, key))
                and all(declared.get(one, at) >= at for one in found.difference(written))
                for found in valid
            )
            further = text + ("," if written else "") + f'"{key}":'
            state = grammar.step_bytes(grammar.start, further.encode())
            assert (state is not None) is live, further
            if live:
                stack.append(written + key)
