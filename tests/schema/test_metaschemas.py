"""Which values of a keyword make a schema: the official meta-schemas (package jsonschema) are the oracle."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pytest

from structgen.base.json_text.exact_json import exact_copy
from structgen.errors import RegexError, SchemaError, StructgenError
from structgen.schema.reading.dialects import dialect_of
from structgen.schema.reading.document import Document

VALIDATORS: dict[str, Any] = {
    "3": jsonschema.Draft3Validator,
    "4": jsonschema.Draft4Validator,
    "6": jsonschema.Draft6Validator,
    "7": jsonschema.Draft7Validator,
    "2019-09": jsonschema.Draft201909Validator,
    "2020-12": jsonschema.Draft202012Validator,
}
VALUES: list[Any] = [
    *([], [[]], [{}], [{}, {}], [3], ["a"], ["a", "b"], ["a", "a"], ["a", 1], ["string"], ["any"]),
    *({}, {"a": {}}, {"a": 3}, {"a": []}, {"a": ["b"]}, {"a": ["b", "b"]}, {"a": "b"}, {"a": [1]}),
    *({"a": {"type": 3}}, {"a": {"items": []}}, {"type": "string"}, {"allOf": []}, [{"anyOf": []}]),
    *("a", "string", "any", "", 0, 1, -1, 1.5, -0.5, True, False, None),
]
IDLE = frozenset(("if", "then", "else", "additionalItems", "contentEncoding", "contentMediaType"))
"""Keywords that say nothing by themselves; their values are looked at where something makes them count."""
REFERENCES = frozenset(("$ref", "$dynamicRef", "$recursiveRef", "pattern", "patternProperties", "x-grammar"))
"""Keywords whose values may be wrong for another reason: a reference to nowhere, no regular expression; one
that no meta-schema knows."""


def repeated(value: Any) -> bool:
    if isinstance(value, dict):
        return any(repeated(one) for one in value.values() if isinstance(one, list))
    return isinstance(value, list) and any(one in value[:index] for index, one in enumerate(value))


def taken(draft: str, keyword: str, value: Any) -> bool:
    """Return whether a value that the meta-schema refuses is taken all the same, as docs/json-schema.md says:
    a name given twice, a list of names or values that is empty in drafts 3 and 4, what says nothing."""
    if keyword == "divisibleBy" and value in (-1, -0.5):  # draft 3 excludes 0 alone in words
        return True
    if keyword in IDLE or (keyword.startswith("exclusive") and isinstance(value, bool)):
        return True
    if keyword in ("required", "type", "enum", "disallow", "dependentRequired", "dependencies"):
        none = value == [] or (isinstance(value, dict) and [] in value.values())
        return repeated(value) or (none and draft in ("3", "4"))
    return False


def refused(draft: str, value: Any) -> bool:
    """Return whether a value that the meta-schema takes is refused all the same: in draft 3, lists of types
    that are empty, and lengths below 0, under which nothing is valid."""
    return draft == "3" and (value == [] or value == -1)


def verdicts(draft: str, schema: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the meta-schema takes a schema, and whether we do: a refusal names a keyword of it."""
    cls = VALIDATORS[draft]
    try:
        Document(exact_copy(schema), draft=draft)
        ours = True
    except (SchemaError, RegexError) as error:
        at = tuple(f"#/{keyword}" for keyword in schema)
        assert error.where.startswith(at) or not REFERENCES.isdisjoint(schema), (schema, error.where)
        ours = False
    except StructgenError:
        ours = True
    return cls(cls.META_SCHEMA).is_valid(schema), ours


@pytest.mark.parametrize("draft", VALIDATORS)
def test_a_keyword_takes_the_values_that_its_meta_schema_takes(draft: str) -> None:
    for keyword in dialect_of(draft).keywords:
        for value in VALUES:
            meta, ours = verdicts(draft, {keyword: value})
            if meta and not ours:
                assert keyword in REFERENCES or refused(draft, value), (keyword, value)
            elif ours and not meta:
                assert taken(draft, keyword, value), (keyword, value)


@pytest.mark.parametrize("draft", VALIDATORS)
def test_schemas_of_several_keywords_are_refused_where_the_meta_schema_refuses_one(draft: str) -> None:
    draw = random.Random(7)
    keywords = sorted(set(dialect_of(draft).keywords) - IDLE - REFERENCES)
    for _ in range(150):
        inner = {one: draw.choice(VALUES) for one in draw.sample(keywords, 2)}
        schema = {"properties": {"p": inner}} if draw.random() < 0.5 else inner
        meta, ours = verdicts(draft, schema)
        if ours and not meta:
            assert any(taken(draft, key, value) for key, value in inner.items()), schema
        elif meta and not ours:
            assert any(refused(draft, value) for value in inner.values()), schema


def test_a_list_of_schemas_is_not_empty() -> None:
    for draft in ("4", "6", "7", "2019-09", "2020-12"):
        for keyword in ("allOf", "anyOf", "oneOf", "prefixItems" if draft == "2020-12" else "items"):
            with pytest.raises(SchemaError, match=f"#/{keyword}: must be a list of at least one"):
                Document({"properties": {"a": {}}, keyword: []}, draft=draft)
