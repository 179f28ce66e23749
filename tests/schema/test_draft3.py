"""What draft 3 alone has: laws/test_dialects.py has its other keywords, test_metaschemas.py wrong values."""

from __future__ import annotations

import pytest
from schema_documents import judged

from structgen.schema.reading.document import Document
from structgen.schema.reading.json_text import exact
from structgen.schema.reading.model import Schema


def root(schema: object) -> Schema:
    return Document(exact(schema), draft="3").root


def test_what_a_property_requires_is_said_of_the_object() -> None:
    found = root({"properties": {"b": {"required": True}, "a": {"type": "null"}, "c": {"required": False}}})
    assert found.required == ("b",)
    assert found.properties["b"].verdict is True


@pytest.mark.parametrize("keyword", ["allOf", "not", "multipleOf", "minProperties", "const", "$id"])
def test_later_keywords_say_nothing(keyword: str) -> None:
    assert root({keyword: {"type": "null"}}).verdict is True


def test_an_unknown_type_takes_any_value() -> None:
    assert root({"type": "date-like"}).verdict is True
    assert root({"type": ["null", "date-like"]}).verdict is True


def test_a_schema_inside_a_type_may_be_referred_to() -> None:
    schema = {"type": ["null", {"id": "#there", "type": "array", "items": {"$ref": "#there"}}]}
    assert judged(schema, [[[], [[]]], [[None]]], draft="3") == [True, False]


@pytest.mark.parametrize(
    ("name", "read_as"), [("ip-address", "ipv4"), ("host-name", "hostname"), ("ipv6", "ipv6")]
)
def test_formats_go_by_the_names_of_the_draft(name: str, read_as: str) -> None:
    assert root({"format": name}).format == read_as
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
