"""`$dynamicRef` and `$recursiveRef` lead where the way to them says: a schema has a place for each way."""

from __future__ import annotations

from typing import Any

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_documents import judged

from structgen.base.json_text.exact_json import exact_copy
from structgen.base.limits import Limits
from structgen.errors import LimitError, SchemaError
from structgen.schema.reading.document import Document

NEW, OLD = "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2019-09/schema"


def read(schema: object) -> Document:
    return Document(exact_copy(schema))


def test_a_schema_without_dynamic_references_has_one_place_whatever_its_anchors() -> None:
    schema = {
        "properties": {
            name: {"$id": f"https://example.com/{name}", "$dynamicAnchor": "a", "$ref": "b"} for name in "cd"
        },
        "$defs": {"b": {"$id": "https://example.com/b", "$dynamicAnchor": "a", "items": {"minLength": 1}}},
    }
    found = read(schema)
    assert len([one for one in found.schemas if one.pointer == "#/$defs/b"]) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_dynamic_reference_beside_a_reference_must_hold_as_well(order: int) -> None:
    schema = {
        **dict([("$ref", "#/$defs/a"), ("$dynamicRef", "#b")][::order]),
        "$defs": {"a": {"minLength": 1}, "b": {"$dynamicAnchor": "b", "maxLength": 2}},
    }
    assert judged(schema, ("", "a", "aaa")) == [False, True, False]


def test_a_dynamic_reference_in_a_loop_without_progress_is_no_schema() -> None:
    with pytest.raises(SchemaError, match="refers to itself"):
        read({"$dynamicAnchor": "a", "$dynamicRef": "#a"})


def test_a_dynamic_reference_to_nowhere_names_its_own_place() -> None:
    with pytest.raises(SchemaError) as caught:
        read({"items": {"$dynamicRef": "#none"}})
    assert caught.value.where == "#/items/$dynamicRef"


def test_meanings_are_counted_as_places() -> None:
    """Each of n resources may or may not be on the way: what multiplies is bounded by a named limit."""
    names = [f"r{index}" for index in range(14)]
    defs: dict[str, Any] = {}
    for name, following in zip(names, [*names[1:], "end"], strict=True):
        defs[name] = {
            "$id": name,
            "$defs": {"a": {"$dynamicAnchor": name, "minLength": 1}},
            "anyOf": [{"items": {"$ref": following}}, {"items": {"$ref": f"skip-{name}"}}],
        }
        defs[f"skip-{name}"] = {"$id": f"skip-{name}", "items": {"$ref": following}}
        if following != "end":
            defs[f"skip-{name}"]["anyOf"] = [{"items": {"$ref": f"skip-{following}"}}]
    defs["end"] = {
        "$id": "end",
        "allOf": [{"items": {"$dynamicRef": f"#{name}"}} for name in names],
        "$defs": {name: {"$dynamicAnchor": name} for name in names},
    }
    schema = {
        "$id": "https://example.com/root",
        "anyOf": [{"$ref": "r0"}, {"$ref": "skip-r0"}],
        "$defs": defs,
    }
    with pytest.raises(LimitError) as caught:
        Document(exact_copy(schema), limits=Limits(schema_places=5_000))
    assert caught.value.limit == "schema_places"


# --- Against an independent validator -----------------------------------------------------------------------

RESOURCES = ("p", "q", "r")
LEAVES = st.sampled_from(["string", "number", "null", "array"])
INSTANCES: list[Any] = [
    nested for leaf in (None, 1, "a", []) for nested in ([leaf], [[leaf]], [[[leaf]]], [[[[leaf]]]])
]


@st.composite
def webs(draw: st.DrawFn, dynamic: bool) -> dict[str, Any]:
    """A root and three embedded resources that refer to each other, some dynamically, only into items."""

    def reference() -> dict[str, Any]:
        plain = st.sampled_from([{"$ref": name} for name in RESOURCES])
        other = {"$dynamicRef": "#x"} if dynamic else {"$recursiveRef": "#"}
        return draw(plain | st.just(other))

    def resource(name: str) -> dict[str, Any]:
        found: dict[str, Any] = {"$id": name, "items": reference()}
        if draw(st.booleans()):
            found["items"] = {"anyOf": [{"type": draw(LEAVES)}, reference()]}
        if draw(st.booleans()):
            found["type"] = draw(
                st.lists(LEAVES.filter(lambda name: name != "array"), max_size=2, unique=True)
            )
            found["type"].append("array")
        if dynamic:
            anchor = "$dynamicAnchor" if draw(st.booleans()) else "$anchor"
            found["$defs"] = {"d": {anchor: "x", "type": draw(LEAVES)}}
        elif draw(st.booleans()):
            found["$recursiveAnchor"] = True
        return found

    root = resource("https://example.com/root")
    root["$schema"] = NEW if dynamic else OLD
    root.setdefault("$defs", {}).update({name: resource(name) for name in RESOURCES})
    return root


@given(schema=webs(dynamic=True))
def test_dynamic_references_lead_where_another_validator_says(schema: Any) -> None:
    judge = jsonschema_rs.validator_for(schema)
    assert judged(schema, INSTANCES) == [judge.is_valid(value) for value in INSTANCES]


@given(schema=webs(dynamic=False))
def test_recursive_references_lead_where_another_validator_says(schema: Any) -> None:
    """Not jsonschema-rs, which looks no further out than the first resource without `$recursiveAnchor`: Core
    2019-09, section 8.2.4.2, has the outermost."""
    judge = jsonschema.Draft201909Validator(schema)
    assert judged(schema, INSTANCES) == [judge.is_valid(value) for value in INSTANCES]


def test_a_long_chain_of_dynamic_references_is_read_a_few_times() -> None:
    """Every name is met in the first reading, though none is followed there yet."""
    count = 3_000
    defs = {
        str(at): {"$dynamicAnchor": f"a{at}", "items": {"$dynamicRef": f"#a{at + 1}"}} for at in range(count)
    }
    defs[str(count)] = {"$dynamicAnchor": f"a{count}", "type": "null"}
    found = read({"$dynamicRef": "#a0", "$defs": defs})
    assert len(found.schemas) == 2 * count + 2
