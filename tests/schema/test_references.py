"""References lead where another validator says: embedded resources, relative URIs, anchors, pointers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema_documents import judged

from structgen.base.json_text.exact_json import exact_copy
from structgen.schema.reading.document import Document
from structgen.schema.reading.remotes import Remotes

URIS = {
    "4": "http://json-schema.org/draft-04/schema#",
    "6": "http://json-schema.org/draft-06/schema#",
    "7": "http://json-schema.org/draft-07/schema#",
    "2019-09": "https://json-schema.org/draft/2019-09/schema",
    "2020-12": "https://json-schema.org/draft/2020-12/schema",
}
NAMES = ("a", "b", "c")
IDS = (
    "one.json",
    "two/",
    "two/three.json",
    "../four.json",
    "/five.json",
    "https://other.example/six",
    "urn:x:seven",
)
BASE = "https://example.com/folder/root.json"


@st.composite
def documents(draw: st.DrawFn, draft: str) -> dict[str, Any]:
    """A document in which every definition has a constant of its own, by which a target can be told."""
    new = draft in ("2019-09", "2020-12")
    key, definitions = ("id" if draft == "4" else "$id"), ("$defs" if new else "definitions")
    ids = draw(st.permutations(IDS))
    spellings: list[str] = []
    """References that lead somewhere, wherever they stand."""
    homes: list[dict[str, Any]] = []

    def part(depth: int, number: int, ways: list[str], base: str) -> dict[str, Any]:
        found: dict[str, Any] = {"enum": [number]}
        if number and draw(st.integers(0, 2)):
            # Nothing is relative to a URN.
            some = [name for name in ids if depth == 0 or not name.startswith("urn:")]
            if some:
                found[key] = some[0]
                ids.remove(some[0])
                base = urljoin(base, some[0])
                ways = [*ways, f"{base}#"]
        anchored = draw(st.booleans())
        if anchored and new:
            found["$anchor"] = f"here{number}"
        elif anchored and key not in found and number:
            found[key] = f"#here{number}"
        spellings.extend(ways)
        if "$anchor" in found or found.get(key, "").startswith("#"):
            spellings.append(f"{base}#here{number}")
        homes.append(found)
        if depth:
            found[definitions] = {
                name: part(
                    depth - 1,
                    3 * number + index + 1,
                    [f"{way}/{definitions}/{name}" for way in ways],
                    base,
                )
                for index, name in enumerate(NAMES[: draw(st.integers(1, 3))])
            }
        return found

    root = part(2, 0, [f"{BASE}#"], BASE)
    root |= {key: BASE, "$schema": URIS[draft]}
    del root["enum"]
    root["properties"] = {name: {"$ref": draw(st.sampled_from(spellings[1:]))} for name in "pq"}
    # And from within a resource, with a reference that starts there; an identifier of a fragment makes none.
    home = draw(st.sampled_from(homes[1:]))
    below = draw(st.sampled_from(sorted(home.get(definitions, {"": 0}))))
    own = not home.get(key, "#").startswith("#")
    home["properties"] = {"s": {"$ref": f"#/{definitions}/{below}" if own and below else BASE + "#"}}
    home.pop("enum")
    return root


def _no_network(uri: str) -> Any:
    raise ValueError(f"{uri} is not to be fetched")


@pytest.mark.parametrize("draft", URIS)
@given(data=st.data())
def test_references_lead_where_another_validator_says(draft: str, data: st.DataObject) -> None:
    schema = data.draw(documents(draft))
    judge = jsonschema_rs.validator_for(schema, retriever=_no_network)
    for name in schema["properties"]:
        values = [{name: value} for value in range(14)] + [{name: {"s": value}} for value in range(14)]
        assert judged(schema, values) == [judge.is_valid(value) for value in values]


def test_a_resource_refers_to_another_by_its_own_uri() -> None:
    resources = {
        "https://example.com/a/x.json": {"properties": {"next": {"$ref": "y.json"}}},
        "https://example.com/a/y.json": {
            "$id": "https://example.com/b/y.json",
            "items": {"$ref": "z.json#w"},
        },
        "https://example.com/b/z.json": {"$defs": {"w": {"$anchor": "w", "type": "null"}}},
        "https://example.com/a/z.json": {"$defs": {"w": {"$anchor": "w", "type": "string"}}},
    }
    schema = {"$ref": "https://example.com/a/x.json"}
    assert judged(schema, [{"next": [None]}, {"next": ["a"]}], resources=resources) == [True, False]
    found = Document(exact_copy(schema), remotes=Remotes(resources))
    assert found.schemas[-1].pointer == "https://example.com/b/z.json#/$defs/w"


def test_two_documents_refer_to_each_other() -> None:
    resources = {"https://example.com/list": {"items": {"$ref": "root"}, "type": "array"}}
    schema = {"$id": "https://example.com/root", "anyOf": [{"type": "null"}, {"$ref": "list"}]}
    assert judged(schema, [[[None], []], [[1]]], resources=resources) == [True, False]
    found = Document(exact_copy(schema), remotes=Remotes(resources))
    root = found.root.any_of[1].ref
    assert root is not None
    assert root.items is not None
    assert root.items.ref is found.root


@pytest.mark.parametrize("draft", ["4", "7", "2019-09", "2020-12"])
def test_every_standard_meta_schema_is_there(draft: str) -> None:
    schema = {
        "properties": {
            "schema": {"$ref": URIS[draft]},
            "https": {"$ref": URIS[draft].replace("http:", "https:")},
        }
    }
    for key in schema["properties"]:
        good = {key: {"type": "object", "properties": {"a": {"maximum": 3}}}}
        bad = {key: {"properties": {"a": {"maximum": "3"}}}}
        assert judged(schema, [good, bad], formats="annotate") == [True, False]


def test_what_stands_beside_a_reference_in_another_draft_counts_there() -> None:
    seven = {"$schema": URIS["7"], "$ref": "#/definitions/a", "minLength": 2, "definitions": {"a": {}}}
    new = {"$schema": URIS["2020-12"], "$ref": "#/definitions/a", "minLength": 2, "definitions": {"a": {}}}
    resources = {"https://example.com/seven": seven, "https://example.com/new": new}
    schema = {"properties": {name: {"$ref": f"https://example.com/{name}"} for name in ("seven", "new")}}
    assert judged(schema, [{"seven": "a"}, {"new": "a"}], resources=resources) == [True, False]
