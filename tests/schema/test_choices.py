"""Branches that a required constant tells apart are not split against each other."""

from __future__ import annotations

from typing import Any

import structgen as sg


def shapes_of_the_root(schema: Any) -> int:
    tokenizer = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], 256)
    network = sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer).network
    (demand,) = network.tables.places[network.root]
    return len(network.shapes.objects(demand))


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
