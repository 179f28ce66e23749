"""What each draft of JSON Schema calls its keywords, and how a keyword's value becomes fields of a `Schema`.

One function reads one keyword. A draft is a `Dialect`: a table from keyword to function, so that a keyword
that a draft does not know is simply not in its table. Sources: the JSON Schema drafts 4, 6, 7, 2019-09 and
2020-12 (Core and Validation) and their meta-schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from structgen.schema.handled import HANDLED

if TYPE_CHECKING:
    from structgen.schema.document import Document, Place
    from structgen.schema.model import Schema

Reader: TypeAlias = "Callable[[Document, Place, dict[str, Any], Any], None]"
"""Reads one keyword: the document, the place, the place's JSON object, the keyword's value."""

DRAFTS = ("4", "6", "7", "2019-09", "2020-12")
DEFAULT_DRAFT = "2020-12"

_URIS = MappingProxyType(
    {
        "json-schema.org/draft-03/schema": "3",
        "json-schema.org/draft-04/schema": "4",
        "json-schema.org/draft-06/schema": "6",
        "json-schema.org/draft-07/schema": "7",
        "json-schema.org/draft/2019-09/schema": "2019-09",
        "json-schema.org/draft/2020-12/schema": "2020-12",
    }
)


def draft_of(uri: str) -> str | None:
    """Return the draft ("3" to "2020-12") that a `$schema` URI names, http or https, or None."""
    rest = uri.rstrip("#").removeprefix("https://").removeprefix("http://")
    return _URIS.get(rest) if rest != uri.rstrip("#") else None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One draft: its keywords, and what it says differently."""

    draft: str
    keywords: Mapping[str, Reader]
    locations: Mapping[str, str]
    """Keyword -> how it holds subschemas: "one", "list", "map", "any" (one or list)."""
    annotations: frozenset[str]
    """Keywords that the draft knows and that say nothing about which values are valid."""
    formats: frozenset[str]
    id_key: str
    anchors: tuple[str, ...]
    """Keywords that name an anchor; empty where `$id` does it, as "#name"."""
    hides_siblings: bool
    """`$ref` makes all other keywords beside it void."""
    booleans: bool
    """true and false are schemas."""


# --- Kinds of values ----------------------------------------------------------------------------------------

_TYPES = MappingProxyType(
    {
        name: frozenset((name,))
        for name in ("object", "array", "string", "number", "integer", "boolean", "null")
    }
)

_COUNT_CAP = 10**18
"""Counts beyond this are taken as this: no document is so long, and 1e999999999 must not become an int."""


def number(value: object) -> Decimal | None:
    """Return a JSON number as a Decimal, or None for anything else."""
    kind = value.__class__
    if kind is int:
        return Decimal(value)  # type: ignore[arg-type]
    return value if kind is Decimal else None  # type: ignore[return-value]


def count(value: object) -> int | None:
    """Return a JSON number that is an integer >= 0 (3, 3.0) as an int, or None for anything else."""
    if value.__class__ is int:
        return min(value, _COUNT_CAP) if value >= 0 else None
    if not isinstance(value, Decimal) or value < 0:
        return None
    if value > _COUNT_CAP:
        return _COUNT_CAP
    return int(value) if value == int(value) else None


def _texts(value: object) -> bool:
    return value.__class__ is list and all(item.__class__ is str for item in value)


# --- Keywords for values of any type ------------------------------------------------------------------------


def _type(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is str and value in _TYPES:
        place.types = _TYPES[value]
    elif _texts(value) and value and all(name in _TYPES for name in value):
        place.types = frozenset(value)
    else:
        raise document.wrong(
            place,
            "type",
            "takes object, array, string, number, integer, boolean, null, or a list of these",
            "" if value != "any" else "Leave type out where any type may come.",
        )


def _enum(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not list:
        raise document.wrong(
            place, "enum", "takes a list of values", "For one value, use const or a list of one."
        )
    _listed(document, place, "enum", tuple(value))


def _const(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    _listed(document, place, "const", (value,))


def _listed(document: Document, place: Place, keyword: str, values: tuple[Any, ...]) -> None:
    """Set `enum`; where the place has one already (enum beside const), the second must hold as well."""
    if place.enum is None:
        place.enum = values
    else:
        place.all_of += (document.derived(f"{place.pointer}/{keyword}", enum=values),)


# --- Numbers ------------------------------------------------------------------------------------------------


def _bound(keyword: str, field: str, flag: str | None) -> Reader:
    """Return the reader of a numeric bound; `flag` is draft 4's boolean keyword that makes it exclusive."""

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        bound = number(value)
        if bound is None:
            old = "In draft 4 alone it is true or false beside the bound." if value.__class__ is bool else ""
            raise document.wrong(place, keyword, "takes a number", old)
        setattr(place, f"exclusive_{field}" if flag and raw.get(flag) is True else field, bound)

    return read


def _exclusive_flag(keyword: str) -> Reader:
    """Return the check of draft 4's boolean `exclusiveMinimum`, which `_bound` takes into account."""

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        if value.__class__ is not bool:
            raise document.wrong(
                place,
                keyword,
                "takes true or false in draft 4",
                "Set $schema to the draft the schema is written in; from draft 6 on it is a number.",
            )

    return read


def _multiple_of(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    divisor = number(value)
    if divisor is None or divisor <= 0:
        raise document.wrong(place, "multipleOf", "takes a number greater than 0")
    place.multiple_of = divisor


# --- Counts, strings ----------------------------------------------------------------------------------------


def _count(keyword: str, field: str, beside: str | None = None) -> Reader:
    """Return the reader of a count; it says nothing unless the keyword `beside` is present."""

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        bound = count(value)
        if bound is None:
            raise document.wrong(place, keyword, "takes an integer of at least 0")
        if beside is None or beside in raw:
            setattr(place, field, bound)

    return read


def _pattern(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "pattern", "takes a regular expression in a string")
    place.pattern = value
    document.patterns.setdefault(value, place)


def _format(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "format", "takes a string")
    if document.policies.formats == "assert" and value in place.scope.dialect.formats:
        place.format = value
        document.formats.setdefault(value, place)


# --- Objects ------------------------------------------------------------------------------------------------


def _properties(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict:
        raise document.wrong(place, "properties", "takes an object of schemas")
    child = document.child
    place.properties = {name: child(place, member, ("properties", name)) for name, member in value.items()}
    place.applicators += ("properties",)


def _pattern_properties(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict:
        raise document.wrong(place, "patternProperties", "takes an object of schemas")
    place.pattern_properties = tuple(
        (source, document.child(place, member, ("patternProperties", source)))
        for source, member in value.items()
    )
    for source in value:
        document.patterns.setdefault(source, place)


def _required(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if not _texts(value):
        raise document.wrong(
            place,
            "required",
            "takes a list of names",
            "" if value.__class__ is not bool else "Name the property in `required` of the object around it.",
        )
    if value:
        place.required = tuple(dict.fromkeys(value))


def _dependent_required(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict or not all(_texts(names) for names in value.values()):
        raise document.wrong(place, "dependentRequired", "takes an object of lists of names")
    _depend(document, place, "dependentRequired", value, {})


def _dependent_schemas(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not dict:
        raise document.wrong(place, "dependentSchemas", "takes an object of schemas")
    _depend(document, place, "dependentSchemas", {}, value)


def _dependencies(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    # 2019-09 split the keyword in two and kept it in the meta-schema as deprecated. It is enforced there too,
    # as the test suite's optional/dependencies-compatibility.json has it: schemas without $schema rely on it.
    if value.__class__ is not dict:
        raise document.wrong(place, "dependencies", "takes an object of schemas and lists of names")
    names = {key: member for key, member in value.items() if _texts(member)}
    schemas = {key: member for key, member in value.items() if key not in names}
    _depend(document, place, "dependencies", names, schemas)
    for keyword, found in (("dependentRequired", names), ("dependentSchemas", schemas)):
        if found and keyword not in HANDLED:
            document.refuse(place, "dependencies", "dependencies in this form is not handled.")
            break


def _depend(
    document: Document, place: Place, keyword: str, names: dict[str, Any], schemas: dict[str, Any]
) -> None:
    """Add to both dependent fields: `dependencies` may stand beside the keywords that replaced it."""
    if any(names.values()):
        required = dict(place.dependent_required)
        for key, value in names.items():
            required[key] = tuple(dict.fromkeys((*required.get(key, ()), *value)))
        place.dependent_required = required
    if schemas:
        children: dict[str, Schema] = dict(place.dependent_schemas)
        for key, value in schemas.items():
            child: Schema = document.child(place, value, (keyword, key))
            if key in children:
                both = (children[key], child)
                child = document.derived(f"{place.pointer}/{keyword}", all_of=both, applicators=("allOf",))
            children[key] = child
        place.dependent_schemas = children
        if "dependentSchemas" not in place.applicators:
            place.applicators += ("dependentSchemas",)


# --- Arrays -------------------------------------------------------------------------------------------------


def _prefix(keyword: str) -> Reader:
    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        if value.__class__ is not list:
            raise document.wrong(place, keyword, "takes a list of schemas")
        place.prefix = tuple(
            document.child(place, member, (keyword, index)) for index, member in enumerate(value)
        )

    return read


_prefix_items = _prefix("prefixItems")
_items_list = _prefix("items")


def _items(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is list:
        raise document.wrong(
            place,
            "items",
            "takes one schema in draft 2020-12",
            "Name the list prefixItems, or set $schema (or draft=) to the draft the schema is written in.",
        )
    place.items = document.child(place, value, ("items",))


def _items_any(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is list:
        _items_list(document, place, raw, value)
    else:
        place.items = document.child(place, value, ("items",))


def _additional_items(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if raw.get("items").__class__ is list:  # without a list it says nothing
        place.items = document.child(place, value, ("additionalItems",))


def _unique_items(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not bool:
        raise document.wrong(place, "uniqueItems", "takes true or false")
    if value:
        place.unique_items = True


def _contains(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    place.contains = document.child(place, value, ("contains",))


# --- Combinations -------------------------------------------------------------------------------------------


def _one(keyword: str, field: str) -> Reader:
    """Return the reader of a keyword that holds one schema."""

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        setattr(place, field, document.child(place, value, (keyword,)))

    return read


def _list(keyword: str, field: str) -> Reader:
    """Return the reader of a keyword that holds a list of schemas."""

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        if value.__class__ is not list or not value:
            raise document.wrong(place, keyword, "takes a list of at least one schema")
        schemas = tuple(
            [document.child(place, member, (keyword, index)) for index, member in enumerate(value)]
        )
        setattr(place, field, getattr(place, field) + schemas)
        place.applicators += (keyword,)

    return read


def _if(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if "then" in raw or "else" in raw:  # alone it says nothing
        place.if_ = document.child(place, value, ("if",))
        place.applicators += ("if",)


def _branch(keyword: str, field: str) -> Reader:
    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        if "if" in raw:
            setattr(place, field, document.child(place, value, (keyword,)))
            place.applicators += (keyword,)

    return read


def _ref(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
    if value.__class__ is not str:
        raise document.wrong(place, "$ref", "takes a URI reference in a string")
    document.refer(place, value)
    place.applicators += ("$ref",)


def _never(keyword: str) -> Reader:
    """Return the reader of a keyword that no part of the network knows."""

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        document.refuse(place, keyword)

    return read


def _unevaluated(keyword: str) -> Reader:
    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        if value is not True and value != {}:
            document.refuse(place, keyword)

    return read


def _guarded(keyword: str, reader: Reader) -> Reader:
    """Return the reader, followed by a refusal where it set anything and the network does not handle it."""
    if keyword in HANDLED:
        return reader

    def read(document: Document, place: Place, raw: dict[str, Any], value: Any) -> None:
        before = len(place.__dict__)
        reader(document, place, raw, value)
        if len(place.__dict__) != before:
            document.refuse(place, keyword)

    return read


# --- Dialects -----------------------------------------------------------------------------------------------

# Formats that each draft defines (Validation, "Vocabularies for Semantic Content With format"); date, time,
# regex and idn-email are asserted from draft 4 on, as jsonschema-rs does, whose verdicts label MaskBench.
_FORMATS_4 = frozenset(
    ("date-time", "date", "time", "email", "idn-email", "hostname", "ipv4", "ipv6", "uri", "regex")
)
_FORMATS_6 = _FORMATS_4 | {"uri-reference", "uri-template", "json-pointer"}
_FORMATS_7 = _FORMATS_6 | {"idn-hostname", "iri", "iri-reference", "relative-json-pointer"}
_FORMATS_2019 = _FORMATS_7 | {"duration", "uuid"}

_ANNOTATIONS = frozenset(("$schema", "title", "description", "default", "definitions", "$defs"))


@lru_cache(maxsize=len(DRAFTS))
def dialect(draft: str) -> Dialect:
    """Return the dialect of one of DRAFTS; made once for each."""
    since = DRAFTS.index(draft)
    six, seven, y2019, y2020 = since >= 1, since >= 2, since >= 3, since >= 4
    keywords: dict[str, Reader] = {
        "$ref": _ref,
        "type": _type,
        "enum": _enum,
        "minimum": _bound("minimum", "minimum", None if six else "exclusiveMinimum"),
        "maximum": _bound("maximum", "maximum", None if six else "exclusiveMaximum"),
        "exclusiveMinimum": (
            _bound("exclusiveMinimum", "exclusive_minimum", None)
            if six
            else _exclusive_flag("exclusiveMinimum")
        ),
        "exclusiveMaximum": (
            _bound("exclusiveMaximum", "exclusive_maximum", None)
            if six
            else _exclusive_flag("exclusiveMaximum")
        ),
        "multipleOf": _multiple_of,
        "minLength": _count("minLength", "min_length"),
        "maxLength": _count("maxLength", "max_length"),
        "pattern": _pattern,
        "format": _format,
        "properties": _properties,
        "patternProperties": _pattern_properties,
        "additionalProperties": _one("additionalProperties", "additional"),
        "required": _required,
        "minProperties": _count("minProperties", "min_properties"),
        "maxProperties": _count("maxProperties", "max_properties"),
        "dependencies": _dependencies,
        "items": _items if y2020 else _items_any,
        "minItems": _count("minItems", "min_items"),
        "maxItems": _count("maxItems", "max_items"),
        "uniqueItems": _unique_items,
        "allOf": _list("allOf", "all_of"),
        "anyOf": _list("anyOf", "any_of"),
        "oneOf": _list("oneOf", "one_of"),
        "not": _one("not", "not_"),
    }
    locations = {
        "definitions": "map",
        "$defs": "map",
        "properties": "map",
        "patternProperties": "map",
        "dependencies": "map",
        "additionalProperties": "one",
        "items": "any",
        "not": "one",
        "allOf": "list",
        "anyOf": "list",
        "oneOf": "list",
    }
    annotations = set(_ANNOTATIONS)
    if not y2020:
        keywords["additionalItems"] = _additional_items
        locations["additionalItems"] = "one"
    if six:
        keywords.update(
            {
                "const": _const,
                "contains": _contains,
                "propertyNames": _one("propertyNames", "property_names"),
            }
        )
        locations.update({"contains": "one", "propertyNames": "one"})
        annotations.update(("$id", "examples"))
    else:
        annotations.add("id")
    if seven:
        keywords.update({"if": _if, "then": _branch("then", "then"), "else": _branch("else", "else_")})
        locations.update({"if": "one", "then": "one", "else": "one"})
        annotations.update(("$comment", "readOnly", "writeOnly", "contentMediaType", "contentEncoding"))
    if y2019:
        keywords.update(
            {
                "dependentRequired": _dependent_required,
                "dependentSchemas": _dependent_schemas,
                "minContains": _count("minContains", "min_contains", beside="contains"),
                "maxContains": _count("maxContains", "max_contains", beside="contains"),
                "unevaluatedItems": _unevaluated("unevaluatedItems"),
                "unevaluatedProperties": _unevaluated("unevaluatedProperties"),
                "$recursiveRef": _never("$recursiveRef"),
            }
        )
        locations.update(
            {"dependentSchemas": "map", "unevaluatedItems": "one", "unevaluatedProperties": "one"}
        )
        annotations.update(("$anchor", "$recursiveAnchor", "$vocabulary", "deprecated", "contentSchema"))
    if y2020:
        del keywords["$recursiveRef"]
        annotations.remove("$recursiveAnchor")
        keywords.update({"prefixItems": _prefix_items, "$dynamicRef": _never("$dynamicRef")})
        locations["prefixItems"] = "list"
        annotations.add("$dynamicAnchor")
    return Dialect(
        draft=draft,
        keywords={keyword: _guarded(keyword, reader) for keyword, reader in keywords.items()},
        locations=locations,
        annotations=frozenset(annotations),
        formats=_FORMATS_2019 if y2019 else _FORMATS_7 if seven else _FORMATS_6 if six else _FORMATS_4,
        id_key="$id" if six else "id",
        anchors=("$anchor", "$dynamicAnchor") if y2020 else ("$anchor",) if y2019 else (),
        hides_siblings=not y2019,
        booleans=six,
    )
