"""A meta-schema's `$vocabulary` says which keywords count, in the document that names it and in no other."""

from __future__ import annotations

from typing import Any

import pytest

from structgen.base.json_text.exact_json import exact_copy
from structgen.errors import UnsupportedError
from structgen.schema.reading.document import Document
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.remotes import Remotes

META = "https://example.com/meta"
DRAFT = "https://json-schema.org/draft/2020-12"


def read(schema: object, *vocabularies: str, draft: str = "2020-12", **named: bool) -> Document:
    base = DRAFT.replace("2020-12", draft)
    meta = {
        "$schema": f"{base}/schema",
        "$vocabulary": {f"{base}/vocab/{name}": True for name in vocabularies}
        | {f"https://example.com/{name}": required for name, required in named.items()},
    }
    return Document(exact_copy(schema), remotes=Remotes({META: meta}), policies=Policies(formats="annotate"))


EVERYTHING: dict[str, Any] = {
    "$schema": META,
    "minLength": 1,
    "format": "date",
    "properties": {"a": {"$ref": "#/$defs/a"}},
    "$defs": {"a": {"type": "null", "not": {"const": None}}},
}


def test_what_no_vocabulary_has_is_no_keyword() -> None:
    found = read(EVERYTHING, "core", "applicator").root
    assert (found.min_length, found.format) == (0, None)
    target = found.properties["a"].ref
    assert target is not None
    assert target.types is None
    assert target.not_ is not None
    assert target.not_.verdict is True


def test_core_counts_also_where_it_is_not_named() -> None:
    found = read({"$schema": META, "$ref": "#/$defs/a", "$defs": {"a": {"minLength": 1}}}, "validation").root
    assert found.ref is not None
    assert found.ref.min_length == 1


def test_the_vocabulary_of_assertion_asserts_formats_whatever_the_policy() -> None:
    assert read(EVERYTHING, "format-annotation").root.format is None
    assert read(EVERYTHING, "format-assertion").root.format == "date"


def test_a_meta_schema_without_vocabularies_stands_for_its_draft() -> None:
    schema = {"$schema": META, "items": [{"type": "null"}], "definitions": {"a": {}}}
    remotes = Remotes({META: {"$schema": "http://json-schema.org/draft-07/schema#"}})
    found = Document(exact_copy(schema), remotes=remotes)
    assert found.draft == "7"
    assert len(found.root.prefix) == 1


def test_a_required_vocabulary_that_nobody_knows_is_refused_and_an_optional_one_is_not() -> None:
    schema = {"$schema": META, "minLength": 1}
    read(schema, "core", "validation", extra=False).require_handled()
    with pytest.raises(UnsupportedError, match=r"https://example\.com/extra") as caught:
        read(schema, "core", "validation", extra=True).require_handled()
    assert caught.value.where == "#/$schema"


def test_an_embedded_resource_has_its_own_vocabularies() -> None:
    schema = {
        "minLength": 1,
        "allOf": [{"$id": "https://example.com/inner", "$schema": META, "minLength": 2, "not": {}}],
    }
    found = read(schema, "core", "applicator").root
    inner = found.all_of[0]
    assert (found.min_length, inner.min_length) == (1, 0)
    assert inner.not_ is not None


def test_unevaluated_belongs_to_the_applicators_of_2019_09_and_is_apart_in_2020_12() -> None:
    schema = {"$schema": META, "unevaluatedItems": False}
    for draft, known in (("2019-09", True), ("2020-12", False)):
        keywords = read(schema, "core", "applicator", draft=draft).references.root.dialect.keywords
        assert ("unevaluatedItems" in keywords) is known


def test_a_meta_schema_that_names_itself_is_read_as_the_default_draft() -> None:
    found = Document(
        exact_copy({"$schema": META, "minLength": 1}), remotes=Remotes({META: {"$schema": META}})
    )
    assert found.draft == "2020-12"
    assert found.root.min_length == 1
