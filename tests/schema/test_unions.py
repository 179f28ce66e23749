"""Unions whose branches keys decide: exact in small worlds, and no dearer than their size."""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema_rs
from compiled_texts import takes
from for_each import for_each
from schema_documents import compiled
from union_families import FAMILIES, HARDER, Family

import structgen as sg
from structgen.schema.recogniser.schema_network import SchemaNetwork

ANY_ORDER: dict[str, Any] = {**sg.WIDEST, "property_order": "any"}
DECLARED: dict[str, Any] = {**sg.WIDEST, "property_order": "declared"}


@for_each("family", [*FAMILIES, *HARDER])
@for_each("size", [2, 3])
def test_a_union_takes_what_a_validator_takes(family: Family, size: int) -> None:
    schema = family.make(size)
    judge = jsonschema_rs.validator_for(schema)
    declared, free = compiled(schema, **DECLARED), compiled(schema, **ANY_ORDER)
    for document in family.documents(size):
        valid = judge.is_valid(document)
        text = json.dumps(document).encode()
        assert takes(declared, text) is valid, text
        for order in itertools.islice(itertools.permutations(document.items()), 6):
            text = json.dumps(dict(order)).encode()
            assert takes(free, text) is valid, text


def size_of(network: SchemaNetwork) -> int:
    """Return how much of a network was made: conjunctions, places, states of objects and demands."""
    return (
        len(network.tables.places)
        + len(network._residues)
        + sum(map(len, (*network.shapes._objects.values(), *network.shapes._arrays.values())))
        + len(network.tables.demands)
    )


@for_each("family", FAMILIES)
def test_what_keys_decide_costs_no_more_than_its_size(family: Family) -> None:
    made = []
    for size in (8, 32):
        grammar = compiled(family.make(size), **DECLARED)
        text = json.dumps(family.document(size)).encode()
        assert takes(grammar, text)
        matcher = sg.Matcher(grammar)
        matcher.tokens_to_finish()
        made.append(size_of(grammar.network))
    assert made[1] <= 6 * made[0], "four times the branches"


def test_a_thousand_branches_with_an_optional_tag_are_a_thousand_conjunctions() -> None:
    grammar = compiled(FAMILIES[0].make(1000), **DECLARED)
    assert takes(grammar, b'{"type": "t999", "column": 3}')
    assert not takes(grammar, b'{"column": 3}')
    assert size_of(grammar.network) < 10 * 1000


def test_an_obligation_with_two_ways_at_one_key_needs_one_of_them() -> None:
    def asks(key: str, *types: str) -> dict[str, Any]:
        return {"anyOf": [{"required": [key], "properties": {key: {"type": one}}} for one in types]}

    schema = {"type": "object", "allOf": [asks(f"k{at}", "integer", "string") for at in range(5)]}
    judge, grammar = jsonschema_rs.validator_for(schema), compiled(schema, **DECLARED)
    for values in itertools.product([1, "a", None], repeat=5):
        document = {f"k{at}": value for at, value in enumerate(values)}
        assert takes(grammar, json.dumps(document).encode()) is judge.is_valid(document), document


def test_branches_that_share_many_words_are_one_pair() -> None:
    shared = [f"w{at}" for at in range(60)]
    schema = {"oneOf": [{"enum": [*shared, "a"]}, {"enum": [*shared, "b"]}]}
    judge, grammar = jsonschema_rs.validator_for(schema), compiled(schema, limits=sg.Limits(alternatives=1))
    for word in (*shared, "a", "b", "c"):
        assert takes(grammar, json.dumps(word).encode()) is judge.is_valid(word), word


def test_a_branch_whose_constant_has_another_type_never_holds() -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "anyOf": [
            {"properties": {"a": {"type": "string", "enum": [1]}}},
            {"properties": {"a": {"const": 2}}},
        ],
    }
    grammar = compiled(schema, **DECLARED)
    assert takes(grammar, b'{"a": 2}') and not takes(grammar, b'{"a": 1}')
