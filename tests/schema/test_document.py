"""Schemas of every draft are read into one shape, references resolved, and what is no schema is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_documents import judged

from structgen.base.json_text.exact_json import exact_copy, read_exact
from structgen.errors import SchemaError, UnsupportedError
from structgen.schema.reading import dialects
from structgen.schema.reading.document import Document
from structgen.schema.reading.model import Schema
from structgen.schema.reading.policies import Policies

URIS = {
    "3": "http://json-schema.org/draft-03/schema#",
    "4": "http://json-schema.org/draft-04/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "7": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
    "v1": "https://json-schema.org/v1",
}


def document(schema: object, draft: str | None = None, **options: Any) -> Document:
    return Document(exact_copy(schema), draft=draft, **options)


def root(schema: object, draft: str | None = None) -> Schema:
    return document(schema, draft).root


# --- Drafts -------------------------------------------------------------------------------------------------


@for_each("draft", dialects.DRAFTS)
@for_each("change", [str, lambda uri: uri.rstrip("#"), lambda uri: uri.replace("http:", "https:")])
def test_schema_names_the_draft(draft: str, change: Any) -> None:
    assert document({"$schema": change(URIS[draft])}).draft == draft


def test_without_schema_the_draft_is_2020_12() -> None:
    assert document({}).draft == "2020-12"


def test_an_unknown_schema_uri_is_noted() -> None:
    found = document({"$schema": "https://example.com/mine"})
    assert found.draft == "2020-12"
    assert "https://example.com/mine" in found.notes[0]


@pytest.mark.parametrize(
    ("keyword", "value", "field", "since"),
    [
        ("const", 1, "enum", "6"),
        ("contains", {"type": "string"}, "contains", "6"),
        ("propertyNames", {"maxLength": 1}, "property_names", "6"),
        ("dependentRequired", {"a": ["b"]}, "dependent_required", "2019-09"),
        ("dependentSchemas", {"a": {"maxLength": 1}}, "dependent_schemas", "2019-09"),
        ("prefixItems", [{"maxLength": 1}], "prefix", "2020-12"),
    ],
)
def test_a_keyword_counts_from_its_draft_on(keyword: str, value: object, field: str, since: str) -> None:
    for draft in dialects.DRAFTS:
        known = dialects.DRAFTS.index(draft) >= dialects.DRAFTS.index(since)
        assert bool(getattr(root({keyword: value}, draft), field)) is known, draft


@pytest.mark.parametrize("draft", dialects.DRAFTS)
def test_a_list_of_items_is_a_prefix_up_to_2019_09(draft: str) -> None:
    schema = {"items": [{"type": "string"}], "additionalItems": {"type": "null"}}
    if draft in ("2020-12", "v1"):
        with pytest.raises(SchemaError, match="prefixItems"):
            document(schema, draft)
    else:
        found = root(schema, draft)
        assert [one.types for one in found.prefix] == [{"string"}]
        assert found.items is not None
        assert found.items.types == {"null"}


def test_dependencies_beside_their_successors_add_up() -> None:
    found = root(
        {
            "dependencies": {"a": ["b"], "s": {"required": ["x"]}},
            "dependentRequired": {"a": ["c"]},
            "dependentSchemas": {"s": {"required": ["y"]}},
        }
    )
    assert found.dependent_required == {"a": ("b", "c")}
    assert [one.required for one in found.dependent_schemas["s"].all_of] == [("x",), ("y",)]


@for_each("draft", dialects.DRAFTS)
@for_each("name", ["date-time", "uri-template", "iri", "uuid"])
def test_a_format_is_asserted_in_every_draft(name: str, draft: str) -> None:
    assert root({"format": name}, draft).format == name


def test_formats_may_be_annotations() -> None:
    assert document({"format": "date"}, policies=Policies(formats="annotate")).root.format is None


# --- One shape ----------------------------------------------------------------------------------------------


def test_const_beside_enum_must_hold_as_well() -> None:
    found = root({"enum": [1, 2], "const": 2, "allOf": [{"type": "number"}]})
    assert found.enum == (1, 2)
    assert [one.enum for one in found.all_of] == [(2,), None]


@pytest.mark.parametrize("schema", [True, {}, {"title": "any", "$comment": "thing", "x-mine": 1}])
def test_a_schema_that_says_nothing_is_true(schema: object) -> None:
    assert root(schema).verdict is True


def test_required_names_each_key_once() -> None:
    assert root({"required": ["b", "a", "b"]}).required == ("b", "a")


@pytest.mark.parametrize("value", [3, 3.0, Decimal("3e0")])
def test_a_count_may_be_written_with_a_fraction(value: object) -> None:
    assert root({"minLength": value}).min_length == 3


def test_an_enormous_count_is_no_enormous_integer() -> None:
    found = Document(read_exact('{"maxItems": 1e999999999, "minimum": 1e400}')).root
    assert found.max_items == 10**18
    assert found.minimum == Decimal("1e400")


def test_ids_are_dense_and_derived_schemas_follow() -> None:
    found = document({"properties": {"a": {}, "b": {"items": {"type": "null"}}}})
    derived = found.derive_schema("#/allOf", types=frozenset({"null"}), minimum=Decimal(1))
    assert [one.id for one in found.schemas] == list(range(5))
    assert (derived.id, derived.pointer, derived.minimum, derived.maximum) == (4, "#/allOf", Decimal(1), None)


def test_a_pointer_is_escaped() -> None:
    found = root({"properties": {"a/b~c": {"items": True}}})
    assert found.properties["a/b~c"].pointer == "#/properties/a~1b~0c"


# --- References ---------------------------------------------------------------------------------------------


@for_each(
    ("reference", "target"),
    [
        ("#/$defs/a", "#/$defs/a"),
        ("#/$defs/x~1y~0", "#/$defs/x~1y~0"),
        ("#/$defs/p%25q%20r", "#/$defs/p%q r"),
        ("#/allOf/1", "#/allOf/1"),
        ("#there", "#/$defs/anchored"),
        ("#/x-unknown/deep", "#/x-unknown/deep"),
        ("https://example.com/root.json#/$defs/a", "#/$defs/a"),
        ("root.json#there", "#/$defs/anchored"),
        ("other/inner.json", "#/$defs/inner"),
        ("other/inner.json#/$defs/a", "#/$defs/inner/$defs/a"),
        ("other/inner.json#inside", "#/$defs/inner/$defs/a"),
        ("urn:example:thing", "#/$defs/urn"),
    ],
)
def test_a_reference_finds_its_place(reference: str, target: str) -> None:
    schema = {
        "$id": "https://example.com/root.json",
        "allOf": [{"$ref": reference}, {"minLength": 1}],
        "x-unknown": {"deep": {"minLength": 2}},
        "$defs": {
            "a": {"minLength": 3},
            "x/y~": {"minLength": 4},
            "p%q r": {"minLength": 5},
            "anchored": {"$anchor": "there", "minLength": 6},
            "inner": {"$id": "other/inner.json", "$defs": {"a": {"$anchor": "inside", "minLength": 7}}},
            "urn": {"$id": "urn:example:thing", "minLength": 8},
        },
    }
    found = root(schema).all_of[0].ref
    assert found is not None
    assert found.pointer == target


def test_an_identifier_inside_enum_names_nothing() -> None:
    schema = {
        "enum": [{"$id": "https://example.com/a", "type": "null"}],
        "$defs": {"real": {"$id": "https://example.com/a", "type": "string"}},
        "$ref": "https://example.com/a",
    }
    found = root(schema).ref
    assert found is not None
    assert found.types == {"string"}


def test_a_place_is_one_object_also_through_references() -> None:
    found = root({"properties": {"a": {"minLength": 1}, "b": {"$ref": "#/properties/a"}, "c": {"$ref": "#"}}})
    assert found.properties["b"].ref is found.properties["a"]
    assert found.properties["c"].ref is found


def test_equal_places_are_two_objects_even_when_python_shares_them() -> None:
    shared = {"minLength": 1}
    found = root({"properties": {"a": shared, "b": shared}})
    assert found.properties["a"] is not found.properties["b"]


def test_an_embedded_resource_follows_its_own_draft() -> None:
    schema = {
        "$schema": URIS["7"],
        "definitions": {
            "new": {"$id": "new.json", "$schema": URIS["2020-12"], "prefixItems": [{"type": "null"}]}
        },
        "allOf": [{"$ref": "new.json"}, {"$ref": "#/definitions/new"}],
    }
    one, other = root(schema).all_of
    assert one.ref is other.ref
    assert one.ref is not None
    assert len(one.ref.prefix) == 1


@pytest.mark.parametrize(
    "reference",
    ["#/$defs/no", "#/$defs/a/minLength/x", "#/allOf/01", "#/allOf/7", "#nowhere", "#/allOf/-", "#/title"],
)
def test_a_reference_to_nowhere_names_its_own_place(reference: str) -> None:
    schema = {"allOf": [{"$ref": reference}], "$defs": {"a": {"minLength": 1}}, "title": "x"}
    with pytest.raises(SchemaError) as caught:
        document(schema)
    assert caught.value.where == "#/allOf/0/$ref"


@pytest.mark.parametrize(
    "reference", ["https://example.com/other.json", "other.json#/$defs/a", "urn:example:none"]
)
def test_a_reference_out_of_the_document_is_refused_by_name(reference: str) -> None:
    found = document({"properties": {"a": {"$ref": reference}}})
    with pytest.raises(UnsupportedError) as caught:
        found.require_handled()
    assert caught.value.keyword == "$ref"
    assert caught.value.where == "#/properties/a/$ref"


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"anyOf": [{"type": "null"}, {"allOf": [{"$ref": "#"}]}]},
        {"not": {"$ref": "#"}},
        {"if": {"$ref": "#"}, "then": {"type": "null"}},
        {"dependentSchemas": {"a": {"$ref": "#"}}},
    ],
)
def test_references_that_make_no_progress_are_no_schema(schema: object) -> None:
    with pytest.raises(SchemaError, match="refers to itself"):
        document(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$ref": "#/$defs/a",
            "$defs": {"a": {"minLength": 1, "allOf": [{"$ref": "#/$defs/a"}, {"maxLength": 2}]}},
        },
        {"minLength": 1, "allOf": [{"$ref": "#"}, {"maxLength": 2}]},
        {"$ref": "#/$defs/a", "minLength": 1, "$defs": {"a": {"maxLength": 2, "allOf": [{"$ref": "#"}]}}},
        {
            "$ref": "#/$defs/a",
            "$defs": {
                "a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/c"}]},
                "b": {"allOf": [{"$ref": "#/$defs/a"}, {"minLength": 1}]},
                "c": {"anyOf": [{"$ref": "#/$defs/d"}]},
                "d": {"maxLength": 2},
            },
        },
    ],
)
def test_a_loop_of_conjunctions_means_what_else_is_said_on_it(schema: object) -> None:
    judge, texts = jsonschema_rs.validator_for(schema), ("", "a", "aa", "aaa")
    assert judged(schema, texts) == [judge.is_valid(text) for text in texts] == [False, True, True, False]
    assert "refers to itself" in document(schema).notes[0]


def test_every_schema_of_a_loop_of_conjunctions_means_the_same() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/b"}},
        "$defs": {
            "a": {"$ref": "#/$defs/b", "minLength": 1},
            "b": {"$ref": "#/$defs/a", "maxLength": 2, "properties": {"c": {"$ref": "#/$defs/b"}}},
        },
    }
    for key in "ab":
        values = ({key: text} for text in ("", "a", "aaa", {"c": {"c": "aaa"}}))
        assert judged(schema, values) == [False, True, False, False]


@pytest.mark.parametrize("keyword", ["properties", "patternProperties"])
def test_references_that_go_down_into_a_value_are_fine(keyword: str) -> None:
    schema = {keyword: {"a": {"$ref": "#"}}, "items": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}
    assert judged(schema, [[None, {"a": {}}]]) == [True]


# --- What is no schema, and what is not handled -------------------------------------------------------------


@for_each(
    ("schema", "where"),
    [
        ([], "#"),
        (None, "#"),
        ({"properties": {"a/b": {"minimum": "3"}}}, "#/properties/a~1b/minimum"),
        ({"properties": {"a": {"required": True}}}, "#/properties/a/required"),
        ({"oneOf": [{}, 3]}, "#/oneOf/1"),
        ({"$id": 1}, "#/$id"),
        ({"$schema": 1}, "#/$schema"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_by_its_place(schema: object, where: str) -> None:
    with pytest.raises(SchemaError) as caught:
        document(schema)
    assert caught.value.where == where


def test_draft_4_has_no_boolean_schemas() -> None:
    with pytest.raises(SchemaError, match="draft 4"):
        document({"properties": {"a": True}}, "4")
    assert root({"additionalProperties": False}, "4").additional is not None


def test_the_meta_schema_names_the_other_faults() -> None:
    with pytest.raises(SchemaError, match="#/properties/a/maximum"):
        document({"type": 5, "properties": {"a": {"maximum": "3"}}})


@pytest.mark.parametrize("fault", [{"type": 5}, {"$ref": "#/none"}, {"$dynamicRef": "#none"}])
def test_what_nothing_refers_to_is_not_looked_at(fault: object) -> None:
    found = document({"$defs": {"a": fault}, "x-unknown": fault})
    found.require_handled()
    assert len(found.schemas) == 1


def test_a_keyword_that_is_not_handled_is_refused_by_name_and_place(unhandled: str) -> None:
    found = document({"properties": {"a": {unhandled: False}}})
    with pytest.raises(UnsupportedError) as caught:
        found.require_handled()
    assert (caught.value.keyword, caught.value.where) == (unhandled, f"#/properties/a/{unhandled}")


@pytest.mark.parametrize(
    "schema",
    [
        {"uniqueItems": False},
        {"if": {"type": "null"}},
        {"then": False, "else": False},
        {"minContains": 3, "maxContains": 0},
    ],
)
def test_a_keyword_without_effect_is_harmless(schema: object) -> None:
    found = document(schema)
    assert found.refusals == []
    assert found.root.verdict is True


KEYWORDS = sorted(
    {keyword for draft in dialects.DRAFTS for keyword in dialects.dialect_of(draft).keywords}
    | {"$id", "id", "x"}
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["#", "#/a", "#b", "a", "string", 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("draft", dialects.DRAFTS)
@settings(max_examples=2 * settings().max_examples)
@given(schema=st.dictionaries(st.sampled_from(KEYWORDS), ANYTHING, max_size=5))
def test_any_json_is_a_document_or_a_named_error(draft: str, schema: object) -> None:
    try:
        found = document(schema, draft)
    except SchemaError as error:
        assert error.where.startswith("#")
        assert error.cure
    else:
        assert [one.id for one in found.schemas] == list(range(len(found.schemas)))
        assert all(one.pointer.startswith(("#", "http")) for one in found.schemas)


# --- Size ---------------------------------------------------------------------------------------------------


def test_a_deep_schema_is_indexed_for_anchors() -> None:
    depth = 20_000
    text = '{"$ref":"#deep","items":' + '{"items":' * depth + '{"$anchor":"deep"}' + "}" * (depth + 1)
    found = Document(read_exact(text)).root.ref
    assert found is not None
    assert found.pointer == "#" + "/items" * (depth + 1)


@for_each(
    ("schema", "where", "cure"),
    [
        ({"type": "strng"}, "#/type", 'Did you mean "string"'),
        ({"type": ["int", "null"]}, "#/type", 'Did you mean "integer"?'),
        ({"type": "float"}, "#/type", 'Did you mean "number"'),
        ({"type": "dict"}, "#/type", 'Did you mean "object"'),
        ({"type": "list"}, "#/type", 'Did you mean "array"'),
        ({"type": None}, "#/type", 'Write "null", in quotes.'),
        ({"type": "function", "function": {}}, "#/type", 'tool["function"]["parameters"]'),
        ({"properties": {"a": "string"}}, "#/properties/a", 'Write {"type": "string"}.'),
        ({"additionalProperties": "false"}, "#/additionalProperties", "Write false, without quotes."),
        ({"minLength": "3"}, "#/minLength", "Write 3, without quotes."),
        ({"minimum": "-1.5"}, "#/minimum", "Write -1.5, without quotes."),
        ({"$ref": "#/definitions/A", "$defs": {"A": {}}}, "#/$ref", 'Write "#/$defs/A".'),
        ({"$ref": "#/$defs/Persn", "$defs": {"Person": {}}}, "#/$ref", 'Write "#/$defs/Person".'),
        ({"$ref": "#/$defs/A"}, "#/$ref", "define its target under $defs"),
        ({"properties": {"required": ["a"]}}, "#/properties/required", "Move required out of properties"),
        ({"items": {"properties": {"enum": [1]}}}, "#/items/properties/enum", "Move enum out of properties"),
        ({"properties": {"minProperties": 1}}, "#/properties/minProperties", "out of properties"),
    ],
)
def test_a_common_slip_is_named_with_its_place_and_cure(schema: Any, where: str, cure: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Document(exact_copy(schema))
    assert caught.value.where == where
    assert cure in caught.value.cure


# --- What draft 3 alone has ---------------------------------------------------------------------------------


def test_what_a_property_requires_is_said_of_the_object() -> None:
    found = root(
        {"properties": {"b": {"required": True}, "a": {"type": "null"}, "c": {"required": False}}}, "3"
    )
    assert found.required == ("b",)
    assert found.properties["b"].verdict is True


@pytest.mark.parametrize("keyword", ["allOf", "not", "multipleOf", "minProperties", "const", "$id"])
def test_later_keywords_say_nothing(keyword: str) -> None:
    assert root({keyword: {"type": "null"}}, "3").verdict is True


def test_an_unknown_type_takes_any_value() -> None:
    assert root({"type": "date-like"}, "3").verdict is True
    assert root({"type": ["null", "date-like"]}, "3").verdict is True


def test_a_schema_inside_a_type_may_be_referred_to() -> None:
    schema = {"type": ["null", {"id": "#there", "type": "array", "items": {"$ref": "#there"}}]}
    assert judged(schema, [[[], [[]]], [[None]]], draft="3") == [True, False]


@pytest.mark.parametrize(
    ("name", "read_as"), [("ip-address", "ipv4"), ("host-name", "hostname"), ("ipv6", "ipv6")]
)
def test_formats_go_by_the_names_of_the_draft(name: str, read_as: str) -> None:
    assert root({"format": name}, "3").format == read_as
    assert Document({"format": name}, draft="4").root.format == (name if name == read_as else None)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "color",
            ["fuchsia", "#C89", "#CC8899", "rgb(1, 2,3)", "rgb(1%,2%,3%)"],
            ["puce", "#0033252", "#12345g"],
        ),
        ("time", ["08:30:06", "23:59:59"], ["8:30:06", "24:00:00", "08:30:06Z", "08:60:00"]),
    ],
)
def test_formats_that_later_drafts_lack(name: str, good: list[str], bad: list[str]) -> None:
    values = [*good, 3, *bad]
    assert judged({"format": name}, values, draft="3") == [value not in bad for value in values]
