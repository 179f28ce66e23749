"""`unevaluatedProperties` and `unevaluatedItems`: masks against the enumeration of all documents."""

from __future__ import annotations

import itertools
from typing import Any

import bundles
import pytest
from cases import FLAT_OPTIONS, case_of
from effort import MODEST
from engine import system_of
from hypothesis import assume, given
from hypothesis import strategies as st
from language import Unclear
from strategies import Bounded

import structgen as sg

LEAVES = (0, None)
LEAF = {"enum": list(LEAVES)}
FRAME = {
    "properties": {"a": LEAF, "b": LEAF, "x": LEAF},
    "additionalProperties": False,
    "items": LEAF,
    "maxItems": 3,
    "type": ["object", "array"],
}
"""It evaluates everything, but beside the schema in question, not below it."""
UNIVERSE = (
    *(
        dict(zip(keys, chosen, strict=True))
        for size in range(4)
        for keys in itertools.combinations("abx", size)
        for chosen in itertools.product(LEAVES, repeat=size)
    ),
    *(list(items) for size in range(4) for items in itertools.product(LEAVES, repeat=size)),
)
A, B = {"properties": {"a": True}}, {"properties": {"b": True}}
A0 = {"properties": {"a": {"const": 0}}}
OBJECTS: tuple[Any, ...] = (
    A,
    B,
    A0,
    {"required": ["a"]},
    {"patternProperties": {"^[ax]": True}},
    {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {"dependentSchemas": {"a": B, "b": A0}},
    {"additionalProperties": {"type": "integer"}},
    {"properties": {"a": True}, "unevaluatedProperties": {"type": "null"}},
    {"unevaluatedProperties": {"const": 0}},
    {"not": A0},
    {"not": {"not": A}},
    {"if": A0},
    {"if": {"required": ["a"]}, "then": B, "else": A},
    {"maxProperties": 1, **B},
    False,
)
ARRAYS: tuple[Any, ...] = (
    {"prefixItems": [True]},
    {"prefixItems": [{"const": 0}]},
    {"prefixItems": [True, {"type": "null"}]},
    {"contains": {"const": 0}},
    {"contains": {"type": "null"}, "minContains": 0},
    {"contains": {"type": "integer"}, "maxContains": 1},
    {"items": {"type": "integer"}},
    {"unevaluatedItems": {"type": "null"}},
    {"maxItems": 1, "prefixItems": [True]},
    {"not": {"prefixItems": [{"const": 0}]}},
    {
        "if": {"contains": {"const": 0}},
        "then": {"prefixItems": [True, True]},
        "else": {"prefixItems": [True]},
    },
    {"if": {"contains": {"const": 0}}},
)


def parts(simple: tuple[Any, ...], keyword: str) -> st.SearchStrategy[Any]:
    """Return schemas in which branches hold or not, and what they evaluate is needed above."""
    leaf = st.sampled_from(simple)
    rest = st.sampled_from([False, False, {"type": "null"}, {"const": 0}, {"not": {"const": 0}}])

    def wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        branches = st.lists(inner, min_size=1, max_size=3)
        combined = st.tuples(st.sampled_from(["allOf", "anyOf", "oneOf"]), branches).map(lambda t: dict([t]))
        chosen = st.tuples(inner, inner, inner).map(lambda t: {"if": t[0], "then": t[1], "else": t[2]})
        either = st.one_of(combined, combined, chosen)
        below = st.tuples(either, rest).map(lambda t: {**t[0], keyword: t[1]})
        return st.one_of(either, below, inner.map(lambda s: {"not": s}))

    whole = st.recursive(leaf, wider, max_leaves=6)
    return st.one_of(
        st.tuples(whole, rest).map(lambda t: {"allOf": [t[0]], keyword: t[1]}),
        st.tuples(whole, rest).map(lambda t: {"not": {"anyOf": [t[0]], keyword: t[1]}}),
    )


@MODEST
@given(
    st.one_of(
        parts(OBJECTS, "unevaluatedProperties").map(lambda s: {"type": "object", **s}),
        parts(ARRAYS, "unevaluatedItems").map(lambda s: {"type": "array", **s}),
    ),
    st.sampled_from(FLAT_OPTIONS),
    st.integers(0, 2**32),
)
def test_masks_are_exact_where_something_is_unevaluated(schema: Any, options: Any, seed: int) -> None:
    whole = {"allOf": [schema, {"$ref": "#/$defs/frame"}], "$defs": {"frame": FRAME}}
    try:
        case = case_of(Bounded(whole, UNIVERSE, True), options, seed)
    except Unclear:
        assume(False)
    if case.automaton.empty:
        with pytest.raises(sg.errors.UnsatisfiableSchema):
            system_of(case)
        return
    system = system_of(case)
    bundles.exact(system, case)
    bundles.words(system, case)
    bundles.foreign_texts(system, case)
