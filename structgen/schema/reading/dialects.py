"""The dialects: the keywords of each draft of JSON Schema, with their readers, in one table.

A *draft* is a version of JSON Schema, such as "7" or "2020-12"; "v1" is the coming release. A *dialect*
(`Dialect`) is the table of one draft: it maps each keyword to its *reader*, the function that reads it. A
keyword that a draft does not know is not in its table. An *annotation* is a keyword without a reader, such as
`title`: it has no effect on which values are valid. A *vocabulary* is a group of keywords that a meta-schema
can leave out. For example `const` is in the dialects from draft 6 on, and its reader is `read_enum`.

Sources: the JSON Schema drafts 3, 4, 6, 7, 2019-09 and 2020-12 (Core and Validation) and their meta-schemas;
for vocabularies, Core 2019-09 and 2020-12, section 8.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from structgen.schema.reading import draft3, keywords
from structgen.schema.reading.draft_names import DRAFTS
from structgen.schema.reading.model import Dialect, Reader
from structgen.schema.reading.string_grammars import GRAMMAR


class _Row(NamedTuple):
    """Keywords that are read by one reader, in a range of drafts."""

    names: tuple[str, ...]
    """The keywords."""
    reader: Reader | None
    """The function that reads the keywords; None for annotations."""
    since: str = "3"
    until: str = "v1"
    """`since` and `until` are the first and the last draft that read the keywords so."""
    holds: str = ""
    """How the keywords hold subschemas: "one" schema; a "list"; a "map" from names; "maps" (a map of maps);
    "any" (one or a list); "" for no subschemas."""
    vocabulary: str = ""
    """The vocabulary of the keywords, from 2019-09 on. With "" it is "applicator" where the keywords hold
    subschemas, else "validation"."""


_TABLE: Final = (
    _Row(("$schema", "title", "description", "default"), None),
    _Row(("definitions", "$defs"), None, holds="map"),
    _Row(("id",), None, until="4"),
    _Row(("$id", "examples"), None, "6"),
    _Row(("$comment", "contentEncoding", "contentMediaType", "readOnly", "writeOnly"), None, "7"),
    _Row(("$anchor", "$vocabulary", "deprecated"), None, "2019-09"),
    _Row(("contentSchema",), None, "2019-09", holds="one"),
    _Row(("$recursiveAnchor",), None, "2019-09", "2019-09"),
    _Row(("$dynamicAnchor",), None, "2020-12"),
    _Row(("$ref",), keywords.read_reference, vocabulary="core"),
    _Row(("type",), draft3.read_type, until="3", holds="list"),
    _Row(("type",), keywords.read_type, "4"),
    _Row(("enum",), keywords.read_enum),
    _Row(("minimum", "maximum"), keywords.read_bound),
    _Row(("exclusiveMinimum", "exclusiveMaximum"), keywords.read_exclusive_flag, until="4"),
    _Row(("exclusiveMinimum", "exclusiveMaximum"), keywords.read_bound, "6"),
    _Row(("divisibleBy",), keywords.read_multiple_of, until="3"),
    _Row(("multipleOf",), keywords.read_multiple_of, "4"),
    _Row(("minLength", "maxLength"), keywords.read_count),
    _Row(("pattern",), keywords.read_pattern),
    _Row((GRAMMAR,), keywords.read_grammar, vocabulary="core"),
    _Row(("format",), draft3.read_format, until="3"),
    _Row(("format",), keywords.read_format, "4", vocabulary="format"),
    _Row(("properties",), draft3.read_properties, until="3", holds="map"),
    _Row(("properties",), keywords.read_properties, "4", holds="map"),
    _Row(("patternProperties",), keywords.read_pattern_properties, holds="map"),
    _Row(("additionalProperties",), keywords.read_schema, holds="one"),
    _Row(("required",), keywords.read_required, "4"),
    _Row(("minProperties", "maxProperties"), keywords.read_count, "4"),
    _Row(("dependencies",), draft3.read_dependencies, until="3", holds="map"),
    _Row(("dependencies",), keywords.read_dependencies, "4", holds="map"),
    _Row(("items",), keywords.read_items, holds="any"),
    _Row(("additionalItems",), keywords.read_additional_items, "3", "2019-09", "one"),
    _Row(("minItems", "maxItems"), keywords.read_count),
    _Row(("uniqueItems",), keywords.read_unique_items),
    _Row(("extends",), draft3.read_extends, until="3", holds="any"),
    _Row(("disallow",), draft3.read_disallow, until="3", holds="list"),
    _Row(("allOf", "anyOf", "oneOf"), keywords.read_schemas, "4", holds="list"),
    _Row(("not",), keywords.read_schema, "4", holds="one"),
    _Row(("const",), keywords.read_enum, "6"),
    _Row(("contains",), keywords.read_schema, "6", "2019-09", "one"),
    _Row(("contains",), keywords.read_contains, "2020-12", holds="one"),
    _Row(("propertyNames",), keywords.read_schema, "6", holds="one"),
    _Row(("if", "then", "else"), keywords.read_if, "7", holds="one"),
    _Row(("dependentRequired",), keywords.read_dependencies, "2019-09"),
    _Row(("dependentSchemas",), keywords.read_dependencies, "2019-09", "v1", "map"),
    _Row(("minContains", "maxContains"), keywords.read_count, "2019-09"),
    _Row(
        ("unevaluatedItems", "unevaluatedProperties"),
        keywords.read_unevaluated,
        "2019-09",
        holds="one",
        vocabulary="unevaluated",
    ),
    _Row(("$recursiveRef",), keywords.read_reference, "2019-09", "2019-09", vocabulary="core"),
    _Row(("prefixItems",), keywords.read_prefix, "2020-12", holds="list"),
    _Row(("$dynamicRef",), keywords.read_reference, "2020-12", vocabulary="core"),
    _Row(("propertyDependencies",), keywords.read_property_dependencies, "v1", holds="maps"),
)
# 2019-09 counts the unevaluated keywords among the applicators; 2020-12 gave them their own vocabulary.
_PARTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "2019-09": {
        "applicator": ("applicator", "unevaluated"),
        "validation": ("validation",),
        "format": ("format",),
    },
    "2020-12": {
        "applicator": ("applicator",),
        "unevaluated": ("unevaluated",),
        "validation": ("validation",),
        "format-annotation": ("format",),
        "format-assertion": ("format",),
    },
}
"""For each draft its vocabularies that have readers, each with the names that `_TABLE` has for it."""
_IDLE: Final = ("core", "meta-data", "content")
"""Vocabularies that are known and add no reader: "core" is always there, the others are annotations."""


def _keyword_rows(draft: str) -> Iterator[tuple[str, _Row]]:
    """Yield the keywords of a draft, each with its row of the table."""
    number = DRAFTS.index(draft)
    for row in _TABLE:
        first = DRAFTS.index(row.since)
        last = DRAFTS.index(row.until)
        if first <= number <= last:
            for name in row.names:
                yield name, row


@lru_cache(maxsize=len(DRAFTS))
def dialect_of(draft: str) -> Dialect:
    """Return the dialect of a draft, one of DRAFTS. Each is made once."""
    number = DRAFTS.index(draft)
    from_6, from_2019, from_2020 = (number >= DRAFTS.index(first) for first in ("6", "2019-09", "2020-12"))
    anchors: tuple[str, ...] = ()
    dynamic_anchor = ""
    if from_2020:
        anchors = ("$anchor", "$dynamicAnchor")
        dynamic_anchor = "$dynamicAnchor"
    elif from_2019:
        anchors = ("$anchor",)
        dynamic_anchor = "$recursiveAnchor"
    rows = dict(_keyword_rows(draft))
    return Dialect(
        draft=draft,
        keywords={name: row.reader for name, row in rows.items() if row.reader is not None},
        locations={name: row.holds for name, row in rows.items() if row.holds},
        annotations=frozenset(name for name, row in rows.items() if row.reader is None),
        id_key="$id" if from_6 else "id",
        anchors=anchors,
        hides_siblings=not from_2019,
        booleans=from_6,
        plain_integers=not from_6,
        dynamic_anchor=dynamic_anchor,
    )


def with_vocabularies(whole_dialect: Dialect, meta: Mapping[str, Any]) -> Dialect:
    """Return a dialect with only the vocabularies that a meta-schema names in `$vocabulary`.

    `whole_dialect` is the dialect of the draft, and `meta` the meta-schema. `whole_dialect` itself comes back
    where `meta` has no `$vocabulary`, and for drafts without vocabularies. A vocabulary that is required and
    not known is listed in `unknown_vocabularies` of the dialect: schemas that use it must be refused.
    """
    vocabularies = meta.get("$vocabulary")
    parts = _PARTS.get(whole_dialect.draft)
    if parts is None or not isinstance(vocabularies, dict):
        return whole_dialect
    kept_groups = {"core"}  # a meta-schema cannot leave it out (2020-12 Core, section 8)
    unknown = []
    asserts_formats = False
    standard_draft = f"https://json-schema.org/draft/{whole_dialect.draft}"
    for uri, is_required in vocabularies.items():
        draft, _, name = uri.rpartition("/vocab/")
        is_known = name in parts or name in _IDLE
        if draft == standard_draft and is_known:
            kept_groups.update(parts.get(name, ()))
            # 2020-12 Validation, section 7.2.2: an implementation that knows this vocabulary asserts formats,
            # whether the vocabulary is required (true) or optional (false).
            asserts_formats = asserts_formats or name == "format-assertion"
        elif is_required:
            # An optional vocabulary that is not known is passed over: its keywords have no effect.
            unknown.append(uri)
    group_of = {
        name: row.vocabulary or ("applicator" if row.holds else "validation")
        for name, row in _keyword_rows(whole_dialect.draft)
    }
    kept_keywords = {
        name: reader for name, reader in whole_dialect.keywords.items() if group_of[name] in kept_groups
    }
    return replace(
        whole_dialect,
        keywords=kept_keywords,
        asserts_formats=asserts_formats,
        unknown_vocabularies=tuple(unknown),
    )
